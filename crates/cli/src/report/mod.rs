//! What a person is told about a run, on standard error: while it goes on, and at its end.

mod ledger;
mod progress;
mod stats;
mod summary;

use std::time::Duration;

pub(crate) use ledger::Parent;
pub(crate) use progress::Progress;
pub(crate) use stats::Stats;

use crate::{output::Counts, plan::Plan};

/// Prints the summary, unless the run is to be quiet.
pub(crate) fn print_summary(plan: &Plan, counts: &Counts, elapsed: Duration) {
    if !plan.quiet {
        crate::error::warn(&summary::summary(plan, counts, elapsed));
    }
}
