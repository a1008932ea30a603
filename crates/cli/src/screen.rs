//! Messages on standard error, and the terminal that a progress bar shares with them and with records.

use std::io::{self, Write};

use indicatif::ProgressBar;
use parking_lot::Mutex;

use crate::output::LineWriter;

/// The bar that is on the screen.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Notes that the bar is drawn from now on.
pub(crate) fn show(bar: &ProgressBar) {
    BAR.lock().get_or_insert_with(|| bar.clone());
}

/// Removes the bar, so that what follows starts on an empty line.
pub(crate) fn remove(bar: &ProgressBar) {
    BAR.lock().take();
    bar.finish_and_clear();
}

/// Writes to the terminal while no bar is on it. `write` writes whole lines and must not print messages.
pub(crate) fn without_bar<T>(write: impl FnOnce() -> T) -> T {
    // Not locked meanwhile: writing may wait for its reader.
    let bar = BAR.lock().clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Writes whole lines to standard error.
pub(crate) fn print_error(lines: &[u8]) -> io::Result<()> {
    without_bar(|| LineWriter::new(io::stderr()).write_all(lines))
}
