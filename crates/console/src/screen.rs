//! Messages on standard error, and access to a terminal that a progress bar shares with messages and records.

use std::io::{self, Write};

use indicatif::ProgressBar;
use parking_lot::Mutex;

use crate::LineWriter;

/// The progress bar that is currently drawn.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Registers the bar as drawn.
pub fn show(bar: &ProgressBar) {
    BAR.lock().get_or_insert_with(|| bar.clone());
}

/// Removes the bar, so that later output starts on an empty line.
pub fn remove(bar: &ProgressBar) {
    BAR.lock().take();
    bar.finish_and_clear();
}

/// Runs `write` with the bar hidden. `write` must write whole lines and must not print messages.
pub fn without_bar<T>(write: impl FnOnce() -> T) -> T {
    // Unlocked during the write, which may block on the reader.
    let bar = BAR.lock().clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Writes whole lines to standard error.
///
/// # Errors
/// If standard error is closed or cannot be written to.
pub fn print_error(lines: &[u8]) -> io::Result<()> {
    without_bar(|| LineWriter::new(io::stderr()).write_all(lines))
}
