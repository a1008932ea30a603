//! Statistics of a pool as Python dictionaries.

use pool::{Executor, ProcessPool, metrics::WorkerStats};
use pyo3::{prelude::*, types::PyDict};

use crate::call::Call;

/// Returns the counts of calls, and a list with what each worker has done. Times are in seconds.
pub(crate) fn of<'py>(py: Python<'py>, pool: &ProcessPool<Call>) -> PyResult<Bound<'py, PyDict>> {
    let stats = PyDict::new(py);
    let counts = pool.counts();
    stats.set_item("submitted", counts.submitted())?;
    stats.set_item("queued", counts.queued)?;
    stats.set_item("running", counts.running)?;
    stats.set_item("succeeded", counts.succeeded)?;
    stats.set_item("failed", counts.failed)?;
    stats.set_item("cancelled", counts.cancelled)?;
    stats.set_item("retried", counts.retried)?;
    let workers: PyResult<Vec<_>> = pool.worker_stats().iter().map(|worker| of_worker(py, worker)).collect();
    stats.set_item("workers", workers?)?;
    let parent = pool.parent_stats();
    stats.set_item("queue_time", parent.queue_time.as_secs_f64())?;
    Ok(stats)
}

fn of_worker<'py>(py: Python<'py>, worker: &WorkerStats) -> PyResult<Bound<'py, PyDict>> {
    let stats = PyDict::new(py);
    stats.set_item("worker", worker.worker.to_string())?;
    stats.set_item("pid", worker.pid)?;
    stats.set_item("calls", worker.jobs)?;
    stats.set_item("batches", worker.batches)?;
    stats.set_item("bytes_sent", worker.bytes_out)?;
    stats.set_item("bytes_received", worker.bytes_in)?;
    stats.set_item("start_time", worker.start_time.as_secs_f64())?;
    stats.set_item("busy_time", worker.busy.as_secs_f64())?;
    stats.set_item("lifetime", worker.lifetime.as_secs_f64())?;
    stats.set_item("cpu_time", worker.cpu_time.as_secs_f64())?;
    let stages = PyDict::new(py);
    for (stage, time) in worker.stage_times.stages() {
        stages.set_item(format!("{stage:?}"), time.as_secs_f64())?;
    }
    stats.set_item("stages", stages)?;
    Ok(stats)
}
