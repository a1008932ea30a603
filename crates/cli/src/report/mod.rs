//! What a person is told about a run, on standard error: while it goes on, and at its end.

mod ledger;
mod progress;
mod stats;
mod summary;

use std::{io, time::Duration};

use pool::WorkerFigures;

pub(crate) use ledger::Parent;
pub(crate) use progress::Progress;

use crate::{output::Counts, plan::Plan};

/// Prints the summary and, if wanted, the statistics.
pub(crate) fn report(
    plan: &Plan,
    counts: &Counts,
    figures: (&[WorkerFigures], &Parent),
    elapsed: Duration,
) -> io::Result<()> {
    if !plan.quiet {
        crate::error::warn(&summary::summary(plan, counts, elapsed));
    }
    match plan.stats {
        Some(format) => stats::write(plan, format, &stats::Stats::new(counts, figures, elapsed)),
        None => Ok(()),
    }
}
