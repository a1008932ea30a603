//! A directory with one file of jobs, for tests of inputs and outputs.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    os::unix::fs::FileTypeExt,
    path::PathBuf,
};

use end_to_end::{Call, Output, runner};
use nix::{sys::stat::Mode, unistd::mkfifo};

pub(super) const JOB: &str = "{\"op\":\"sum\",\"n\":4}\n";
pub(super) const RECORD: &str = "{\"id\":0,\"ok\":true,\"result\":10}\n";
pub(super) const EARLIER: &str = "earlier content\n";

/// A temporary directory with one file of jobs.
pub(super) struct Folder(pub(super) tempfile::TempDir);

impl Folder {
    pub(super) fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.put("jobs", JOB);
        folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn put(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(super) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(super) fn fifo(&self, name: &str) -> PathBuf {
        mkfifo(&self.path(name), Mode::S_IRWXU).unwrap();
        self.path(name)
    }

    pub(super) fn append(&self, name: &str) -> File {
        OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap()
    }

    /// Returns an invocation of `runner` in this directory.
    pub(super) fn runner<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Call {
        runner(arguments).with(|c| c.current_dir(self.0.path()))
    }

    /// Returns the names and contents of all files.
    pub(super) fn content(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.0.path()).unwrap() {
            let path = entry.unwrap().path();
            let is_fifo = path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo());
            let content = if is_fifo { Vec::new() } else { fs::read(&path).unwrap_or_default() };
            all.push((path, content));
        }
        all.sort();
        all
    }

    /// Checks that the run is rejected with exit code 2, that the message names both uses of the file, and
    /// that no file changes.
    pub(super) fn expect_refused(&self, call: Call, names: [&str; 2]) {
        let before = self.content();
        let output = call.run();
        expect_refusal(&output, names);
        assert!(self.content() == before, "{names:?}: {:?}", self.content());
    }
}

pub(super) fn expect_refusal(output: &Output, names: [&str; 2]) {
    assert_eq!(output.code(), 2, "{names:?}: {}", output.stderr);
    assert_eq!(output.text(), "", "{names:?}: {}", output.stderr);
    assert!(output.stderr.contains("are the same file"), "{}", output.stderr);
    assert!(names.iter().all(|name| output.stderr.contains(name)), "{names:?}: {}", output.stderr);
}
