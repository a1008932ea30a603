//! Job types for which this program has reached a worker entry.

use std::sync::{Mutex, PoisonError};

/// Names of the job types, in the order of their entries.
static ENTRIES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// Notes that the program has an entry for the job type of this name.
pub(crate) fn add(job_type: &'static str) {
    let mut entries = ENTRIES.lock().unwrap_or_else(PoisonError::into_inner);
    if !entries.contains(&job_type) {
        entries.push(job_type);
    }
}

/// Returns the names of the job types for which this process has reached
/// [`enter_if_worker`](crate::enter_if_worker), in the order in which it did. Always empty in a worker.
///
/// ```
/// use job::Job;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Square(u64);
/// # impl Job for Square {
/// #     const NAME: &'static str = "square";
/// #     type Output = u64;
/// #     type Error = String;
/// #     type Context = ();
/// #     fn run(self, _: &mut ()) -> Result<u64, String> { Ok(self.0 * self.0) }
/// # }
///
/// assert!(!serve::worker_entries().contains(&Square::NAME));
/// serve::enter_if_worker::<Square>();
/// assert!(serve::worker_entries().contains(&Square::NAME));
/// ```
#[must_use]
pub fn worker_entries() -> Vec<&'static str> {
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
