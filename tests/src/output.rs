//! What a call left behind, and ways to look at it.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

/// What a call left behind.
#[derive(Debug)]
pub struct Output {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
    /// From start to end.
    pub elapsed: Duration,
}

impl Output {
    /// The exit code; -1 if a signal ended it.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// The signal that ended it, or 0.
    #[must_use]
    pub fn signal(&self) -> i32 {
        self.status.signal().unwrap_or(0)
    }

    /// Standard output as text.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("output is UTF-8")
    }

    /// The records, each a line.
    ///
    /// # Panics
    /// When a line is no JSON.
    #[must_use]
    pub fn records(&self) -> Vec<serde_json::Value> {
        assert!(self.stdout.is_empty() || self.stdout.ends_with(b"\n"), "a torn line: {:?}", self.text());
        self.text().lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect()
    }

    /// `error.kind` of each record, or `ok`.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        let kind = |record: &serde_json::Value| record["error"]["kind"].as_str().unwrap_or("ok").to_owned();
        self.records().iter().map(kind).collect()
    }

    /// The lines in alphabetical order.
    #[must_use]
    pub fn sorted(&self) -> Vec<&str> {
        let mut lines: Vec<&str> = self.text().lines().collect();
        lines.sort_unstable();
        lines
    }
}
