//! A run: all points of the sweeps that were asked for, one after the other.

use crate::{
    books::Books,
    calibrate::Pace,
    error::Error,
    load::spin,
    machine::load,
    point::{Measured, Point},
    predict::predict,
    progress::Progress,
    report::{Machine, Report},
    rounds::median,
    settings::Settings,
    sweep::points,
};

/// The layout of [`Report`].
const SCHEMA: u32 = 1;

/// Measures. `progress` is told how many runs are done, and of how many; they take about the same time each.
///
/// # Errors
/// When there are no workers, or jobs are not done or done wrongly.
pub fn measure(settings: &Settings, progress: &mut dyn FnMut(u64, u64)) -> Result<Report, Error> {
    let mut machine = Machine::here();
    let points: Vec<Point> = settings.sweeps.iter().flat_map(|&sweep| points(sweep, settings)).collect();
    let runs = points.iter().map(|point| point.runs(settings.rounds)).sum();
    let progress = Progress::new(runs, progress);
    let pace = Pace::of(spin);
    let cores = machine.cores;
    let measure = |point: &Point| point.measure(pace.turns(point.grain_ns), settings, cores, &progress);
    let mut measured: Vec<Measured> = points.iter().map(measure).collect::<Result<_, _>>()?;
    share_grains(&points, &mut measured);
    machine.load[1] = load();
    let books: Vec<Option<Books>> = measured.iter().flat_map(|measured| measured.books.clone()).collect();
    let mut report = Report {
        schema: SCHEMA,
        machine,
        quick: settings.quick,
        rounds: settings.rounds,
        workers: settings.workers,
        rows: measured.into_iter().flat_map(|measured| measured.rows).collect(),
        model: None,
    };
    predict(&mut report, &books);
    Ok(report)
}

/// Points of a sweep that had the same jobs get the same grain, the middle of all their rounds: so rows that belong to
/// each other can be found by it. Their speedups stay those of their own rounds.
fn share_grains(points: &[Point], measured: &mut [Measured]) {
    let work = |point: &Point| (point.sweep, point.bytes, point.grain_ns.to_bits());
    let grains: Vec<f64> = points
        .iter()
        .map(|point| {
            let alike = points.iter().zip(&*measured).filter(|(other, _)| work(other) == work(point));
            median(alike.flat_map(|(_, measured)| measured.loop_ns.iter().copied()).collect())
        })
        .collect();
    for (measured, grain) in measured.iter_mut().zip(grains) {
        measured.rows.iter_mut().for_each(|row| row.grain_ns = grain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        entrant::Entrant,
        report::{ExecutorName, Row, Spread, Sweep},
    };

    fn row() -> Row {
        Row {
            sweep: Sweep::Workers,
            executor: ExecutorName::Processes,
            workers: 1,
            grain_ns: 0.0,
            payload_bytes: 0,
            codec: String::new(),
            transport: String::new(),
            batch: None,
            in_flight: None,
            jobs: 1,
            ns_per_job: Spread::of(vec![1.0]),
            speedup: 1.0,
            suspect: false,
            predicted_ns: None,
            stages: Vec::new(),
        }
    }

    #[test]
    fn points_of_the_same_jobs_have_the_same_grain() {
        let point = |grain_ns| Point {
            sweep: Sweep::Workers,
            grain_ns,
            bytes: 0,
            entrants: vec![Entrant::processes(1)],
        };
        let measured = |loop_ns: &[f64]| Measured {
            rows: vec![row()],
            loop_ns: loop_ns.to_vec(),
            ..Measured::default()
        };
        let points = [point(1e3), point(1e4), point(1e3)];
        let mut all = [measured(&[990.0, 1000.0]), measured(&[1e4, 1e4]), measured(&[1010.0])];
        share_grains(&points, &mut all);
        assert_eq!(all.map(|measured| measured.rows[0].grain_ns), [1000.0, 1e4, 1000.0]);
    }
}
