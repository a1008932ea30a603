//! Writes lines as they become ready.

use std::{
    fs::File,
    io::{self, Write},
};

use super::Collector;

/// Writes until the collector has no more lines, or writing fails.
pub(crate) fn write_all_lines(collector: &Collector, mut file: &File) -> io::Result<()> {
    let mut lines = Vec::new();
    let mut written = 0;
    while collector.take_lines(&mut lines, written) {
        file.write_all(&lines)?;
        written = lines.len();
        lines.clear();
    }
    Ok(())
}
