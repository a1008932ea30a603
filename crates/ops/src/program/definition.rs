//! What the user says about a program.

use std::{ffi::OsString, num::NonZeroU32, os::fd::RawFd, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

/// A program that runs the jobs of one op.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramDefinition {
    /// Name of the op.
    pub name: String,
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// Format of requests and replies.
    pub protocol: Protocol,
    /// Byte after each request and each reply: a newline or NUL.
    pub delimiter: u8,
    /// Number of requests that are written before the oldest is answered.
    pub depth: Depth,
    /// Time that a fresh program may take until it reads its first request.
    pub start_timeout: Duration,
    /// Descriptor that replies are read from; with any other than 1, standard output goes to standard error.
    pub reply_fd: RawFd,
    /// Number of bytes that a reply may have.
    pub max_reply: u64,
    /// Time between the end of its input and SIGTERM, and between SIGTERM and SIGKILL, when it is no longer needed.
    pub grace: Duration,
    /// Whether its lines on standard error are prefixed with its name and the worker's slot.
    pub prefix_stderr: bool,
}

/// Format of requests and replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// The bytes of a line, untouched.
    #[default]
    Text,
    /// A JSON value; replies are `{"result": VALUE}` or `{"error": "message"}`.
    Json,
}

/// Number of requests that are written before the oldest is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Depth {
    /// 1 until replies have proved fast, then as many as a program answers in a short time.
    #[default]
    Auto,
    /// Always this many.
    Fixed(NonZeroU32),
}

impl ProgramDefinition {
    /// Name by which messages call the program: the last component of its path.
    #[must_use]
    pub fn program(&self) -> String {
        let path = Path::new(self.argv.first().map_or("".as_ref(), OsString::as_os_str));
        path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
    }
}
