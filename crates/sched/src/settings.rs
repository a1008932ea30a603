//! Settings of the scheduler.

use std::{num::NonZeroU64, time::Duration};

/// Number of jobs in a batch.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use std::num::NonZeroU64;
/// use pool::settings::BatchSize;
///
/// assert_eq!(BatchSize::default(), BatchSize::Auto);
/// // One job per batch: the most even distribution at the highest cost per job.
/// let one = BatchSize::Fixed(NonZeroU64::MIN); // for `ProcessPoolBuilder::batch_size`
/// assert_ne!(one, BatchSize::Auto);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchSize {
    /// Chosen from the measured cost of a job.
    #[default]
    Auto,
    /// This number, or fewer if fewer jobs are queued.
    Fixed(NonZeroU64),
}

/// Effect of a worker's death on the rest of the pool.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::settings::OnWorkerDeath;
///
/// assert_eq!(OnWorkerDeath::default(), OnWorkerDeath::Replace);
/// // For jobs whose results are useless unless all of them succeed.
/// let strict = OnWorkerDeath::Break; // for `ProcessPoolBuilder::on_worker_death`
/// assert_ne!(strict, OnWorkerDeath::Replace);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnWorkerDeath {
    /// Only the job that the worker was running is affected: it is retried or fails. The worker is replaced.
    #[default]
    Replace,
    /// The pool breaks, as Python's `ProcessPoolExecutor` does: all unresolved jobs fail, and new jobs are
    /// refused. As there, a job is assigned as soon as a worker is started for it: `cancel_waiting` of the
    /// pool leaves as many of the oldest jobs as there are workers starting.
    Break,
}

/// Settings of the scheduler.
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
    /// Maximum number of workers at a time; at least 1.
    pub max_workers: u32,
    /// Number of retries of a job whose worker died while running it.
    pub retries: u32,
    /// Number of retries of a job that exceeded its time limit.
    pub timeout_retries: u32,
    /// Time limit of jobs that have none of their own.
    pub limit: Option<Duration>,
    /// Time between SIGTERM and SIGKILL.
    pub grace_period: Duration,
    /// Number of jobs after which a worker is replaced.
    pub max_jobs_per_worker: Option<NonZeroU64>,
    /// Resident size, in bytes, of a worker and its descendants above which the worker is killed. The job
    /// that it was running fails and is not retried.
    pub max_rss: Option<u64>,
    /// Resident size, in bytes, of a worker and its descendants above which the worker is replaced after its
    /// current job.
    pub recycle_rss: Option<u64>,
    /// Start time above which one more worker is kept ready to replace another one; `None` for never.
    pub spare_above: Option<Duration>,
    /// Time within which a started worker must be ready.
    pub start_timeout: Duration,
    /// Time within which a retired worker must exit.
    pub exit_timeout: Duration,
    /// Time after which a worker that has jobs but makes no progress is killed, for example because its
    /// process was stopped or its link is corrupted.
    pub stall_timeout: Duration,
    /// Time after which an idle worker exits.
    pub idle_timeout: Option<Duration>,
    /// Minimum time between the starts of two jobs, or of two groups of jobs that were submitted together.
    pub start_delay: Duration,
    /// Number of jobs in a batch.
    pub batch_size: BatchSize,
    /// Effect of a worker's death on the rest of the pool.
    pub on_worker_death: OnWorkerDeath,
    /// Whether workers are in a sandbox that kills them by SIGSYS for what it forbids. A job that died of
    /// that signal is then not retried.
    pub is_sandboxed: bool,
}

impl Default for Settings {
    /// One worker, two retries after deaths, no time limit.
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
            spare_above: None,
            start_timeout: Duration::from_secs(60),
            exit_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(10),
            idle_timeout: None,
            start_delay: Duration::ZERO,
            batch_size: BatchSize::Auto,
            on_worker_death: OnWorkerDeath::Replace,
            is_sandboxed: false,
        }
    }
}
