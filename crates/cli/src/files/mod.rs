//! Opening of the files that a command reads and writes.
//!
//! Truncating an output that is also an input, another output or a standard stream, under any name, would
//! destroy data. Therefore every command opens all of its files here:
//!
//! 1. A [`Registry`] identifies each file by device and inode. Regular files are opened at once, outputs
//!    without truncating them. Opening a FIFO or a device may block until its other end is opened, so it is
//!    deferred to [`InputSource::open`](crate::input::InputSource::open) and [`Output::open`], which the
//!    reading or writing thread calls when it gets to the file.
//! 2. Conflicting uses of one file are rejected. Everything else that can fail, such as locking the journal
//!    or connecting to the cluster, comes next. If the command ends here, outputs that it created are
//!    removed.
//! 3. [`Output::commit`] truncates the outputs.

mod atomic;
mod created;
mod output;
mod paths;
mod registry;

pub(crate) use atomic::AtomicFile;
pub(crate) use created::CreatedFile;
pub(crate) use output::{Output, OutputOption};
pub(crate) use paths::{Destination, Input};
pub(crate) use registry::Registry;
