//! Where results go.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::Path,
};

use crate::{error::RunError, input::Source, plan::Plan};

/// Opens the file for the results, or standard output. Comes after the inputs have been opened, since it destroys
/// what is in the file; a file that is read from is refused.
pub(crate) fn open_target(plan: &Plan, sources: &[Source]) -> Result<File, RunError> {
    match &plan.output {
        None => {
            // Written to directly: the results are lines already, and whole blocks of them.
            let target =
                File::from(io::stdout().as_fd().try_clone_to_owned().map_err(RunError::WriteOutput)?);
            refuse_input(target.metadata().ok(), Path::new("standard output"), sources)?;
            Ok(target)
        }
        Some(path) => {
            refuse_input(path.metadata().ok(), path, sources)?;
            let opened = OpenOptions::new().write(true).create(true).truncate(true).open(path);
            opened.map_err(|error| RunError::OpenOutput { path: path.to_owned(), error })
        }
    }
}

/// Whether both are the same file, under whatever names.
pub(crate) fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Refuses a regular file that is one of the sources; a device may well be read and written.
fn refuse_input(target: Option<Metadata>, path: &Path, sources: &[Source]) -> Result<(), RunError> {
    let Some(target) = target.filter(Metadata::is_file) else { return Ok(()) };
    let is_source = sources.iter().filter_map(Source::metadata).any(|source| is_same_file(&source, &target));
    if is_source { Err(RunError::OutputIsInput { path: path.to_owned() }) } else { Ok(()) }
}
