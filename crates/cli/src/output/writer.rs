//! Writes lines as they become ready.

use std::{
    fs::File,
    io::{self, ErrorKind, IsTerminal, Write},
};

use super::{LineWriter, ReorderBuffer};
use crate::screen;

/// Lines in pieces of fewer bytes are written together.
const SMALL: usize = 64 * 1024;

/// Writes until the buffer has no more lines, or writing fails.
pub(crate) fn write_all_lines(buffer: &ReorderBuffer, file: File) -> io::Result<()> {
    let is_terminal = file.is_terminal();
    let mut output = LineWriter::new(file);
    let mut written = 0;
    while let Some(pieces) = buffer.take_lines(written) {
        written = pieces.iter().map(Vec::len).sum();
        let write = || write_pieces(&mut output, pieces, buffer);
        if is_terminal { screen::without_bar(write) } else { write() }?;
    }
    Ok(())
}

/// Writes pieces of whole lines, small ones together.
fn write_pieces(output: &mut impl Write, pieces: Vec<Vec<u8>>, buffer: &ReorderBuffer) -> io::Result<()> {
    let mut gathered = Vec::new();
    for piece in pieces {
        if gathered.len() + piece.len() > SMALL {
            write_counted(output, &gathered, buffer)?;
            gathered.clear();
        }
        if gathered.is_empty() {
            gathered = piece;
        } else {
            gathered.extend_from_slice(&piece);
        }
    }
    write_counted(output, &gathered, buffer)
}

/// Writes all of these lines, and counts those that have been written: also if the reader leaves in between,
/// or never reads.
fn write_counted(output: &mut impl Write, mut lines: &[u8], buffer: &ReorderBuffer) -> io::Result<()> {
    while !lines.is_empty() {
        match output.write(lines) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                buffer.note_written(memchr::memchr_iter(b'\n', &lines[..count]).count() as u64);
                lines = &lines[count..];
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
