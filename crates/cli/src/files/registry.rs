//! Registry of the files of one command, which rejects conflicting uses.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, ErrorKind},
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use console::{FileIdentity, FileKind};

use super::{CreatedFile, Destination, Input, Output, OutputOption, output::open_failed};
use crate::error::RunError;

/// Name of standard output in messages, if no option names it.
const STANDARD_OUTPUT: &str = "standard output";

/// All files that a command reads or writes.
pub(crate) struct Registry {
    entries: Vec<FileEntry>,
}

#[derive(Clone)]
struct FileEntry {
    name: String,
    identity: FileIdentity,
    access: Access,
    /// Whether it was opened by the caller of the program, which may use one file for several streams.
    is_stream: bool,
    /// Content that is written to it.
    content: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Open, but not used.
    Unused,
    Read,
    Written,
}

impl Registry {
    /// Creates a registry with the standard streams and the running executable.
    pub(crate) fn new() -> Registry {
        let mut registry = Registry { entries: Vec::new() };
        registry.add_stream("standard input", io::stdin().as_fd(), Access::Unused);
        registry.add_stream(STANDARD_OUTPUT, io::stdout().as_fd(), Access::Unused);
        registry.add_stream("standard error", io::stderr().as_fd(), Access::Written);
        if let Ok(program) = Path::new("/proc/self/exe").metadata() {
            registry.entries.push(FileEntry::read("the running program".to_owned(), &program));
        }
        registry
    }

    fn add_stream(&mut self, name: &str, stream: BorrowedFd<'_>, access: Access) {
        // There may be no free descriptor; then the run fails for that reason soon.
        let Ok(identity) = FileIdentity::of(&stream) else { return };
        let entry =
            FileEntry { name: name.to_owned(), identity, access, is_stream: true, content: "results" };
        self.entries.push(entry);
    }

    /// Marks a standard stream as used.
    fn use_stream(&mut self, name: &str, access: Access) -> Result<(), RunError> {
        let entry = self.entries.iter_mut().find(|entry| entry.is_stream && entry.name == name);
        let Some(entry) = entry else { return Ok(()) };
        entry.access = access;
        let entry = entry.clone();
        self.check(&entry)
    }

    /// Adds an input. `metadata` is that of the open file, if it is a file.
    pub(crate) fn add_input(&mut self, input: &Input, metadata: Option<&Metadata>) -> Result<(), RunError> {
        match (input, metadata) {
            (Input::File(path), Some(metadata)) => {
                self.add(FileEntry::read(format!("the input {}", path.display()), metadata))
            }
            (Input::File(_), None) => Ok(()),
            (Input::Standard, _) => self.use_stream("standard input", Access::Read),
        }
    }

    /// Adds a file that other code reads, if it exists.
    pub(crate) fn add_read(&mut self, option: &str, path: &Path) -> Result<(), RunError> {
        match path.metadata() {
            Ok(metadata) => self.add(FileEntry::read(format!("{option} {}", path.display()), &metadata)),
            Err(_) => Ok(()),
        }
    }

    /// Adds a file that other code writes, if it exists.
    pub(crate) fn add_written(&mut self, option: OutputOption, path: &Path) -> Result<(), RunError> {
        match path.metadata() {
            Ok(metadata) => self.add(FileEntry::written(option, path, &metadata)),
            Err(_) => Ok(()),
        }
    }

    /// Adds standard output, which is used although no option names it.
    pub(crate) fn add_standard_output(&mut self) -> Result<(), RunError> {
        self.use_stream(STANDARD_OUTPUT, Access::Written)
    }

    /// Opens an output without truncating it.
    ///
    /// # Errors
    /// When it cannot be opened, or the file is also used otherwise.
    pub(crate) fn open_output(
        &mut self,
        option: OutputOption,
        destination: &Destination,
    ) -> Result<Output, RunError> {
        let path = match destination {
            Destination::Standard => {
                self.add_standard_output()?;
                return Output::standard(option);
            }
            Destination::File(path) => path,
        };
        match path.metadata() {
            Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => {
                self.add(FileEntry::written(option, path, &metadata))?;
                Ok(Output::special(option, path))
            }
            existing => {
                let failed = |error| open_failed(option, path, error);
                let mut options = OpenOptions::new();
                let (file, created) =
                    self.open_regular((option, path), existing.ok(), options.write(true), &failed)?;
                Ok(Output::regular(option, path, file, created))
            }
        }
    }

    /// Opens the journal without changing it.
    pub(crate) fn open_journal(
        &mut self,
        option: OutputOption,
        path: &Path,
    ) -> Result<(File, Option<CreatedFile>), RunError> {
        let failed = |error: journal::Error| RunError::Journal { path: path.to_owned(), error };
        let existing = path.metadata().ok();
        // Checked before it is opened, because opening a device can have side effects.
        if existing.as_ref().is_some_and(|metadata| !metadata.is_file()) {
            return Err(failed(journal::Error::NotAFile));
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true);
        self.open_regular((option, path), existing, options, &|error| failed(error.into()))
    }

    /// Opens a regular file, creating it if it is missing. The identity is checked before opening, because
    /// opening a running executable for writing fails, and again afterwards, because the name may refer to
    /// another file by then.
    fn open_regular(
        &mut self,
        (option, path): (OutputOption, &Path),
        existing: Option<Metadata>,
        options: &OpenOptions,
        failed: &dyn Fn(io::Error) -> RunError,
    ) -> Result<(File, Option<CreatedFile>), RunError> {
        if let Some(metadata) = existing {
            self.check(&FileEntry::written(option, path, &metadata))?;
        }
        let (file, created) = open_or_create(path, options).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        self.add(FileEntry::written(option, path, &metadata))?;
        Ok((file, created))
    }

    fn add(&mut self, entry: FileEntry) -> Result<(), RunError> {
        self.check(&entry)?;
        self.entries.push(entry);
        Ok(())
    }

    /// Rejects a file that already has a conflicting use.
    fn check(&self, new: &FileEntry) -> Result<(), RunError> {
        let Some(other) = self.entries.iter().find(|entry| entry.excludes(new)) else { return Ok(()) };
        let written = if new.access == Access::Written { new } else { other };
        Err(RunError::SameFile {
            first: other.name.clone(),
            second: new.name.clone(),
            content: written.content,
        })
    }
}

impl FileEntry {
    fn read(name: String, metadata: &Metadata) -> FileEntry {
        FileEntry { name, identity: metadata.into(), access: Access::Read, is_stream: false, content: "" }
    }

    fn written(option: OutputOption, path: &Path, metadata: &Metadata) -> FileEntry {
        FileEntry {
            name: format!("{} {}", option.name, path.display()),
            identity: metadata.into(),
            access: Access::Written,
            is_stream: false,
            content: option.content,
        }
    }

    /// Returns whether using both would destroy data or never end.
    fn excludes(&self, other: &FileEntry) -> bool {
        let is_opened_for_writing = |entry: &FileEntry| entry.access == Access::Written && !entry.is_stream;
        let is_read_and_written = matches!(
            (self.access, other.access),
            (Access::Read, Access::Written) | (Access::Written, Access::Read)
        );
        let are_streams = self.is_stream && other.is_stream;
        self.identity == other.identity
            && match self.identity.kind {
                // Two standard streams often share a file: `2>&1`.
                FileKind::Storage => {
                    is_read_and_written || is_opened_for_writing(self) || is_opened_for_writing(other)
                }
                // A pipe named by its descriptor, such as /dev/stderr, may be written besides the stream.
                FileKind::Pipe => {
                    is_read_and_written && !are_streams
                        || is_opened_for_writing(self) && is_opened_for_writing(other)
                }
                FileKind::Other => false,
            }
    }
}

/// Opens a file without truncating it, creating it if it is missing.
fn open_or_create(path: &Path, options: &OpenOptions) -> io::Result<(File, Option<CreatedFile>)> {
    let created = |file: File| CreatedFile::new(path, &file).map(|created| (file, Some(created)));
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        opened => return created(opened?),
    }
    match options.open(path) {
        // A dangling symbolic link.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            created(options.clone().create(true).open(path)?)
        }
        opened => Ok((opened?, None)),
    }
}
