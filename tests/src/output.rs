//! Result of a finished invocation.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

/// Exit status, output and duration of a finished invocation.
#[derive(Debug)]
pub struct Output {
    /// Exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
    /// Time from start to exit.
    pub elapsed: Duration,
}

impl Output {
    /// Returns the exit code; -1 if the process was ended by a signal.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Returns the signal that ended the process, or 0.
    #[must_use]
    pub fn signal(&self) -> i32 {
        self.status.signal().unwrap_or(0)
    }

    /// Returns standard output as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("the output is not UTF-8")
    }

    /// Returns the records on standard output.
    ///
    /// # Panics
    /// If a line is incomplete or not JSON.
    #[must_use]
    pub fn records(&self) -> Vec<serde_json::Value> {
        assert!(self.stdout.is_empty() || self.stdout.ends_with(b"\n"), "a torn line: {:?}", self.text());
        self.text().lines().map(|line| serde_json::from_str(line).expect("a record is not JSON")).collect()
    }

    /// Returns `error.kind` of each record, or `ok`.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        let kind = |record: &serde_json::Value| record["error"]["kind"].as_str().unwrap_or("ok").to_owned();
        self.records().iter().map(kind).collect()
    }

    /// Returns the lines of standard output, sorted.
    #[must_use]
    pub fn sorted(&self) -> Vec<&str> {
        let mut lines: Vec<&str> = self.text().lines().collect();
        lines.sort_unstable();
        lines
    }
}
