//! Journals of runs, and jobs that log their executions.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use crate::{Call, runner, shell_jobs};

/// A temporary directory with a journal.
pub struct JournalDir {
    /// The directory.
    pub folder: tempfile::TempDir,
    /// Path of the journal.
    pub journal: PathBuf,
}

impl JournalDir {
    /// Creates a directory in which the journal does not exist yet.
    ///
    /// # Panics
    /// If the directory cannot be created.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> JournalDir {
        let folder = tempfile::tempdir().expect("cannot create a directory");
        let journal = folder.path().join("journal");
        JournalDir { folder, journal }
    }

    /// Returns `runner --journal ...` with further arguments.
    #[must_use]
    pub fn runner(&self, arguments: &[&str]) -> Call {
        runner(arguments).with(|c| c.arg("--journal").arg(&self.journal))
    }

    /// Returns `runner --journal ... --resume` with further arguments.
    #[must_use]
    pub fn resume(&self, arguments: &[&str]) -> Call {
        self.runner(arguments).with(|c| c.arg("--resume"))
    }

    /// Returns the positions of the recorded jobs.
    ///
    /// # Panics
    /// If the journal is in use or cannot be read.
    #[must_use]
    pub fn recorded(&self) -> BTreeSet<u64> {
        let locked = journal::LockedFile::open(&self.journal).expect("cannot open the journal");
        let (_, recorded) = locked.resume(false).expect("cannot read the journal");
        recorded.positions().collect()
    }

    /// Returns the content of the journal.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.journal).expect("cannot read the journal")
    }

    /// Returns the size of the journal in bytes; 0 if it does not exist.
    #[must_use]
    pub fn length(&self) -> u64 {
        fs::metadata(&self.journal).map_or(0, |metadata| metadata.len())
    }
}

/// Command jobs that each append a line to a log, so that their executions can be counted.
pub struct LoggedCommands {
    log: PathBuf,
    /// The input file.
    pub jobs: String,
    /// The output of an undisturbed run.
    pub expected: String,
}

impl LoggedCommands {
    /// Creates `count` jobs that log to a file in this directory.
    #[must_use]
    pub fn new(folder: &JournalDir, count: usize) -> LoggedCommands {
        let log = folder.folder.path().join("log");
        let script = |n: usize| format!("echo {n} >> {}; echo out {n}", log.display());
        let scripts: Vec<String> = (0..count).map(script).collect();
        let jobs = shell_jobs(&scripts.iter().map(String::as_str).collect::<Vec<_>>());
        let line = |n: usize| {
            format!(
                "{{\"id\":{n},\"ok\":true,\"result\":{{\"exit_code\":0,\"signal\":null,\
                 \"stdout\":\"out {n}\\n\",\"stderr\":\"\"}}}}\n"
            )
        };
        LoggedCommands { log, jobs, expected: (0..count).map(line).collect() }
    }

    /// Returns the number of executions of each job.
    #[must_use]
    pub fn runs(&self) -> BTreeMap<u64, u32> {
        let mut runs = BTreeMap::new();
        for line in fs::read_to_string(&self.log).unwrap_or_default().lines() {
            *runs.entry(line.parse().unwrap_or(u64::MAX)).or_default() += 1;
        }
        runs
    }
}
