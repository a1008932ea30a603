//! Output: renders outcomes as records, puts them into order and writes them.

mod counts;
mod failures;
mod journal_format;
mod layout;
mod record;
mod rendered;
mod reorder_buffer;
mod value;
mod window;
mod writer;

use std::io::{self, Write};

pub(crate) use counts::Counts;
pub(crate) use failures::FailureReport;
pub(crate) use journal_format::{body_from_journal, journal_record};
pub(crate) use layout::Layout;
pub(crate) use record::{OutcomeKind, RecordBody, cancelled_body, invalid_body};
pub(crate) use reorder_buffer::{Entering, ReorderBuffer};
pub(crate) use writer::write_all_lines;

use console::{ExitStatus, LineWriter, standard_output};
use nix::sys::signal::Signal;

use crate::error::{self, RunError};

/// Prints a text to standard output.
pub(crate) fn print_stdout(text: &[u8]) -> ExitStatus {
    let written = standard_output().and_then(|output| LineWriter::new(output).write_all(text));
    ending(written.map_err(RunError::WriteOutput))
}

/// Returns the exit status after writing. A reader that closes the pipe is not an error; the status is that
/// of SIGPIPE.
pub(crate) fn ending(written: Result<(), RunError>) -> ExitStatus {
    match written {
        Ok(()) => ExitStatus::Succeeded,
        Err(RunError::WriteOutput(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitStatus::Signal(Signal::SIGPIPE)
        }
        Err(error) => {
            error::print(&error);
            ExitStatus::InputOutput
        }
    }
}
