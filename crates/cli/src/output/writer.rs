//! Writes lines as they become ready.

use std::{
    fs::File,
    io::{self, ErrorKind, IsTerminal, Write},
};

use super::{Collector, LineWriter};
use crate::screen;

/// Writes until the collector has no more lines, or writing fails.
pub(crate) fn write_all_lines(collector: &Collector, file: File) -> io::Result<()> {
    let is_terminal = file.is_terminal();
    let mut output = LineWriter::new(file);
    let mut lines = Vec::new();
    let mut written = 0;
    while collector.take_lines(&mut lines, written) {
        let mut write = || write_counted(&mut output, &lines, collector);
        if is_terminal { screen::without_bar(write) } else { write() }?;
        written = lines.len();
        lines.clear();
    }
    Ok(())
}

/// Writes all of these lines, and counts those that have been written: also if the reader leaves in between, or never reads.
fn write_counted(output: &mut impl Write, mut lines: &[u8], collector: &Collector) -> io::Result<()> {
    while !lines.is_empty() {
        match output.write(lines) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                collector.note_written(memchr::memchr_iter(b'\n', &lines[..count]).count() as u64);
                lines = &lines[count..];
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
