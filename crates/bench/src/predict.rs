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

/// Whether a row tells what jobs cost: those of the sweep over grains.
fn is_usual(row: &Row, workers: usize) -> bool {
    row.sweep == Sweep::Grain && row.executor == ExecutorName::Processes && row.workers == workers
}

/// The model knows jobs that carry nothing, in frames that size themselves.
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
        jobs_in_frame: books.jobs / books.frames.max(1.0),
        parent_ns: books.parent / books.jobs,
        worker_ns: books.workers / books.jobs - row.grain_ns,
        idle_ns: if row.workers >= cores { (there - used).max(0.0) } else { 0.0 },
    }
}

fn model(costs: &Costs, report: &Report) -> Option<Model> {
    let rows = report.rows.iter();
    let error = |row: &Row| Some((row.predicted_ns? / row.ns_per_job.median - 1.0).abs());
    let held_to = rows.clone().filter(|row| row.sweep == Sweep::Grain && HELD_TO.contains(&row.grain_ns));
    let mut grains: Vec<f64> = rows.filter(|row| is_predictable(row)).map(|row| row.grain_ns).collect();
    grains.sort_by(f64::total_cmp);
    grains.dedup();
    Some(Model {
        parent_ns: costs.parent.job,
        worker_ns: costs.worker.job,
        parent_frame_ns: costs.parent.frame,
        worker_frame_ns: costs.worker.frame,
        idle_ns: costs.idle.job,
        idle_frame_ns: costs.idle.frame,
        break_even_ns: costs.break_even(report.workers)?,
        measured_break_even_ns: BreakEven::of(report).and_then(BreakEven::ns),
        limits: grains.iter().map(|&grain_ns| costs.limit(grain_ns)).collect(),
        curve: curve(costs, report),
        largest_error: held_to.filter_map(error).reduce(f64::max),
    })
}
