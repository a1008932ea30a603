//! Reports failures on standard error that the output does not show.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;

use super::{
    Layout,
    record::{OutcomeKind, RecordBody},
};
use crate::error::warn;

/// Number of failures reported by default.
const MAX_REPORTED: u64 = 10;

/// Reporter of failures that the output does not show.
#[derive(Debug, Default)]
pub(crate) struct FailureReport {
    max: u64,
    reported: AtomicU64,
}

/// Parts of a record that are reported.
#[derive(Deserialize)]
struct FailureRecord {
    error: FailureError,
}

#[derive(Deserialize)]
struct FailureError {
    kind: String,
    message: String,
    exit_code: Option<i32>,
    signal: Option<String>,
}

impl FailureReport {
    /// Creates the reporter of a run. It reports nothing if the output has records.
    pub(crate) fn new(layout: Layout, quiet: bool, verbose: bool) -> FailureReport {
        let max = match (layout.hides_failures(), quiet, verbose) {
            (false, ..) | (_, true, _) => 0,
            (.., true) => u64::MAX,
            _ => MAX_REPORTED,
        };
        FailureReport { max, reported: AtomicU64::new(0) }
    }

    /// Reports the failures among these outcomes, except cancelled and invalid jobs.
    pub(crate) fn report(&self, bodies: &[(u64, RecordBody)]) {
        if self.max == 0 {
            return;
        }
        let is_reported = |body: &RecordBody| body.is_failure() && body.kind != OutcomeKind::Invalid;
        for (position, body) in bodies.iter().filter(|(_, body)| is_reported(body)) {
            match self.reported.fetch_add(1, Ordering::Relaxed) {
                before if before < self.max => warn(&describe(*position, body)),
                before if before == self.max => {
                    warn("more lines have no result; --verbose reports all of them");
                }
                _ => {}
            }
        }
    }
}

fn describe(position: u64, body: &RecordBody) -> String {
    let text = [b"{", body.text()].concat();
    let Ok(FailureRecord { error: FailureError { kind, message, exit_code, signal } }) =
        serde_json::from_slice(&text)
    else {
        return format!("line {}: {}", position + 1, body.kind.name());
    };
    let end = match (exit_code, signal) {
        (Some(code), _) => format!(" (exit code {code})"),
        (None, Some(signal)) => format!(" ({signal})"),
        (None, None) => String::new(),
    };
    format!("line {}: {kind}: {message}{end}", position + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::cancelled_body;

    #[test]
    fn describes_a_failure_by_line_and_cause() {
        let text = br#""ok":false,"error":{"kind":"crashed","message":"prog ended","pid":7,"exit_code":3}}"#;
        let body = RecordBody::new(OutcomeKind::Crashed, text.to_vec());
        assert_eq!(describe(7, &body), "line 8: crashed: prog ended (exit code 3)");
        assert!(!cancelled_body().is_failure());
    }
}
