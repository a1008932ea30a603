//! Writes lines as they become ready.

use std::{
    fs::File,
    io::{self, ErrorKind, IsTerminal, Write},
};

use console::{LineWriter, screen};

use super::ReorderBuffer;

/// Pieces are combined into writes of up to this size in bytes.
const MAX_COMBINED: usize = 64 * 1024;

/// Writes lines until the reorder buffer is closed and empty, or writing fails.
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

/// Writes pieces of whole lines, combining small ones.
fn write_pieces(output: &mut impl Write, pieces: Vec<Vec<u8>>, buffer: &ReorderBuffer) -> io::Result<()> {
    let mut combined = Vec::new();
    for piece in pieces {
        if combined.len() + piece.len() > MAX_COMBINED {
            write_counted(output, &combined, buffer)?;
            combined.clear();
        }
        if combined.is_empty() {
            combined = piece;
        } else {
            combined.extend_from_slice(&piece);
        }
    }
    write_counted(output, &combined, buffer)
}

/// Writes all of these lines. Counts each record that has been written, even if a later write fails or blocks
/// forever.
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
