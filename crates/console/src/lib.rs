//! Exit status, signals and standard streams of a command-line program.
//!
//! Internal; unstable; use `runner-tool`.
//!
//! The signals end or suspend the program. The standard streams are shared with other processes.
//!
//! | file | concern |
//! |---|---|
//! | `exit` | exit statuses and their codes |
//! | `signals` | the thread that receives signals |
//! | `lines` | writing whole lines to a stream that other processes write to |
//! | `screen` | messages on a terminal on which a progress bar may be drawn |
//! | `file_identity` | recognizing a file under another name |

pub mod exit;
mod file_identity;
mod lines;
pub mod screen;
pub mod signals;

use std::{fs::File, io, os::fd::AsFd};

pub use exit::ExitStatus;
pub use file_identity::{FileIdentity, FileKind};
pub use lines::LineWriter;

/// Returns standard output without a buffer.
///
/// # Errors
/// If it is closed, or no descriptor is free.
pub fn standard_output() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}
