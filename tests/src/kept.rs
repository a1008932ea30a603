//! Journals of runs, and jobs that leave traces.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use crate::{Call, runner, shell_jobs};

/// A folder with a journal.
pub struct Kept {
    /// The folder.
    pub folder: tempfile::TempDir,
    /// The journal.
    pub journal: PathBuf,
}

impl Kept {
    /// A folder in which the journal is missing.
    ///
    /// # Panics
    /// When no folder can be made.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Kept {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let journal = folder.path().join("journal");
        Kept { folder, journal }
    }

    /// `runner --journal ...` with further arguments.
    #[must_use]
    pub fn runner(&self, arguments: &[&str]) -> Call {
        runner(arguments).with(|c| c.arg("--journal").arg(&self.journal))
    }

    /// `runner --journal ... --resume` with further arguments.
    #[must_use]
    pub fn resume(&self, arguments: &[&str]) -> Call {
        self.runner(arguments).with(|c| c.arg("--resume"))
    }

    /// The positions that have a record.
    ///
    /// # Panics
    /// When the journal cannot be read.
    #[must_use]
    pub fn recorded(&self) -> BTreeSet<u64> {
        let locked = journal::Locked::open(&self.journal).expect("nobody uses the journal");
        let (_, recorded) = locked.resume(false).expect("the journal is whole");
        recorded.positions().collect()
    }

    /// The bytes of the journal.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.journal).expect("there is a journal")
    }

    /// How many bytes the journal has.
    #[must_use]
    pub fn length(&self) -> u64 {
        fs::metadata(&self.journal).map_or(0, |metadata| metadata.len())
    }
}

/// Commands that each append a line to a log, so that it can be seen how often they ran.
pub struct Logged {
    log: PathBuf,
    /// The jobs.
    pub jobs: String,
    /// What an undisturbed run prints for them.
    pub expected: String,
}

impl Logged {
    /// So many of them, with a log in this folder.
    #[must_use]
    pub fn new(folder: &Kept, count: usize) -> Logged {
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
        Logged { log, jobs, expected: (0..count).map(line).collect() }
    }

    /// How often each of them ran.
    #[must_use]
    pub fn runs(&self) -> BTreeMap<u64, u32> {
        let mut runs = BTreeMap::new();
        for line in fs::read_to_string(&self.log).unwrap_or_default().lines() {
            *runs.entry(line.parse().unwrap_or(u64::MAX)).or_default() += 1;
        }
        runs
    }
}
