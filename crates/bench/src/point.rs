//! One point of a sweep: all candidates run the same jobs, in alternation.

use std::time::Duration;

use crate::{
    candidate::{Candidate, Running, run_without_executor},
    cost_snapshot::CostSnapshot,
    error::Error,
    progress::Progress,
    report::{Row, Spread, Sweep},
    rounds::{Contender, Series, alternate},
    settings::Settings,
    suspect,
    work::{CheckMode, Work},
};

/// Grain of one microsecond, in nanoseconds.
pub(crate) const US: f64 = 1e3;

/// Candidates and jobs that are measured together.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) sweep: Sweep,
    /// Nominal work in a job, in nanoseconds.
    pub(crate) grain_ns: f64,
    /// Payload of a job, in bytes.
    pub(crate) bytes: usize,
    /// Candidates; the plain loop runs in addition.
    pub(crate) candidates: Vec<Candidate>,
}

/// Result of a point.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    /// Costs of each row; `None` unless it is of worker processes.
    pub(crate) costs: Vec<Option<CostSnapshot>>,
    /// Nanoseconds for a job in the plain loop, by round.
    pub(crate) loop_ns: Vec<f64>,
}

impl Point {
    /// Number of runs, including those to warm up.
    pub(crate) fn runs(&self, rounds: usize) -> u64 {
        self.runs_per_round() * (rounds as u64 + 1)
    }

    /// Number of candidates, plus the plain loop.
    fn runs_per_round(&self) -> u64 {
        self.candidates.len() as u64 + 1
    }

    /// Measures the point with jobs of `turns` turns, and once more if a row is suspect.
    pub(crate) fn measure(
        &self,
        turns: u64,
        settings: &Settings,
        cores: usize,
        progress: &Progress<'_>,
    ) -> Result<Measured, Error> {
        let Settings { rounds, run_time, starts, .. } = settings;
        let work = &Work::new(turns, self.bytes);
        let running: Vec<Running> = self
            .candidates
            .iter()
            .map(|candidate| Running::start(candidate, starts))
            .collect::<Result<_, _>>()?;
        let slowest = warm_up(&running, work, *run_time, progress)?;
        let jobs = self.count(slowest, *run_time);
        let measure = || {
            for one in &running {
                // Discards the costs of warming up, or of a measurement that is repeated.
                let _ = one.take_costs();
            }
            let mode = CheckMode::Sampled;
            let mut contenders =
                vec![Contender::new("", || progress.count(run_without_executor(work, jobs, mode)))];
            contenders.extend(
                running.iter().map(|one| Contender::new("", || progress.count(one.run(work, jobs, mode)))),
            );
            let series = alternate(contenders, *rounds).map_err(|failed| failed.error)?;
            let costs = running.iter().map(Running::take_costs).collect();
            Ok(self.report(&series, jobs, costs, cores))
        };
        repeat_if_suspect(measure, || progress.add(self.runs_per_round() * *rounds as u64))
    }

    /// Number of jobs with which the slowest candidate runs about `run_time`; a multiple of each candidate's
    /// minimum and of the largest number of workers.
    fn count(&self, slowest_ns: f64, run_time: Duration) -> usize {
        let jobs = (run_time.as_nanos() as f64 / slowest_ns.max(1.0)) as usize;
        let min = self.candidates.iter().map(Candidate::min_jobs).max().unwrap_or(1);
        let workers = self.candidates.iter().map(|candidate| candidate.workers).max().unwrap_or(1);
        jobs.max(min).next_multiple_of(workers.max(1))
    }

    fn report(
        &self,
        series: &[Series],
        jobs: usize,
        costs: Vec<Option<CostSnapshot>>,
        cores: usize,
    ) -> Measured {
        let Some((plain, others)) = series.split_first() else { return Measured::default() };
        let is_possible = |candidate: &Candidate, series: &Series| {
            let limit = suspect::limit(candidate.workers, cores, candidate.in_flight());
            suspect::is_possible(plain.ratios(series), limit)
        };
        let row = |((candidate, series), costs): ((&Candidate, &Series), &Option<CostSnapshot>)| Row {
            sweep: self.sweep,
            executor: candidate.executor,
            workers: candidate.workers,
            grain_ns: plain.median(),
            payload_bytes: self.bytes as u64,
            codec: candidate.codec.map_or_else(String::new, |codec| codec.to_string()),
            transport: candidate.transport.map_or_else(String::new, |transport| transport.to_string()),
            batch: candidate.batch.map(std::num::NonZeroU64::get),
            in_flight: candidate.in_flight(),
            jobs: jobs as u64,
            ns_per_job: Spread::of(series.figures.clone()),
            speedup: plain.against(series),
            suspect: !is_possible(candidate, series),
            predicted_ns: None,
            stages: costs.as_ref().map_or_else(Vec::new, CostSnapshot::stages),
        };
        let rows = self.candidates.iter().zip(others).zip(&costs).map(row).collect();
        Measured { rows, costs, loop_ns: plain.figures.clone() }
    }
}

/// Measures; if a row is suspect, calls `before_repeating` and measures once more. The second measurement
/// replaces all of the first, better or not: rows share the plain loop, and keeping the better one would
/// select values by their size.
fn repeat_if_suspect(
    mut measure: impl FnMut() -> Result<Measured, Error>,
    before_repeating: impl FnOnce(),
) -> Result<Measured, Error> {
    let first = measure()?;
    if first.rows.iter().all(|row| !row.suspect) {
        return Ok(first);
    }
    before_repeating();
    measure()
}

/// Warms up all candidates. Returns the time for a job of the slowest one, in nanoseconds.
fn warm_up(
    running: &[Running],
    work: &Work,
    run_time: Duration,
    progress: &Progress<'_>,
) -> Result<f64, Error> {
    let min_time = run_time / 4;
    let plain = settle(1, min_time, |count, mode| run_without_executor(work, count, mode));
    let mut slowest = progress.count(plain)?;
    for one in running {
        let settled = settle(one.candidate().workers, min_time, |count, mode| one.run(work, count, mode));
        slowest = progress.count(settled)?.max(slowest);
    }
    Ok(slowest)
}

/// Runs more and more jobs until a run takes `min_time`; returns the time for a job of that run, in
/// nanoseconds.
fn settle(
    first: usize,
    min_time: Duration,
    mut run: impl FnMut(usize, CheckMode) -> Result<f64, Error>,
) -> Result<f64, Error> {
    // The first run includes the start of workers, so its time is ignored.
    run(first, CheckMode::Full)?;
    let (mut count, min_ns) = (first, min_time.as_nanos() as f64);
    loop {
        let ns = run(count, CheckMode::Sampled)?;
        if ns * count as f64 >= min_ns {
            return Ok(ns);
        }
        let missing = (min_ns / (ns * count as f64).max(1.0)).ceil() as usize;
        count *= missing.clamp(2, 16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(candidates: Vec<Candidate>) -> Point {
        Point { sweep: Sweep::Grain, grain_ns: 1e3, bytes: 0, candidates }
    }

    #[test]
    fn the_number_of_jobs_depends_on_the_slowest_and_divides_by_workers() {
        let three = point(vec![Candidate::serial(), Candidate::threads(3)]);
        assert_eq!(three.count(1e6, Duration::from_millis(100)), 102);
        assert_eq!(three.count(1e9, Duration::from_millis(100)), 6, "two for each");
        let batches = Candidate::processes(2).with_batch(std::num::NonZeroU64::new(1000));
        assert_eq!(point(vec![batches]).count(1e6, Duration::from_millis(100)), 2000, "a batch for each");
    }

    #[test]
    fn settle_ignores_the_first_run_and_grows_to_the_minimum_time() {
        let mut counts = Vec::new();
        let ns = settle(2, Duration::from_micros(10), |count, mode| {
            counts.push((count, mode));
            Ok(if mode == CheckMode::Full { 1e9 } else { 50.0 })
        });
        assert_eq!(ns, Ok(50.0));
        assert_eq!(counts[0], (2, CheckMode::Full));
        assert_eq!(counts[1..].iter().map(|&(count, _)| count).collect::<Vec<_>>(), [2, 32, 224]);
    }

    #[test]
    fn speedups_are_relative_to_the_plain_loop_of_the_same_round() {
        let last = std::cell::Cell::new((0, 0));
        let mut callback = |done, all| last.set((done, all));
        let one = point(vec![Candidate::serial(), Candidate::threads(1)]);
        let progress = Progress::new(one.runs(2), &mut callback);
        let settings =
            Settings { rounds: 2, run_time: Duration::from_millis(1), ..Settings::with_defaults(true) };
        let measured = one.measure(1000, &settings, 2, &progress).unwrap();
        assert_eq!((measured.rows.len(), measured.loop_ns.len()), (2, 2));
        assert!([(9, 9), (15, 15)].contains(&last.get()), "once, or twice on a noisy machine: {last:?}");
        for row in measured.rows {
            let rounds = measured.loop_ns.iter().zip(&row.ns_per_job.rounds);
            let ratios = rounds.map(|(plain, executor)| plain / executor).collect();
            assert_eq!(row.speedup, crate::rounds::median(ratios), "{row:?}");
            assert!(row.jobs >= 2, "{row:?}");
        }
    }

    /// Measures a point with the serial executor and two threads, on two cores, with made-up times for a job:
    /// for each measurement those of the plain loop, the serial executor and the threads, the same in all
    /// rounds. Returns the result, the number of measurements, and the number of calls before a repetition.
    fn measured_with(times: &[[f64; 3]]) -> (Measured, usize, usize) {
        let point = point(vec![Candidate::serial(), Candidate::threads(2)]);
        let (mut measurements, mut repetitions) = (0, 0);
        let measure = || {
            let series = times[measurements].map(|ns| Series { name: String::new(), figures: vec![ns; 3] });
            measurements += 1;
            Ok(point.report(&series, 10, vec![None, None], 2))
        };
        let measured = repeat_if_suspect(measure, || repetitions += 1).unwrap();
        (measured, measurements, repetitions)
    }

    fn speedups(measured: &Measured) -> Vec<(f64, bool)> {
        measured.rows.iter().map(|row| (row.speedup, row.suspect)).collect()
    }

    #[test]
    fn a_possible_point_is_measured_once() {
        let (measured, measurements, repetitions) = measured_with(&[[1000.0, 1000.0, 500.0]]);
        assert_eq!((measurements, repetitions), (1, 0));
        assert_eq!(speedups(&measured), [(1.0, false), (2.0, false)]);
    }

    #[test]
    fn a_point_with_an_impossible_row_is_measured_again_as_a_whole() {
        let (measured, measurements, repetitions) =
            measured_with(&[[1500.0, 1500.0, 500.0], [1000.0, 1250.0, 500.0]]);
        assert_eq!((measurements, repetitions), (2, 1));
        assert_eq!(
            speedups(&measured),
            [(0.8, false), (2.0, false)],
            "all rows are of the second measurement"
        );
        assert_eq!(measured.loop_ns, [1000.0; 3]);
    }

    #[test]
    fn rows_that_stay_impossible_are_marked_and_not_measured_a_third_time() {
        let (measured, measurements, repetitions) =
            measured_with(&[[1500.0, 1500.0, 500.0], [2000.0, 2000.0, 500.0]]);
        assert_eq!((measurements, repetitions), (2, 1));
        assert_eq!(speedups(&measured), [(1.0, false), (4.0, true)]);
    }

    #[test]
    fn a_round_trip_is_no_faster_than_the_plain_loop() {
        let point = point(vec![Candidate::threads(2), Candidate::threads(2).one_in_flight()]);
        let series = [1000.0, 600.0, 600.0].map(|ns| Series { name: String::new(), figures: vec![ns; 3] });
        let measured = point.report(&series, 10, vec![None, None], 2);
        assert_eq!(measured.rows.iter().map(|row| row.suspect).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn repeated_runs_increase_the_total_of_the_progress() {
        let last = std::cell::Cell::new((0, 0));
        let mut callback = |done, all| last.set((done, all));
        let progress = Progress::new(2, &mut callback);
        progress.count(());
        progress.add(3);
        progress.count(());
        assert_eq!(last.get(), (2, 5));
    }
}
