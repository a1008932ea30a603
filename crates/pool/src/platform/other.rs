//! Systems other than Linux: what the standard library offers.

use std::io::{self, Write};

/// Writes a line to standard error in one piece. Ignores errors, where `eprintln!` panics.
pub(crate) fn print_error(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Returns `None`: there are no control groups.
pub(crate) fn cpu_quota() -> Option<usize> {
    None
}
