//! Options of single calls.

use std::time::Duration;

use pool::settings::JobOptions;
use pyo3::{exceptions::PyValueError, prelude::*};

/// Options of a call; `None` stands for those of the pool.
#[pyclass(frozen)]
pub(crate) struct Options(pub(crate) JobOptions);

#[pymethods]
impl Options {
    #[new]
    #[pyo3(signature = (timeout=None, retries=None, max_memory=None, priority=0))]
    fn new(
        timeout: Option<f64>,
        retries: Option<u32>,
        max_memory: Option<u64>,
        priority: i32,
    ) -> PyResult<Options> {
        let mut options = JobOptions::new().time_limit(timeout.map(limit).transpose()?).priority(priority);
        if let Some(retries) = retries {
            options = options.retries(retries);
        }
        if let Some(bytes) = max_memory {
            options = options.max_rss(bytes);
        }
        Ok(Options(options))
    }
}

/// Returns a time limit that is given in seconds.
pub(crate) fn limit(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|limit| !limit.is_zero())
        .ok_or_else(|| PyValueError::new_err("timeout must be a positive number of seconds"))
}
