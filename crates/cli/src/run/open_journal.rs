//! Opening the journal, before anything is written anywhere.

use std::{fs::File, path::Path};

use journal::{Journal, Locked};

use super::resume::JournalCheck;
use crate::{
    args::Fsync,
    error::{RunError, warn},
    plan::{JournalPlan, Plan},
};

/// A journal that is ready, and what an earlier run has left in it.
pub(crate) struct OpenedJournal {
    pub(crate) journal: Journal,
    pub(crate) past: Option<JournalCheck>,
    /// Each outcome is recorded on its own.
    pub(crate) one_at_a_time: bool,
}

/// Locks the journal and looks at what is in it. Comes before the outputs are truncated.
pub(crate) fn open_journal(plan: &JournalPlan, run: &Plan, file: File) -> Result<OpenedJournal, RunError> {
    let failed = |error| match error {
        journal::Error::NotEmpty => RunError::JournalNotEmpty { path: plan.path.clone() },
        error => RunError::Journal { path: plan.path.clone(), error },
    };
    let locked = Locked::lock(file, &plan.path).map_err(failed)?;
    let durable = plan.fsync != Fsync::Never;
    let one_at_a_time = plan.fsync == Fsync::Always;
    if !plan.resume {
        return Ok(OpenedJournal {
            journal: locked.start(durable).map_err(failed)?,
            past: None,
            one_at_a_time,
        });
    }
    let (journal, recorded) = locked.resume(durable).map_err(failed)?;
    if recorded.dropped() > 0 && !run.quiet {
        warn(&dropped(&plan.path, recorded.dropped()));
    }
    Ok(OpenedJournal { journal, past: JournalCheck::new(recorded, plan.clone()), one_at_a_time })
}

fn dropped(path: &Path, bytes: u64) -> String {
    let path = path.display();
    match bytes {
        1 => format!("the last byte of the journal {path} belongs to no complete record and is dropped"),
        _ => format!("the last {bytes} bytes of the journal {path} are no complete record and are dropped"),
    }
}
