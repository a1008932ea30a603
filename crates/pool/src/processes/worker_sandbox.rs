//! The sandbox of a pool's workers.

use parking_lot::Mutex;
use sandbox::{ApplyError, Gap, Sandbox, Subject, check, gaps};

/// Restrictions of workers, and the parts of them that are known to be missing.
#[derive(Debug)]
pub(crate) struct WorkerSandbox {
    settings: Sandbox,
    gaps: Mutex<Vec<String>>,
}

impl WorkerSandbox {
    /// Checks that workers can apply the sandbox.
    ///
    /// # Errors
    /// A path cannot be opened; or the level is strict and the kernel lacks a part.
    pub(crate) fn new(settings: Sandbox) -> Result<WorkerSandbox, ApplyError> {
        check(Subject::Worker, &settings)?;
        let gaps = gaps(Subject::Worker, &settings).iter().map(Gap::to_string).collect();
        Ok(WorkerSandbox { settings, gaps: Mutex::new(gaps) })
    }

    pub(crate) fn settings(&self) -> &Sandbox {
        &self.settings
    }

    /// Adds parts that a worker has found to be missing.
    pub(crate) fn note_gaps(&self, found: Vec<String>) {
        let mut known = self.gaps.lock();
        let new: Vec<String> = found.into_iter().filter(|gap| !known.contains(gap)).collect();
        known.extend(new);
    }

    /// Returns the parts that are missing.
    pub(crate) fn gaps(&self) -> Vec<String> {
        self.gaps.lock().clone()
    }
}
