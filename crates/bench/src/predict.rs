//! The model beside what was measured.

use crate::{
    BreakEven,
    books::Books,
    model::{Costs, Sample},
    report::{ExecutorName, Model, Point, Report, Row, Sweep},
};

/// Between these grains, in nanoseconds, predictions are held to what was measured.
const HELD_TO: std::ops::RangeInclusive<f64> = 0.9e3..=1.1e7;

/// Fits the model to what the rows have cost, and notes what it says of each.
pub(crate) fn predict(report: &mut Report, books: &[Option<Books>]) {
    let cores = report.machine.cores;
    let measured = report.rows.iter().zip(books).filter(|(row, _)| is_usual(row, report.workers));
    let samples: Vec<Sample> =
        measured.filter_map(|(row, books)| Some(sample(row, books.as_ref()?, cores))).collect();
    let Some(costs) = Costs::fit(&samples, cores) else { return };
    for row in report.rows.iter_mut().filter(|row| is_predictable(row)) {
        row.predicted_ns = Some(costs.time(row.grain_ns, row.workers));
    }
    report.model = model(&costs, report);
}

/// Returns whether the model is fitted to a row: those of the sweep over grains. The grain of a suspect row is too large,
/// and a worker's cost beside its work is the difference between its processor time and the grain.
fn is_usual(row: &Row, workers: usize) -> bool {
    let is_processes = row.executor == ExecutorName::Processes;
    row.sweep == Sweep::Grain && is_processes && row.workers == workers && !row.suspect
}

/// The model knows jobs that carry nothing, in batches that size themselves.
fn is_predictable(row: &Row) -> bool {
    matches!(row.sweep, Sweep::Grain | Sweep::Workers) && row.executor == ExecutorName::Processes
}

/// The speedup to expect for all grains, and where the number of workers was varied.
fn curve(costs: &Costs, report: &Report) -> Vec<Point> {
    let varied = report.rows.iter().filter(|row| row.sweep == Sweep::Workers);
    let at = |row: &Row| Point {
        grain_ns: row.grain_ns,
        workers: row.workers,
        speedup: costs.speedup(row.grain_ns, row.workers),
    };
    costs.curve(report.workers).into_iter().chain(varied.map(at)).collect()
}

fn sample(row: &Row, books: &Books, cores: usize) -> Sample {
    let used = (books.parent + books.workers) / books.jobs;
    let there = cores as f64 * row.ns_per_job.median;
    Sample {
        grain_ns: row.grain_ns,
        jobs_in_batch: books.jobs / books.batches.max(1.0),
        parent_ns: books.parent / books.jobs,
        worker_ns: books.workers / books.jobs - row.grain_ns,
        idle_ns: if row.workers >= cores { (there - used).max(0.0) } else { 0.0 },
    }
}

fn model(costs: &Costs, report: &Report) -> Option<Model> {
    let rows = report.rows.iter();
    let error = |row: &Row| Some((row.predicted_ns? / row.ns_per_job.median - 1.0).abs());
    let compared = |row: &&Row| row.sweep == Sweep::Grain && HELD_TO.contains(&row.grain_ns) && !row.suspect;
    let held_to = rows.clone().filter(compared);
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
        largest_error: held_to.filter_map(error).reduce(f64::max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    /// Costs of 100 ns in the parent and 20 ns in a worker for each job, whatever the row's speedup.
    fn books(row: &Row) -> Option<Books> {
        let mut books = Books::default();
        (books.jobs, books.batches) = (1000.0, 10.0);
        (books.parent, books.workers) = (1e5, 1000.0 * (row.grain_ns + 20.0));
        (row.executor == ExecutorName::Processes).then_some(books)
    }

    #[test]
    fn suspect_rows_change_no_cost_and_no_error() {
        let mut report = samples::report();
        let mut all: Vec<Option<Books>> = report.rows.iter().map(books).collect();
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
