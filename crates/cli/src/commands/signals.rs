//! Signals in commands that have nothing to finish.

use std::{io, time::Duration};

use bench::Starts;
use console::{
    ExitStatus, exit,
    signals::{block_termination_signals, watch},
};

/// Time for workers to finish starting before the program exits regardless.
const WORKER_START_TIMEOUT: Duration = Duration::from_millis(500);

/// Exits the program on the first signal that requests the end. For commands that have nothing to finish; the
/// workers are killed with the process. Must be called before any other thread is started.
pub(crate) fn exit_on_signal(starts: Starts) -> io::Result<()> {
    watch(block_termination_signals(), WORKER_START_TIMEOUT, move |_| {
        let _pause = starts.pause(WORKER_START_TIMEOUT);
        exit::leave(ExitStatus::Succeeded)
    })
}
