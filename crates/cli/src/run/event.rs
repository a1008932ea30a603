//! What the coordinator hears.

use std::{
    fmt, io,
    num::NonZeroU64,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use sys::clock::{Heartbeat, now};

use crate::error::RunError;

/// Something that changes how the run goes on.
#[derive(Debug)]
pub(crate) enum RunEvent {
    /// The cluster has answered, or cannot be used.
    Connected,
    /// All input has been read, or reading it failed.
    InputEnded(Result<(), RunError>),
    /// All records have been written, or writing them failed.
    OutputEnded(io::Result<()>),
    /// The executor cannot run jobs any more.
    PoolFailed(Arc<str>),
    /// The program of a user-defined op cannot work, for this reason.
    ProgramFailed(String),
    /// Outcomes cannot be recorded any more; the recorder has the error.
    JournalFailed,
    /// No more jobs are to be started.
    Stop(StopReason),
    /// Somebody wants the run to end.
    Signalled(Signal),
    /// Somebody wants the run to stand still, as by Ctrl-Z.
    Suspended,
}

impl From<Signal> for RunEvent {
    fn from(signal: Signal) -> RunEvent {
        if signal == Signal::SIGTSTP { RunEvent::Suspended } else { RunEvent::Signalled(signal) }
    }
}

/// Waits until then, but not for long, for events. Also returns for how long this process did not run
/// meanwhile, because it or the machine was stopped.
pub(crate) fn receive_until(receiver: &Receiver<RunEvent>, at: Instant) -> (Option<RunEvent>, Duration) {
    let mut heartbeat = Heartbeat::default();
    let wait = at.saturating_duration_since(Instant::now()).min(Heartbeat::PERIOD);
    heartbeat.begin_wait(now(), wait);
    let events = receiver.recv_timeout(wait).ok();
    let now = now();
    (events, heartbeat.missed_since(now).map_or(Duration::ZERO, |start| now.since(start)))
}

/// Why no more jobs are to be started.
#[derive(Debug)]
pub(crate) enum StopReason {
    /// So many jobs did not succeed.
    MaxFailures(NonZeroU64),
    /// A job was not valid, and all had to be.
    InvalidJob,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::MaxFailures(NonZeroU64::MIN) => {
                f.write_str("a job did not succeed; no more are started")
            }
            StopReason::MaxFailures(count) => write!(f, "{count} jobs did not succeed; no more are started"),
            StopReason::InvalidJob => f.write_str("a job is not valid; no more are started"),
        }
    }
}
