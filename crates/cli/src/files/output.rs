//! Output of a command.

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use super::CreatedFile;
use crate::error::RunError;

/// Option that names an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputOption {
    pub(crate) name: &'static str,
    /// Content, for messages such as "choose another file for the ...".
    pub(crate) content: &'static str,
}

/// A checked output. It keeps its contents until it is [committed](Output::commit).
#[derive(Debug)]
pub(crate) struct Output {
    option: OutputOption,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Standard(File),
    Regular {
        path: PathBuf,
        file: File,
        created: Option<CreatedFile>,
    },
    /// FIFO or device. Opening it may block.
    Special(PathBuf),
}

impl Output {
    /// Standard output.
    pub(super) fn standard(option: OutputOption) -> Result<Output, RunError> {
        // Unbuffered: line buffering would split writes.
        let file = io::stdout().as_fd().try_clone_to_owned().map_err(RunError::WriteOutput)?;
        Ok(Output { option, target: Target::Standard(file.into()) })
    }

    pub(super) fn regular(
        option: OutputOption,
        path: &Path,
        file: File,
        created: Option<CreatedFile>,
    ) -> Output {
        Output { option, target: Target::Regular { path: path.to_owned(), file, created } }
    }

    pub(super) fn special(option: OutputOption, path: &Path) -> Output {
        Output { option, target: Target::Special(path.to_owned()) }
    }

    /// Returns whether [`open`](Output::open) may block.
    pub(crate) fn may_block(&self) -> bool {
        matches!(self.target, Target::Special(_))
    }

    /// Truncates a regular file, and keeps it if it was created. Called when the output is certain to be
    /// written.
    pub(crate) fn commit(&mut self) -> Result<(), RunError> {
        if let Target::Regular { path, file, created } = &mut self.target {
            let failed = |error| open_failed(self.option, path, error);
            file.set_len(0).map_err(failed)?;
            if let Some(created) = created.take() {
                created.keep();
            }
        }
        Ok(())
    }

    /// Returns the open file. Opens it first if it is a device or a FIFO, which blocks until it has a reader.
    pub(crate) fn open(self) -> io::Result<File> {
        match self.target {
            Target::Standard(file) | Target::Regular { file, .. } => Ok(file),
            Target::Special(path) => {
                let named = |error: io::Error| {
                    io::Error::new(error.kind(), format!("cannot open {}: {error}", path.display()))
                };
                OpenOptions::new().write(true).open(&path).map_err(named)
            }
        }
    }
}

/// Error for an output that cannot be opened.
pub(super) fn open_failed(option: OutputOption, path: &Path, error: io::Error) -> RunError {
    RunError::OpenOutput { path: path.to_owned(), content: option.content, error }
}
