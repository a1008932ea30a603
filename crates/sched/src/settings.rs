//! What the scheduler is told once.

use std::{num::NonZeroU64, time::Duration};

/// How many jobs go into a batch.
///
/// ```
/// use std::num::NonZeroU64;
/// use sched::{BatchSize, Settings};
///
/// assert_eq!(Settings::default().batch, BatchSize::Auto);
/// // One job to a batch: the most even distribution, and the most batches.
/// let settings = Settings { batch_size: BatchSize::Fixed(NonZeroU64::MIN), ..Settings::default() };
/// assert_ne!(settings.batch_size, BatchSize::Auto);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchSize {
    /// As many as the measured cost of a job makes worth a batch.
    #[default]
    Auto,
    /// This many, while there are that many.
    Fixed(NonZeroU64),
}

/// What the death of a worker means to the others.
///
/// ```
/// use sched::{OnWorkerDeath, Settings};
///
/// assert_eq!(Settings::default().on_worker_death, OnWorkerDeath::Heal);
/// // For jobs that are of no use without each other.
/// let strict = Settings { on_worker_death: OnWorkerDeath::Break, ..Settings::default() };
/// assert_eq!(strict.retries, 2, "which no longer matters");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnWorkerDeath {
    /// Only the job that the worker was in is concerned: it is tried again, or fails. Another worker takes the place.
    #[default]
    Heal,
    /// The pool breaks, as Python's does: all unresolved jobs fail, and no more are taken.
    Break,
}

/// The scheduler's settings.
///
/// ```
/// use std::time::Duration;
/// use sched::Settings;
///
/// let settings = Settings { max_workers: 4, limit: Some(Duration::from_secs(30)), ..Settings::default() };
/// assert_eq!((settings.retries, settings.timeout_retries), (2, 0));
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many workers there may be at a time; at least 1.
    pub max_workers: u32,
    /// How often a job is tried again after its worker died in it.
    pub retries: u32,
    /// How often a job is tried again after it ran past its limit.
    pub timeout_retries: u32,
    /// The time limit of jobs that have none of their own.
    pub limit: Option<Duration>,
    /// From the polite signal to the one that cannot be ignored.
    pub grace_period: Duration,
    /// How many jobs a worker serves before another takes its place.
    pub max_jobs_per_worker: Option<NonZeroU64>,
    /// Resident size, in bytes, of a worker and what it has started, above which it is killed. The job that it is in is
    /// charged with that, and not tried again.
    pub max_rss: Option<u64>,
    /// Resident size, in bytes, of a worker and what it has started, above which another takes its place after the job that
    /// it is in.
    pub recycle_rss: Option<u64>,
    /// How long a worker may take to be ready.
    pub start_timeout: Duration,
    /// How long a worker that was told to leave may take.
    pub exit_timeout: Duration,
    /// How long a worker may do nothing while it has jobs, because somebody has stopped it or its link is spoilt, before it
    /// is killed.
    pub stall_timeout: Duration,
    /// How long a worker may have nothing to do before it leaves.
    pub idle_timeout: Option<Duration>,
    /// How many jobs go into a batch.
    pub batch_size: BatchSize,
    /// What the death of a worker means to the others.
    pub on_worker_death: OnWorkerDeath,
}

impl Default for Settings {
    /// One worker, two retries, no limits.
    fn default() -> Settings {
        Settings {
            max_workers: 1,
            retries: 2,
            timeout_retries: 0,
            limit: None,
            grace_period: Duration::from_secs(1),
            max_jobs_per_worker: None,
            max_rss: None,
            recycle_rss: None,
            start_timeout: Duration::from_secs(60),
            exit_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(10),
            idle_timeout: None,
            batch_size: BatchSize::Auto,
            on_worker_death: OnWorkerDeath::Heal,
        }
    }
}
