//! Exit status of a worker process.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Exit status of a worker process, as the system reported it to the parent.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::error::{Death, DeathCause};
///
/// let death = Death { pid: 4711, cause: DeathCause::Signalled(9) };
/// assert_eq!(death.to_string(), "process 4711 was killed by signal 9 (SIGKILL)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// ID of the process.
    pub pid: u32,
    /// How the process ended.
    pub cause: DeathCause,
}

/// How a process ended: by exiting or by a signal.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::error::DeathCause;
///
/// fn advice(cause: DeathCause) -> &'static str {
///     match cause {
///         DeathCause::Exited(_) => "the job or a library called `exit`",
///         DeathCause::Signalled(9) => "it was killed, possibly by the out-of-memory killer",
///         DeathCause::Signalled(_) => "it crashed",
///     }
/// }
/// assert_eq!(advice(DeathCause::Signalled(11)), "it crashed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeathCause {
    /// The process exited with this code, from 0 to 255. A job that calls `exit(0)` also counts as a death.
    Exited(i32),
    /// The process was terminated by the signal with this number.
    Signalled(i32),
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            DeathCause::Exited(code) => write!(f, "process {} exited with code {code}", self.pid),
            DeathCause::Signalled(signal) => {
                write!(f, "process {} was killed by signal {signal}", self.pid)?;
                self.signal_name().map_or(Ok(()), |name| write!(f, " ({name})"))
            }
        }
    }
}

impl Death {
    /// Returns the name of the signal that ended the process, such as `SIGSEGV`; `None` if it exited, or the
    /// signal has no name, as real-time signals.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::error::{Death, DeathCause};
    ///
    /// let death = |cause| Death { pid: 4711, cause };
    /// assert_eq!(death(DeathCause::Signalled(11)).signal_name(), Some("SIGSEGV"));
    /// assert_eq!(death(DeathCause::Exited(11)).signal_name(), None);
    /// ```
    #[must_use]
    pub fn signal_name(self) -> Option<&'static str> {
        match self.cause {
            DeathCause::Signalled(signal) => {
                SIGNALS.get(usize::try_from(signal).ok()?.checked_sub(1)?).copied()
            }
            DeathCause::Exited(_) => None,
        }
    }
}

/// Names of the signals from 1 on, in the numbering of Linux on x86, ARM, RISC-V and POWER.
const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];
