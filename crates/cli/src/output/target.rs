//! Where results go.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::Path,
};

use crate::{
    error::RunError,
    plan::{Input, Plan},
};

/// Opens the file for the results, or standard output. Comes after the inputs have been opened, since it destroys
/// what is in the file.
pub(crate) fn open_target(plan: &Plan) -> Result<File, RunError> {
    match &plan.output {
        // Written to directly: the results are lines already, and whole blocks of them.
        None => io::stdout().as_fd().try_clone_to_owned().map(File::from).map_err(RunError::WriteOutput),
        Some(path) => open_file(path, &plan.inputs),
    }
}

fn open_file(path: &Path, inputs: &[Input]) -> Result<File, RunError> {
    let same_as_input = inputs.iter().any(|input| match input {
        Input::File(input) => is_same_file(input, path),
        Input::Standard => false,
    });
    if same_as_input {
        return Err(RunError::OutputIsInput { path: path.to_owned() });
    }
    let opened = OpenOptions::new().write(true).create(true).truncate(true).open(path);
    opened.map_err(|error| RunError::OpenOutput { path: path.to_owned(), error })
}

/// Whether two names lead to one regular file; a device may well be read and written.
fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}
