//! Settings of the programs of user-defined ops.

use std::{ffi::OsString, num::NonZeroU32, os::fd::RawFd, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

/// A program that runs the jobs of one op.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramDefinition {
    /// Name of the op.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Format of requests and replies.
    pub protocol: Protocol,
    /// Byte after each request and each reply: a newline or NUL.
    pub delimiter: u8,
    /// Maximum number of unanswered requests.
    pub depth: Depth,
    /// Maximum time between the start of the program and its reading of the first request.
    pub start_timeout: Duration,
    /// Descriptor to which the program writes replies. Unless it is 1, standard output is redirected to
    /// standard error.
    pub reply_fd: RawFd,
    /// Maximum size of a reply in bytes.
    pub max_reply: u64,
    /// Time between closing the program's input and SIGTERM, and between SIGTERM and SIGKILL, when the worker
    /// exits.
    pub grace: Duration,
    /// Prefixes each line of standard error with the name of the op and the worker's slot.
    pub prefix_stderr: bool,
}

/// Format of requests and replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// Lines of any bytes, which are passed through unchanged.
    #[default]
    Text,
    /// Requests are JSON values; replies are `{"result": VALUE}` or `{"error": "message"}`.
    Json,
}

/// Maximum number of unanswered requests of a program (pipelining).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Depth {
    /// 1 at first; if the program replies fast, the number of requests that it answers in 2 ms.
    #[default]
    Auto,
    /// A fixed number.
    Fixed(NonZeroU32),
}

impl ProgramDefinition {
    /// Returns the name of the program for messages: the last component of its path.
    #[must_use]
    pub fn program(&self) -> String {
        let path = Path::new(self.argv.first().map_or("".as_ref(), OsString::as_os_str));
        path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
    }
}
