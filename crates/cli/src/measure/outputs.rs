//! Where the report goes.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::fd::AsFd,
};

use bench::report::Report;
use nix::sys::signal::Signal;

use super::plan::Output;
use crate::{
    error::{self, RunError},
    exit::Ended,
};

/// Files that are open, and what goes into each.
pub(super) struct Outputs<'a>(Vec<(&'a Output, File)>);

impl Outputs<'_> {
    /// Opens all of them; what is in them stays until there is something to put in its place.
    pub(super) fn open(outputs: &[Output]) -> Result<Outputs<'_>, RunError> {
        let open = |output| open(output).map(|file| (output, file));
        outputs.iter().map(open).collect::<Result<_, _>>().map(Outputs)
    }

    /// Writes the report into each, in its form.
    pub(super) fn write(self, report: &Report) -> Ended {
        let written = self.0.into_iter().map(|(output, file)| output.write(file, report));
        written.map(ending).fold(Ended::Succeeded, Ended::and)
    }
}

fn open(output: &Output) -> Result<File, RunError> {
    let opened = match &output.path {
        None => io::stdout().as_fd().try_clone_to_owned().map(File::from),
        Some(path) => OpenOptions::new().write(true).create(true).truncate(false).open(path),
    };
    opened.map_err(|error| match output.path.clone() {
        None => RunError::WriteOutput(error),
        Some(path) => RunError::OpenOutput { path, error },
    })
}

impl Output {
    fn write(&self, mut file: File, report: &Report) -> io::Result<()> {
        // Not what standard output is appended to, and a pipe has no length.
        if self.path.is_some() && file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        file.write_all((self.render)(report).as_bytes())
    }
}

/// A reader that has seen enough is no error.
fn ending(written: io::Result<()>) -> Ended {
    match written {
        Ok(()) => Ended::Succeeded,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ended::Signal(Signal::SIGPIPE),
        Err(error) => {
            error::print(&RunError::WriteOutput(error));
            Ended::InputOutput
        }
    }
}
