//! Results on their way out: worded as records, put into order, written.

mod collector;
mod counts;
mod failures;
mod journaled;
mod layout;
mod lines;
mod order;
mod record;
mod rendered;
mod writer;

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
};

pub(crate) use collector::{Collector, Entering};
pub(crate) use counts::Counts;
pub(crate) use failures::FailureReport;
pub(crate) use journaled::{record_of, tail_of};
pub(crate) use layout::Layout;
pub(crate) use lines::LineWriter;
pub(crate) use record::{Kind, Tail, cancelled_tail, invalid_tail};
pub(crate) use writer::write_all_lines;

use nix::sys::signal::Signal;

use crate::{
    error::{self, RunError},
    exit::Ended,
};

/// Standard output without a buffer.
pub(crate) fn standard_output() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Prints a whole text to standard output.
pub(crate) fn print_whole(text: &[u8]) -> Ended {
    let written = standard_output().and_then(|output| LineWriter::new(output).write_all(text));
    ending(written.map_err(RunError::WriteOutput))
}

/// How the program ends after writing what it was called for. A reader that has seen enough is no error.
pub(crate) fn ending(written: Result<(), RunError>) -> Ended {
    match written {
        Ok(()) => Ended::Succeeded,
        Err(RunError::WriteOutput(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ended::Signal(Signal::SIGPIPE)
        }
        Err(error) => {
            error::print(&error);
            Ended::InputOutput
        }
    }
}
