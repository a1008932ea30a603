//! Opening what a command reads and writes.
//!
//! An output that is also an input, another output or a standard stream, under whatever name, would destroy
//! data when it is truncated. So every command opens all of its files here:
//!
//! 1. A [`Registry`] takes each file by its device and inode. Regular files are opened at once, outputs
//!    without truncating them. Opening a FIFO or a device may block until its other end is opened, so that is
//!    left to [`Source::open`](crate::input::Source::open) and [`Output::open`], which the thread that reads
//!    or writes calls when it comes to it.
//! 2. Two uses of one file are refused. What can fail otherwise, such as locking the journal or connecting to
//!    the cluster, comes next. An output that has been created is removed again if the command ends here.
//! 3. [`Output::commit`] truncates.

mod created;
mod identity;
mod output;
mod registry;

pub(crate) use created::CreatedFile;
pub(crate) use output::{Output, OutputOption};
pub(crate) use registry::Registry;
