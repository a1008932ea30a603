//! Statistics of a pool as Python dictionaries.

use pool::{
    Executor, ProcessPool,
    metrics::{StageTimes, ThreadStats, WorkerStats},
};
use pyo3::{prelude::*, types::PyDict};

use crate::call::Call;

/// Returns the counts of calls, and how workers and this process have spent their time, in seconds. The keys
/// are documented in `docs/src/python.md`.
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
    let threads: PyResult<Vec<_>> = parent.threads.iter().map(|thread| of_thread(py, thread)).collect();
    stats.set_item("threads", threads?)?;
    stats.set_item("callers", of_stages(py, &parent.callers)?)?;
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
    stats.set_item("stages", of_stages(py, &worker.stage_times)?)?;
    Ok(stats)
}

fn of_thread<'py>(py: Python<'py>, thread: &ThreadStats) -> PyResult<Bound<'py, PyDict>> {
    let stats = PyDict::new(py);
    stats.set_item("name", &thread.name)?;
    stats.set_item("lifetime", thread.lifetime.as_secs_f64())?;
    stats.set_item("stages", of_stages(py, &thread.stage_times)?)?;
    Ok(stats)
}

fn of_stages<'py>(py: Python<'py>, times: &StageTimes) -> PyResult<Bound<'py, PyDict>> {
    let stages = PyDict::new(py);
    for (stage, time) in times.stages() {
        stages.set_item(stage.name(), time.as_secs_f64())?;
    }
    Ok(stages)
}
