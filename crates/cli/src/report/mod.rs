//! Reports of a run: progress, snapshots and metrics while it runs, summary and statistics at the end.

mod metrics;
mod pauses;
mod progress;
mod rate;
mod snapshot;
mod stats;
mod summary;
mod time_accounting;
mod view;

use std::time::Duration;

pub(crate) use metrics::{MetricsRecorder, MetricsThread, MetricsWriter};
pub(crate) use pauses::Pauses;
pub(crate) use progress::Progress;
pub(crate) use snapshot::print_snapshot;
pub(crate) use stats::{SandboxRow, Stats};
pub(crate) use time_accounting::ParentTimes;
pub(crate) use view::RunView;

use crate::{output::Counts, plan::Plan};

/// Prints the summary, unless the run is quiet.
pub(crate) fn print_summary(plan: &Plan, counts: &Counts, elapsed: Duration) {
    if !plan.quiet {
        crate::error::warn(&summary::summary(plan, counts, elapsed));
    }
}
