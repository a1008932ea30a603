//! Where the report goes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::fd::AsFd,
    path::Path,
};

use bench::report::Report;
use nix::sys::signal::Signal;

use super::plan::{BenchPlan, Output};
use crate::{
    error::{self, RunError},
    exit::Ended,
};

/// Files that are open and what goes into each, and a folder for pictures.
pub(super) struct Outputs<'a> {
    files: Vec<(&'a Output, File)>,
    pictures: Option<&'a Path>,
}

impl Outputs<'_> {
    /// Opens all of them; what is in them stays until there is something to put in its place.
    pub(super) fn open(plan: &BenchPlan) -> Result<Outputs<'_>, RunError> {
        let open = |output| open(output).map(|file| (output, file));
        let files = plan.outputs.iter().map(open).collect::<Result<_, _>>()?;
        let pictures = plan.pictures.as_deref();
        if let Some(folder) = pictures {
            let failed = |error| RunError::OpenOutput { path: folder.to_owned(), error };
            fs::create_dir_all(folder).map_err(failed)?;
        }
        Ok(Outputs { files, pictures })
    }

    /// Writes the report into each, in its form.
    pub(super) fn write(self, report: &Report) -> Ended {
        let files = self.files.into_iter().map(|(output, file)| output.write(file, report));
        let pictures = self.pictures.map(|folder| draw(folder, report));
        files.chain(pictures).map(ending).fold(Ended::Succeeded, Ended::and)
    }
}

fn draw(folder: &Path, report: &Report) -> io::Result<()> {
    let mut pictures = bench::pictures::svg(report).into_iter();
    pictures.try_for_each(|picture| fs::write(folder.join(picture.name).with_extension("svg"), picture.svg))
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
