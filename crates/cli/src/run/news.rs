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
pub(crate) enum News {
    /// The cluster has answered, or cannot be used.
    Connected,
    /// All input has been read, or reading it failed.
    InputEnded(Result<(), RunError>),
    /// All records have been written, or writing them failed.
    OutputEnded(io::Result<()>),
    /// The executor cannot run jobs any more.
    Broken(Arc<str>),
    /// The program of a user-defined op cannot work, for this reason.
    ProgramFailed(String),
    /// Outcomes cannot be recorded any more; the recorder has the error.
    JournalFailed,
    /// No more jobs are to be started.
    Enough(Enough),
    /// Somebody wants the run to end.
    Signalled(Signal),
    /// Somebody wants the run to stand still, as by Ctrl-Z.
    Suspended,
}

impl From<Signal> for News {
    fn from(signal: Signal) -> News {
        if signal == Signal::SIGTSTP { News::Suspended } else { News::Signalled(signal) }
    }
}

/// Waits until then, but not for long, for news. Also returns for how long this process did not run meanwhile, because it or
/// the machine was stopped.
pub(crate) fn receive_until(heard: &Receiver<News>, at: Instant) -> (Option<News>, Duration) {
    let mut heartbeat = Heartbeat::default();
    let wait = at.saturating_duration_since(Instant::now()).min(Heartbeat::PERIOD);
    heartbeat.begin_wait(now(), wait);
    let news = heard.recv_timeout(wait).ok();
    let now = now();
    (news, heartbeat.missed_since(now).map_or(Duration::ZERO, |start| now.since(start)))
}

/// Why no more jobs are to be started.
#[derive(Debug)]
pub(crate) enum Enough {
    /// So many jobs did not succeed.
    Failures(NonZeroU64),
    /// A job was not valid, and all had to be.
    Invalid,
}

impl fmt::Display for Enough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Enough::Failures(NonZeroU64::MIN) => f.write_str("a job did not succeed; no more are started"),
            Enough::Failures(count) => write!(f, "{count} jobs did not succeed; no more are started"),
            Enough::Invalid => f.write_str("a job is not valid; no more are started"),
        }
    }
}
