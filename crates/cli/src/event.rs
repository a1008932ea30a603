//! Events that the coordinator of a run receives from its threads.

use std::{
    fmt, io,
    num::NonZeroU64,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use sys::clock::{Heartbeat, now};

use crate::error::RunError;

/// An event that changes how the run continues.
#[derive(Debug)]
pub(crate) enum RunEvent {
    /// The cluster is connected, or the connection failed.
    Connected,
    /// All input has been read, or reading failed.
    InputEnded(Result<(), RunError>),
    /// All records have been written, or writing failed.
    OutputEnded(io::Result<()>),
    /// The executor cannot run jobs any more, for this reason.
    PoolFailed(Arc<str>),
    /// The program of a user-defined op does not work, for this reason.
    ProgramFailed(String),
    /// Outcomes cannot be recorded any more; the coordinator gets the error from the journal thread.
    JournalFailed,
    /// No more jobs are to be started. Running jobs finish.
    Stop(StopReason),
    /// A signal requested the end of the run.
    Signalled(Signal),
    /// SIGTSTP, for example by Ctrl-Z, requested suspension.
    Suspended,
    /// SIGUSR1 requested a snapshot of the run.
    SnapshotRequested,
}

impl From<Signal> for RunEvent {
    fn from(signal: Signal) -> RunEvent {
        match signal {
            Signal::SIGTSTP => RunEvent::Suspended,
            Signal::SIGUSR1 => RunEvent::SnapshotRequested,
            _ => RunEvent::Signalled(signal),
        }
    }
}

/// Waits for an event until `at`, but at most for one heartbeat period. Also returns how long this process
/// did not run meanwhile, because it or the machine was stopped.
pub(crate) fn receive_until(receiver: &Receiver<RunEvent>, at: Instant) -> (Option<RunEvent>, Duration) {
    let mut heartbeat = Heartbeat::default();
    let wait = at.saturating_duration_since(Instant::now()).min(Heartbeat::PERIOD);
    heartbeat.begin_wait(now(), wait);
    let event = receiver.recv_timeout(wait).ok();
    let now = now();
    (event, heartbeat.missed_since(now).map_or(Duration::ZERO, |start| now.since(start)))
}

/// Reason why no more jobs are started.
#[derive(Debug)]
pub(crate) enum StopReason {
    /// This many jobs did not succeed (`--max-failures`).
    MaxFailures(NonZeroU64),
    /// A job was invalid (`--strict`).
    InvalidJob,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::MaxFailures(NonZeroU64::MIN) => {
                f.write_str("a job did not succeed; no more jobs are started")
            }
            StopReason::MaxFailures(count) => {
                write!(f, "{count} jobs did not succeed; no more jobs are started")
            }
            StopReason::InvalidJob => f.write_str("a job is not valid; no more jobs are started"),
        }
    }
}
