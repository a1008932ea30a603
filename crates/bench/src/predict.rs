//! Fits the model to the measured costs, and adds its predictions to the report.

use crate::{
    BreakEven,
    cost_snapshot::CostSnapshot,
    model::{FittedCosts, Sample},
    report::{CurvePoint, ExecutorName, Model, Report, Row, Sweep},
};

/// Grains for which predictions are compared with the measured times, in nanoseconds.
const VALIDATED_GRAINS: std::ops::RangeInclusive<f64> = 0.9e3..=1.1e7;

/// Fits the model to the costs of the rows, and sets the prediction of each row and of the report.
pub(crate) fn predict(report: &mut Report, costs: &[Option<CostSnapshot>]) {
    let cores = report.machine.cores;
    let measured = report.rows.iter().zip(costs).filter(|(row, _)| is_usual(row, report.workers));
    let samples: Vec<Sample> =
        measured.filter_map(|(row, costs)| Some(sample(row, costs.as_ref()?, cores))).collect();
    let Some(costs) = FittedCosts::fit(&samples, cores) else { return };
    for row in report.rows.iter_mut().filter(|row| is_predictable(row)) {
        row.predicted_ns = Some(costs.time(row.grain_ns, row.workers));
    }
    report.model = model(&costs, report);
}

/// Returns whether the model is fitted to a row: those of the sweep over grains. Suspect rows are excluded,
/// because their grain is too large, and the cost in a worker is the difference between its processor time
/// and the grain.
fn is_usual(row: &Row, workers: usize) -> bool {
    let is_processes = row.executor == ExecutorName::Processes;
    row.sweep == Sweep::Grain && is_processes && row.workers == workers && !row.suspect
}

/// Returns whether the model applies to a row: jobs without a payload, in batches whose size the pool
/// chooses.
fn is_predictable(row: &Row) -> bool {
    matches!(row.sweep, Sweep::Grain | Sweep::Workers) && row.executor == ExecutorName::Processes
}

/// Predicted speedups for all grains, and for the points of the sweep over workers.
fn curve(costs: &FittedCosts, report: &Report) -> Vec<CurvePoint> {
    let varied = report.rows.iter().filter(|row| row.sweep == Sweep::Workers);
    let at = |row: &Row| CurvePoint {
        grain_ns: row.grain_ns,
        workers: row.workers,
        speedup: costs.speedup(row.grain_ns, row.workers),
    };
    costs.curve(report.workers).into_iter().chain(varied.map(at)).collect()
}

fn sample(row: &Row, costs: &CostSnapshot, cores: usize) -> Sample {
    let used = (costs.parent + costs.workers) / costs.jobs;
    let available = cores as f64 * row.ns_per_job.median;
    Sample {
        grain_ns: row.grain_ns,
        jobs_in_batch: costs.jobs / costs.batches.max(1.0),
        parent_ns: costs.parent / costs.jobs,
        worker_ns: costs.workers / costs.jobs - row.grain_ns,
        idle_ns: if row.workers >= cores { (available - used).max(0.0) } else { 0.0 },
    }
}

fn model(costs: &FittedCosts, report: &Report) -> Option<Model> {
    let rows = report.rows.iter();
    let error = |row: &Row| Some((row.predicted_ns? / row.ns_per_job.median - 1.0).abs());
    let compared =
        |row: &&Row| row.sweep == Sweep::Grain && VALIDATED_GRAINS.contains(&row.grain_ns) && !row.suspect;
    let validated = rows.clone().filter(compared);
    let mut grains: Vec<f64> = rows.filter(|row| is_predictable(row)).map(|row| row.grain_ns).collect();
    grains.sort_by(f64::total_cmp);
    grains.dedup();
    Some(Model {
        parent_ns: costs.parent.job,
        worker_ns: costs.worker.job,
        parent_batch_ns: costs.parent.batch,
        worker_batch_ns: costs.worker.batch,
        idle_ns: costs.idle.job,
        idle_batch_ns: costs.idle.batch,
        break_even_ns: costs.break_even(report.workers)?,
        measured_break_even_ns: BreakEven::of(report).and_then(BreakEven::ns),
        limits: grains.iter().map(|&grain_ns| costs.limit(grain_ns)).collect(),
        curve: curve(costs, report),
        largest_error: validated.filter_map(error).reduce(f64::max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    /// Costs of 100 ns in the parent and 20 ns in a worker for each job, whatever the row's speedup.
    fn costs(row: &Row) -> Option<CostSnapshot> {
        let mut costs = CostSnapshot::default();
        (costs.jobs, costs.batches) = (1000.0, 10.0);
        (costs.parent, costs.workers) = (1e5, 1000.0 * (row.grain_ns + 20.0));
        (row.executor == ExecutorName::Processes).then_some(costs)
    }

    #[test]
    fn suspect_rows_change_neither_costs_nor_the_error() {
        let mut report = samples::report();
        let mut all: Vec<Option<CostSnapshot>> = report.rows.iter().map(costs).collect();
        predict(&mut report, &all);
        let model = report.model.clone().unwrap();
        assert_eq!((model.parent_ns.round(), model.worker_ns.round()), (100.0, 20.0));
        assert!(model.largest_error.is_some() && model.measured_break_even_ns.is_some());
        let place = report.rows.iter().position(|row| row.predicted_ns.is_some() && row.grain_ns == 1e3);
        let place = place.unwrap();
        report.rows[place].suspect = true;
        (report.rows[place].speedup, report.rows[place].ns_per_job.median) = (9.0, 1.0);
        all[place].as_mut().unwrap().parent = 1e9;
        predict(&mut report, &all);
        let model = report.model.unwrap();
        assert_eq!((model.parent_ns.round(), model.worker_ns.round()), (100.0, 20.0));
        assert_eq!(
            (model.largest_error, model.measured_break_even_ns),
            (None, None),
            "no other row has them"
        );
    }
}
