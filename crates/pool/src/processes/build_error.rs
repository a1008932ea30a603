//! What a pool cannot be: too large, too deep, or in a program that does not know what it is.

use std::io;

use wire::{CodecError, RendezvousError};

/// The most workers that a pool can have.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{BuildError, MAX_WORKERS, ProcessPool};
///
/// let settings = ProcessPool::<Square>::builder().workers(MAX_WORKERS + 1);
/// assert!(matches!(settings.build(), Err(BuildError::Workers(_))));
/// ```
pub const MAX_WORKERS: usize = 1024;

/// How deep pools may be nested: a job that builds a pool whose jobs build pools has a depth of 2.
///
/// ```
/// assert!(pool::MAX_NESTING > 1);
/// ```
pub const MAX_NESTING: u32 = 10;

/// The most that can be added to the niceness of workers.
const MAX_NICE: i32 = 19;

/// Tells a worker how deep it is.
pub(super) const DEPTH_VARIABLE: &str = "RUNNER_WORKER_DEPTH";

/// How many pools this process is nested in; none if it is no worker.
pub(super) fn nesting_depth() -> u32 {
    std::env::var(DEPTH_VARIABLE).ok().and_then(|depth| depth.parse().ok()).unwrap_or(0)
}

/// Why a pool cannot be made.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{BuildError, ProcessPool};
///
/// match ProcessPool::<Square>::builder().workers(0).build() {
///     Err(error @ BuildError::Workers(_)) => assert!(error.to_string().ends_with("not 0")),
///     Err(other) => panic!("{other}"),
///     Ok(_) => panic!("a pool without workers"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No pool can have so many workers.
    #[error(transparent)]
    Workers(#[from] WorkerCountError),
    /// Workers and parent could not meet.
    #[error(transparent)]
    Rendezvous(#[from] RendezvousError),
    /// Nothing below 0, which takes privileges, and nothing beyond 19, the system's limit, is added to the niceness of
    /// workers.
    #[error("what is added to the workers' niceness must be from 0 to {MAX_NICE}, not {0}")]
    Nice(i32),
    /// The system does not say on which cores this process may run.
    #[error("the cores that workers can be kept on are not known: {0}")]
    Cores(io::Error),
    /// The arguments of the workers' state cannot be encoded.
    #[error("the arguments of the workers' state: {0}")]
    Context(#[from] CodecError),
    /// This process is a worker itself, of a program that never calls `enter_if_worker` for this type of job: its
    /// `main` has started to make workers that would do the same.
    #[error("this program was started as a worker, but `main` does not begin with `enter_if_worker`")]
    NoEntry,
    /// This process is a worker of a pool in a worker of a pool and so on, [`MAX_NESTING`] deep.
    #[error("pools are nested {MAX_NESTING} deep; one more is taken for a mistake")]
    NestedTooDeep,
}

/// A number of workers that no pool can have: it is not between 1 and [`MAX_WORKERS`].
///
/// ```
/// assert_eq!(pool::WorkerCountError(0).to_string(), "the number of workers must be from 1 to 1024, not 0");
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

/// The cores that workers are kept on: all that this process may use, or none if they are not to be kept.
pub(super) fn pinned_cores(pin: bool) -> Result<Vec<usize>, BuildError> {
    if pin { sys::placement::cores().map_err(BuildError::Cores) } else { Ok(Vec::new()) }
}
