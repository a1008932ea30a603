//! The outputs of the report: files, standard output and the folder of pictures.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use bench::report::Report;
use console::{ExitStatus, LineWriter};

use super::plan::{BenchPlan, Rendering};
use crate::{
    error::RunError,
    files::{Output, OutputOption, Registry},
    stdout::write_status,
};

const PICTURES: OutputOption = OutputOption { name: "--svg", content: "pictures" };

/// Open output files with the rendering of the report for each, and a folder for pictures.
pub(super) struct ReportOutputs<'a> {
    renderings: Vec<(&'a Rendering, Output)>,
    pictures: Option<Folder<'a>>,
}

impl ReportOutputs<'_> {
    /// Opens all outputs. Existing contents are kept until the report is written.
    pub(super) fn open(plan: &BenchPlan) -> Result<ReportOutputs<'_>, RunError> {
        let mut registry = Registry::new();
        let mut open = |rendering| open(rendering, &mut registry).map(|output| (rendering, output));
        let renderings = plan.renderings.iter().map(&mut open).collect::<Result<_, _>>()?;
        let pictures =
            plan.pictures.as_deref().map(|folder| Folder::open(folder, &mut registry)).transpose()?;
        Ok(ReportOutputs { renderings, pictures })
    }

    /// Writes the report to each output.
    pub(super) fn write(self, report: &Report) -> ExitStatus {
        let files = self.renderings.into_iter().map(|(rendering, output)| rendering.write(output, report));
        let pictures = self.pictures.map(|folder| folder.write(report).map_err(RunError::WriteOutput));
        files.chain(pictures).map(write_status).fold(ExitStatus::Succeeded, ExitStatus::and)
    }
}

fn open(rendering: &Rendering, registry: &mut Registry) -> Result<Output, RunError> {
    let option = OutputOption { name: rendering.option, content: "report" };
    registry.open_output(option, &rendering.destination)
}

impl Rendering {
    fn write(&self, mut output: Output, report: &Report) -> Result<(), RunError> {
        output.commit()?;
        let written =
            output.open().and_then(|file| LineWriter::new(file).write_all((self.render)(report).as_bytes()));
        written.map_err(RunError::WriteOutput)
    }
}

/// A folder for pictures, which is created if it does not exist.
struct Folder<'a> {
    path: &'a Path,
    /// Folders that were created, innermost first; empty once pictures are written. Removed on drop.
    created: Vec<PathBuf>,
}

impl Folder<'_> {
    /// Creates the folder. Fails if an existing picture is also another input or output.
    fn open<'a>(path: &'a Path, registry: &mut Registry) -> Result<Folder<'a>, RunError> {
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let created = path.ancestors().take_while(is_missing).map(Path::to_owned).collect();
        let folder = Folder { path, created };
        fs::create_dir_all(path).map_err(|error| RunError::OpenOutput {
            path: path.to_owned(),
            content: PICTURES.content,
            error,
        })?;
        let mut names = bench::pictures::NAMES.into_iter();
        names.try_for_each(|name| registry.add_written(PICTURES, &folder.file(name)))?;
        Ok(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name).with_extension("svg")
    }

    fn write(mut self, report: &Report) -> io::Result<()> {
        self.created.clear();
        let mut pictures = bench::pictures::svg(report).into_iter();
        pictures.try_for_each(|picture| fs::write(self.file(picture.name), picture.svg))
    }
}

impl Drop for Folder<'_> {
    fn drop(&mut self) {
        for folder in &self.created {
            // A folder that is not empty is in use by another process.
            let _ = fs::remove_dir(folder);
        }
    }
}
