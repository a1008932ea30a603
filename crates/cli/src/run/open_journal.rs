//! Opening of the journal, before any output is written.

use std::{fs::File, path::Path};

use journal::{Journal, LockedFile};

use super::resume::JournalCheck;
use crate::{
    args::Fsync,
    error::{RunError, warn},
    plan::{JournalPlan, Plan},
};

/// A journal ready for appending.
pub(crate) struct OpenedJournal {
    pub(crate) journal: Journal,
    /// Check of the input against the records of an earlier run.
    pub(crate) check: Option<JournalCheck>,
    /// Whether each outcome is recorded separately (`--fsync always`).
    pub(crate) one_at_a_time: bool,
}

/// Locks and reads the journal. Must be called before the outputs are truncated.
///
/// # Errors
/// When the journal is not empty and `--resume` is not given, is locked by another run, or is damaged.
pub(crate) fn open_journal(plan: &JournalPlan, run: &Plan, file: File) -> Result<OpenedJournal, RunError> {
    let failed = |error| match error {
        journal::Error::NotEmpty => RunError::JournalNotEmpty { path: plan.path.clone() },
        error => RunError::Journal { path: plan.path.clone(), error },
    };
    let locked = LockedFile::lock(file, &plan.path).map_err(failed)?;
    let durable = plan.fsync != Fsync::Never;
    let one_at_a_time = plan.fsync == Fsync::Always;
    if !plan.resume {
        return Ok(OpenedJournal {
            journal: locked.start(durable).map_err(failed)?,
            check: None,
            one_at_a_time,
        });
    }
    let (journal, recorded) = locked.resume(durable).map_err(failed)?;
    if recorded.torn_bytes() > 0 && !run.quiet {
        warn(&dropped(&plan.path, recorded.torn_bytes()));
    }
    Ok(OpenedJournal { journal, check: JournalCheck::new(recorded, plan.clone()), one_at_a_time })
}

fn dropped(path: &Path, bytes: u64) -> String {
    let path = path.display();
    match bytes {
        1 => format!("dropping the last byte of the journal {path}: incomplete record"),
        _ => format!("dropping the last {bytes} bytes of the journal {path}: incomplete record"),
    }
}
