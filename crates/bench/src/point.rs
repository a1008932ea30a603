//! One point of a sweep: the same jobs for everybody, in turns.

use std::time::Duration;

use crate::{
    books::Books,
    entrant::{Entrant, Running, run_without_executor},
    error::Error,
    progress::Progress,
    report::{Row, Spread, Sweep},
    rounds::{Contender, Series, alternate},
    settings::Settings,
    suspect,
    work::{Look, Work},
};

/// What is measured together.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) sweep: Sweep,
    /// The work in a job, as far as it is known beforehand.
    pub(crate) grain_ns: f64,
    /// What a job carries beside.
    pub(crate) bytes: usize,
    /// Who does it, apart from the plain loop.
    pub(crate) entrants: Vec<Entrant>,
}

/// What a point gave.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    /// What each row has cost, if it is one of worker processes.
    pub(crate) books: Vec<Option<Books>>,
    /// What a job took in the plain loop, in each round.
    pub(crate) loop_ns: Vec<f64>,
}

impl Point {
    /// How many runs this takes, those to warm up included.
    pub(crate) fn runs(&self, rounds: usize) -> u64 {
        self.runs_in_a_round() * (rounds as u64 + 1)
    }

    /// Number of entrants, and the plain loop.
    fn runs_in_a_round(&self) -> u64 {
        self.entrants.len() as u64 + 1
    }

    /// Measures it, with jobs of this number of turns, and once more if a row of it is suspect.
    pub(crate) fn measure(
        &self,
        turns: u64,
        settings: &Settings,
        cores: usize,
        progress: &Progress<'_>,
    ) -> Result<Measured, Error> {
        let Settings { rounds, run_time, starts, .. } = settings;
        let work = &Work::new(turns, self.bytes);
        let running: Vec<Running> =
            self.entrants.iter().map(|entrant| Running::start(entrant, starts)).collect::<Result<_, _>>()?;
        let slowest = warm_up(&running, work, *run_time, progress)?;
        let jobs = self.count(slowest, *run_time);
        let measure = || {
            for one in &running {
                // What warming up, or a measurement that is repeated, has cost does not count.
                let _ = one.take_books();
            }
            let look = Look::Quickly;
            let mut contenders =
                vec![Contender::new("", || progress.count(run_without_executor(work, jobs, look)))];
            contenders.extend(
                running.iter().map(|one| Contender::new("", || progress.count(one.run(work, jobs, look)))),
            );
            let series = alternate(contenders, *rounds).map_err(|given_up| given_up.error)?;
            let books = running.iter().map(Running::take_books).collect();
            Ok(self.report(&series, jobs, books, cores))
        };
        repeat_if_suspect(measure, || progress.add(self.runs_in_a_round() * *rounds as u64))
    }

    /// How many jobs take the slowest about so long, and give everybody's workers as many each.
    fn count(&self, slowest_ns: f64, run_time: Duration) -> usize {
        let wanted = (run_time.as_nanos() as f64 / slowest_ns.max(1.0)) as usize;
        let least = self.entrants.iter().map(Entrant::least_jobs).max().unwrap_or(1);
        let workers = self.entrants.iter().map(|entrant| entrant.workers).max().unwrap_or(1);
        wanted.max(least).next_multiple_of(workers.max(1))
    }

    fn report(&self, series: &[Series], jobs: usize, books: Vec<Option<Books>>, cores: usize) -> Measured {
        let Some((plain, others)) = series.split_first() else { return Measured::default() };
        let is_possible = |entrant: &Entrant, series: &Series| {
            let limit = suspect::limit(entrant.workers, cores, entrant.in_flight());
            suspect::is_possible(plain.ratios(series), limit)
        };
        let row = |((entrant, series), books): ((&Entrant, &Series), &Option<Books>)| Row {
            sweep: self.sweep,
            executor: entrant.executor,
            workers: entrant.workers,
            grain_ns: plain.median(),
            payload_bytes: self.bytes as u64,
            codec: entrant.codec.map_or_else(String::new, |codec| codec.to_string()),
            transport: entrant.transport.map_or_else(String::new, |transport| transport.to_string()),
            batch: entrant.batch.map(std::num::NonZeroU64::get),
            in_flight: entrant.in_flight(),
            jobs: jobs as u64,
            ns_per_job: Spread::of(series.figures.clone()),
            speedup: plain.against(series),
            suspect: !is_possible(entrant, series),
            predicted_ns: None,
            stages: books.as_ref().map_or_else(Vec::new, Books::stages),
        };
        let rows = self.entrants.iter().zip(others).zip(&books).map(row).collect();
        Measured { rows, books, loop_ns: plain.figures.clone() }
    }
}

/// Measures, and once more, after a call of `before_repeating`, if that gives a suspect row. The second measurement replaces
/// all of the first, better or not: rows share the plain loop, and keeping the better one would select figures by their
/// values.
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

/// Lets everybody run until it is known what a job takes: the most that it takes anybody.
fn warm_up(
    running: &[Running],
    work: &Work,
    run_time: Duration,
    progress: &Progress<'_>,
) -> Result<f64, Error> {
    let enough = run_time / 4;
    let plain = settle(1, enough, |count, look| run_without_executor(work, count, look));
    let mut slowest = progress.count(plain)?;
    for one in running {
        let settled = settle(one.entrant().workers, enough, |count, look| one.run(work, count, look));
        slowest = progress.count(settled)?.max(slowest);
    }
    Ok(slowest)
}

/// Runs more and more jobs until they take long enough to say what one takes.
fn settle(
    first: usize,
    enough: Duration,
    mut run: impl FnMut(usize, Look) -> Result<f64, Error>,
) -> Result<f64, Error> {
    // This one waits for workers to start, which says nothing.
    run(first, Look::Closely)?;
    let (mut count, enough) = (first, enough.as_nanos() as f64);
    loop {
        let ns = run(count, Look::Quickly)?;
        if ns * count as f64 >= enough {
            return Ok(ns);
        }
        let missing = (enough / (ns * count as f64).max(1.0)).ceil() as usize;
        count *= missing.clamp(2, 16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(entrants: Vec<Entrant>) -> Point {
        Point { sweep: Sweep::Grain, grain_ns: 1e3, bytes: 0, entrants }
    }

    #[test]
    fn the_number_of_jobs_goes_by_the_slowest_and_is_even_for_all_workers() {
        let three = point(vec![Entrant::serial(), Entrant::threads(3)]);
        assert_eq!(three.count(1e6, Duration::from_millis(100)), 102);
        assert_eq!(three.count(1e9, Duration::from_millis(100)), 6, "two for each");
        let batches = Entrant::processes(2).with_batch(std::num::NonZeroU64::new(1000));
        assert_eq!(point(vec![batches]).count(1e6, Duration::from_millis(100)), 2000, "a batch for each");
    }

    #[test]
    fn a_first_run_is_not_believed_and_the_last_one_took_long_enough() {
        let mut counts = Vec::new();
        let ns = settle(2, Duration::from_micros(10), |count, look| {
            counts.push((count, look));
            Ok(if look == Look::Closely { 1e9 } else { 50.0 })
        });
        assert_eq!(ns, Ok(50.0));
        assert_eq!(counts[0], (2, Look::Closely));
        assert_eq!(counts[1..].iter().map(|&(count, _)| count).collect::<Vec<_>>(), [2, 32, 224]);
    }

    #[test]
    fn executors_are_set_against_the_plain_loop_of_the_same_round() {
        let told = std::cell::Cell::new((0, 0));
        let mut tell = |done, all| told.set((done, all));
        let one = point(vec![Entrant::serial(), Entrant::threads(1)]);
        let progress = Progress::new(one.runs(2), &mut tell);
        let settings = Settings { rounds: 2, run_time: Duration::from_millis(1), ..Settings::usual(true) };
        let measured = one.measure(1000, &settings, 2, &progress).unwrap();
        assert_eq!((measured.rows.len(), measured.loop_ns.len()), (2, 2));
        assert!([(9, 9), (15, 15)].contains(&told.get()), "once, or twice on a noisy machine: {told:?}");
        for row in measured.rows {
            let rounds = measured.loop_ns.iter().zip(&row.ns_per_job.rounds);
            let ratios = rounds.map(|(plain, executor)| plain / executor).collect();
            assert_eq!(row.speedup, crate::rounds::median(ratios), "{row:?}");
            assert!(row.jobs >= 2, "{row:?}");
        }
    }

    /// Measures a point of the serial executor and two threads, on two cores, with made-up times for a job: in each
    /// measurement those of the plain loop, the serial executor and the threads, the same in all rounds. Returns the
    /// result, the number of measurements, and the number of calls before a repetition.
    fn measured_with(times: &[[f64; 3]]) -> (Measured, usize, usize) {
        let point = point(vec![Entrant::serial(), Entrant::threads(2)]);
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
    fn a_point_that_is_impossible_once_is_measured_again_as_a_whole() {
        let (measured, measurements, repetitions) =
            measured_with(&[[1500.0, 1500.0, 500.0], [1000.0, 1250.0, 500.0]]);
        assert_eq!((measurements, repetitions), (2, 1));
        assert_eq!(speedups(&measured), [(0.8, false), (2.0, false)], "none is of the first measurement");
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
        let point = point(vec![Entrant::threads(2), Entrant::threads(2).one_in_flight()]);
        let series = [1000.0, 600.0, 600.0].map(|ns| Series { name: String::new(), figures: vec![ns; 3] });
        let measured = point.report(&series, 10, vec![None, None], 2);
        assert_eq!(measured.rows.iter().map(|row| row.suspect).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn repeated_runs_are_added_to_the_progress() {
        let told = std::cell::Cell::new((0, 0));
        let mut tell = |done, all| told.set((done, all));
        let progress = Progress::new(2, &mut tell);
        progress.count(());
        progress.add(3);
        progress.count(());
        assert_eq!(told.get(), (2, 5));
    }
}
