//! Reports of a run on standard error: progress, and summary and statistics at the end.

mod progress;
mod stats;
mod summary;
mod time_accounting;

use std::time::Duration;

pub(crate) use progress::Progress;
pub(crate) use stats::Stats;
pub(crate) use time_accounting::ParentTimes;

use crate::{output::Counts, plan::Plan};

/// Prints the summary, unless the run is quiet.
pub(crate) fn print_summary(plan: &Plan, counts: &Counts, elapsed: Duration) {
    if !plan.quiet {
        crate::error::warn(&summary::summary(plan, counts, elapsed));
    }
}
