//! Standard output of commands that print a text, and the exit status after writing.

use std::io::{self, Write};

use console::{ExitStatus, LineWriter, standard_output};
use nix::sys::signal::Signal;

use crate::error::{self, RunError};

/// Prints a text to standard output.
pub(crate) fn print_stdout(text: &[u8]) -> ExitStatus {
    let written = standard_output().and_then(|output| LineWriter::new(output).write_all(text));
    write_status(written.map_err(RunError::WriteOutput))
}

/// Returns the exit status after writing. A reader that closes the pipe is not an error; the status is that
/// of SIGPIPE.
pub(crate) fn write_status(written: Result<(), RunError>) -> ExitStatus {
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
