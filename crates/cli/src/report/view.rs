//! Access to a run in progress for its reports.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use ops::Builtin;
use pool::{Executor, ProcessPool};

use super::Pauses;
use crate::output::{Counts, ReorderBuffer};

/// A run in progress, as its reports see it.
pub(crate) struct RunView {
    pub(crate) executor: Arc<dyn Executor<Builtin>>,
    /// The executor, if it is a local pool of processes.
    pub(crate) pool: Option<Arc<ProcessPool<Builtin>>>,
    pub(crate) buffer: Arc<ReorderBuffer>,
    pub(crate) pauses: Arc<Pauses>,
    pub(crate) start: Instant,
    /// Total size of the input in bytes, if known.
    pub(crate) input_bytes: Option<u64>,
    pub(crate) bytes_read: Arc<AtomicU64>,
    /// Whether the executor counts its jobs; that of a cluster does not.
    pub(crate) counts_jobs: bool,
}

impl RunView {
    /// Returns the number of workers that have jobs; `None` if it is unknown.
    pub(super) fn busy_workers(&self) -> Option<usize> {
        match &self.pool {
            Some(pool) => Some(pool.worker_states().iter().filter(|worker| worker.assigned > 0).count()),
            None => self.counts_jobs.then(|| {
                let running = usize::try_from(self.executor.counts().running).unwrap_or(usize::MAX);
                running.min(self.executor.workers())
            }),
        }
    }

    /// Returns the counts and the expected number of jobs.
    pub(super) fn counts(&self) -> (Counts, Option<u64>) {
        let counts = self.buffer.counts();
        let read = self.bytes_read.load(Ordering::Relaxed);
        (counts, expected(counts.read, read, self.input_bytes, self.buffer.is_closed()))
    }
}

/// Returns the expected number of jobs: exact at the end of the input, before that estimated from its size.
fn expected(jobs_read: u64, bytes_read: u64, input_bytes: Option<u64>, complete: bool) -> Option<u64> {
    if complete {
        return Some(jobs_read);
    }
    let total = input_bytes.filter(|&total| bytes_read > 0 && total >= bytes_read)?;
    let estimate = u128::from(jobs_read) * u128::from(total) / u128::from(bytes_read);
    u64::try_from(estimate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_the_total_from_the_input_size() {
        assert_eq!(expected(10, 100, Some(1000), false), Some(100));
        assert_eq!(expected(10, 100, None, false), None);
        assert_eq!(expected(0, 0, Some(1000), false), None);
        assert_eq!(expected(17, 100, None, true), Some(17));
    }
}
