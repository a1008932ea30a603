//! Settings of the journal.

use std::path::PathBuf;

use crate::args::{Fsync, JournalArguments};

/// Journal settings.
#[derive(Clone, Debug)]
pub(crate) struct JournalPlan {
    pub(crate) path: PathBuf,
    pub(crate) resume: bool,
    pub(crate) retry_failed: bool,
    pub(crate) fsync: Fsync,
}

impl JournalPlan {
    /// Returns the settings, or `None` if there is no journal.
    pub(super) fn new(arguments: JournalArguments) -> Option<JournalPlan> {
        let JournalArguments { journal, resume, retry_failed, fsync } = arguments;
        Some(JournalPlan { path: journal?, resume, retry_failed, fsync: fsync.unwrap_or_default() })
    }
}
