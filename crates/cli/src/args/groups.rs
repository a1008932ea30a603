//! Groups of options that several commands share.

use std::{num::NonZeroU64, path::PathBuf};

use clap::{Args, value_parser};

use super::values::{Fsync, file_parser};
use crate::units;

/// Worker limits and retry policy, of a local run and of a cluster node.
#[derive(Debug, Args)]
pub(crate) struct SupervisionArguments {
    /// Number of retries of a job whose worker died
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) retries: u32,

    /// Number of retries of a job that timed out
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) timeout_retries: u32,

    /// Limit the address space of each worker, for example 512M; a job that needs more fails
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_memory: Option<units::Size>,

    /// Limit the resident memory of a worker and its child processes, for example 2G; a job that exceeds it
    /// is killed
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_rss: Option<units::Size>,

    /// Replace a worker between two jobs if it and its child processes exceed this resident memory
    #[arg(long, value_name = "SIZE")]
    pub(crate) recycle_rss: Option<units::Size>,

    /// Replace a worker after N jobs, or up to an eighth less [default: never]
    #[arg(long, value_name = "N")]
    pub(crate) max_jobs_per_worker: Option<NonZeroU64>,

    /// Pin each worker and its child processes to one core
    #[arg(long)]
    pub(crate) pin: bool,

    /// Increase the niceness of the workers by 0 to 19, which lowers their priority [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = value_parser!(i32).range(0..=19))]
    pub(crate) nice: Option<i32>,
}

/// Journal and resume options.
#[derive(Debug, Args)]
pub(crate) struct JournalArguments {
    /// Record outcomes in a file from which an interrupted run can be resumed
    #[arg(long, value_name = "FILE", value_parser = file_parser())]
    pub(crate) journal: Option<PathBuf>,

    /// Continue the run of an existing journal; recorded results are printed without running their jobs
    #[arg(long, requires = "journal")]
    pub(crate) resume: bool,

    /// Rerun recorded jobs that did not succeed
    #[arg(long, requires = "resume")]
    pub(crate) retry_failed: bool,

    /// When to sync recorded outcomes to disk before printing them [default: batch]
    #[arg(long, value_enum, requires = "journal")]
    pub(crate) fsync: Option<Fsync>,
}
