//! What the coordinator hears.

use std::{io, sync::Arc};

use nix::sys::signal::Signal;

use crate::error::RunError;

/// Something that changes how the run goes on.
#[derive(Debug)]
pub(crate) enum News {
    /// All input has been read, or reading it failed.
    InputEnded(Result<(), RunError>),
    /// All records have been written, or writing them failed.
    OutputEnded(io::Result<()>),
    /// The executor cannot run jobs any more.
    Broken(Arc<str>),
    /// Somebody wants the run to end.
    Signalled(Signal),
    /// Somebody wants the run to stand still, as by Ctrl-Z.
    Suspended,
}
