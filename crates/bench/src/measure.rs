//! Runs a measurement: all points of the requested sweeps, one after the other.

use crate::{
    calibrate::Pace,
    cost_snapshot::CostSnapshot,
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

/// Version of the layout of [`Report`].
const SCHEMA: u32 = 1;

/// Measures all sweeps of `settings`. Calls `progress` with the number of finished runs and the total after
/// each run; runs take about the same time each. The total grows when a point is measured again.
///
/// # Errors
/// When there are no workers, or when jobs fail or return wrong results.
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
    let costs: Vec<Option<CostSnapshot>> =
        measured.iter().flat_map(|measured| measured.costs.clone()).collect();
    let mut report = Report {
        schema: SCHEMA,
        machine,
        quick: settings.quick,
        rounds: settings.rounds,
        workers: settings.workers,
        rows: measured.into_iter().flat_map(|measured| measured.rows).collect(),
        model: None,
    };
    predict(&mut report, &costs);
    Ok(report)
}

/// Sets one grain for all points of a sweep that run the same jobs: the median of all their rounds, so that
/// rows of the same work can be grouped by it. Their speedups are still those of their own rounds.
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
        candidate::Candidate,
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
    fn points_with_the_same_jobs_have_the_same_grain() {
        let point = |grain_ns| Point {
            sweep: Sweep::Workers,
            grain_ns,
            bytes: 0,
            candidates: vec![Candidate::processes(1)],
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
