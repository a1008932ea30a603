//! Limits on the settings of a pool, and the errors of building one.

use std::{any::type_name, io};

use job::Job;
use sandbox::ApplyError;
use serve::{is_worker, worker_entries};
use wire::{CodecError, RendezvousError};

use crate::entry::FUNCTION_CALLS;

/// Maximum number of workers of a pool.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{ProcessPool, error::BuildError, settings::MAX_WORKERS};
///
/// let settings = ProcessPool::<Square>::builder().workers(MAX_WORKERS + 1);
/// assert!(matches!(settings.build(), Err(BuildError::Workers(_))));
/// ```
pub const MAX_WORKERS: usize = 1024;

/// Maximum nesting depth of pools: a job that builds a pool whose jobs build pools has a depth of 2.
///
/// ```
/// assert!(pool::settings::MAX_NESTING > 1);
/// ```
pub const MAX_NESTING: u32 = 10;

/// Maximum increment to the niceness of workers.
const MAX_NICE: i32 = 19;

/// Environment variable with the nesting depth of a worker.
pub(super) const DEPTH_VARIABLE: &str = "RUNNER_WORKER_DEPTH";

/// Returns the number of pools that this process is nested in; 0 if it is not a worker.
pub(super) fn nesting_depth() -> u32 {
    std::env::var(DEPTH_VARIABLE).ok().and_then(|depth| depth.parse().ok()).unwrap_or(0)
}

/// Error of building a pool.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{ProcessPool, error::BuildError};
///
/// match ProcessPool::<Square>::builder().workers(0).build() {
///     Err(error @ BuildError::Workers(_)) => assert!(error.to_string().ends_with("not 0")),
///     Err(other) => panic!("{other}"),
///     Ok(_) => panic!("a pool without workers"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The number of workers is out of range.
    #[error(transparent)]
    Workers(#[from] WorkerCountError),
    /// Workers would not be able to connect to this process.
    #[error(transparent)]
    Rendezvous(#[from] RendezvousError),
    /// The increment to the niceness of workers is below 0, which would require privileges, or above 19, the
    /// system's maximum.
    #[error("the niceness of workers must be from 0 to {MAX_NICE}, not {0}")]
    Nice(i32),
    /// The cores that are available to this process cannot be determined.
    #[error("cannot determine the cores to pin workers to: {0}")]
    Cores(io::Error),
    /// The arguments of the worker state cannot be encoded.
    #[error("cannot encode the arguments of the worker state: {0}")]
    Context(#[from] CodecError),
    /// This process was itself started as a worker, but its `main` does not begin with `enter_if_worker` for
    /// this job type. Its workers would do the same and start workers in turn.
    #[error("this program was started as a worker, but `main` does not begin with `enter_if_worker`")]
    NoEntry,
    /// This program is to be its own worker, but has not reached a worker entry for this job type. Either
    /// there is none, or `main` builds the pool before it calls
    /// [`enter_if_worker`](crate::enter_if_worker).
    #[error(
        "this program has no worker entry for the job type `{job_type}`: call \
         `pool::enter_if_worker::<{rust_type}>()` first in `main`, or write `pool::worker!({rust_type});` \
         outside of functions; {}",
        listed(entries)
    )]
    MissingEntry {
        /// [`Job::NAME`](crate::Job::NAME) of the pool's job type.
        job_type: &'static str,
        /// The job type as Rust prints it, such as `thumbnails::Resize`.
        rust_type: &'static str,
        /// Names of the job types that have an entry.
        entries: Vec<&'static str>,
    },
    /// The sandbox of the workers cannot be applied.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// This process is a worker at nesting depth [`MAX_NESTING`].
    #[error("pools are nested more than {MAX_NESTING} deep")]
    NestedTooDeep,
}

/// Reason why the sandbox of workers cannot be applied: the kernel lacks a part of it, or a path cannot be
/// opened.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{ProcessPool, error::BuildError, settings::Sandbox};
///
/// let sandbox = Sandbox::compute().read("/no/such/path");
/// match ProcessPool::<Square>::builder().sandbox(sandbox).build() {
///     Err(BuildError::Sandbox(error)) => assert!(error.to_string().contains("/no/such/path"), "{error}"),
///     _ => panic!("a pool with an impossible sandbox"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SandboxError(pub(super) ApplyError);

fn listed(entries: &[&str]) -> String {
    match entries {
        [] => "no job type has an entry".to_owned(),
        entries => format!("there are entries for `{}`", entries.join("`, `")),
    }
}

/// Returns an error unless this program has a worker entry for the job type. In a worker, which has reached
/// the entry of its own type only, it is not known which others the program has.
pub(super) fn check_entry<J: Job>() -> Result<(), BuildError> {
    let mut entries = worker_entries();
    if is_worker() || entries.contains(&J::NAME) {
        return Ok(());
    }
    // Its caller did not write this one.
    entries.retain(|&entry| entry != FUNCTION_CALLS);
    Err(BuildError::MissingEntry { job_type: J::NAME, rust_type: type_name::<J>(), entries })
}

/// Number of workers that is not between 1 and [`MAX_WORKERS`].
///
/// ```
/// use pool::error::WorkerCountError;
///
/// let error = WorkerCountError(0);
/// assert_eq!(error.to_string(), "the number of workers must be from 1 to 1024, not 0");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the number of workers must be from 1 to {MAX_WORKERS}, not {0}")]
pub struct WorkerCountError(pub usize);

pub(super) fn checked_worker_count(workers: usize) -> Result<u32, WorkerCountError> {
    match u32::try_from(workers) {
        Ok(count) if (1..=MAX_WORKERS).contains(&workers) => Ok(count),
        _ => Err(WorkerCountError(workers)),
    }
}

pub(super) fn checked_niceness(nice: i32) -> Result<i32, BuildError> {
    if (0..=MAX_NICE).contains(&nice) { Ok(nice) } else { Err(BuildError::Nice(nice)) }
}

/// Returns the cores that workers are pinned to: all that are available to this thread, or none if `pin` is
/// false.
pub(super) fn pinned_cores(pin: bool) -> Result<Vec<usize>, BuildError> {
    if pin { sys::placement::cores().map_err(BuildError::Cores) } else { Ok(Vec::new()) }
}
