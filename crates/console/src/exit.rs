//! Exit statuses of the program and their codes.

use std::sync::OnceLock;

use nix::sys::signal::Signal;

const SUCCEEDED: i32 = 0;
const JOBS_FAILED: i32 = 1;
const USAGE: i32 = 2;
const INPUT_OUTPUT: i32 = 3;
const POOL: i32 = 4;
const JOURNAL: i32 = 5;

/// First signal that requested the end.
static RECEIVED: OnceLock<Signal> = OnceLock::new();

/// Exit status of the program. When several apply, the greatest in this order wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum ExitStatus {
    /// Every job succeeded.
    Succeeded,
    /// At least one job did not succeed.
    JobsFailed,
    /// The command line is invalid.
    Usage,
    /// Input or output failed.
    InputOutput,
    /// The journal cannot be used.
    Journal,
    /// Workers could not be started, or the pool failed.
    Pool,
    /// Ended by a signal. The program raises the same signal against itself, so that a shell loop stops too.
    Signal(Signal),
}

impl ExitStatus {
    /// Returns the more severe of two statuses; of two signals, the first.
    #[must_use]
    pub fn and(self, other: ExitStatus) -> ExitStatus {
        let both_signals = matches!((self, other), (ExitStatus::Signal(_), ExitStatus::Signal(_)));
        if other > self && !both_signals { other } else { self }
    }
}

/// Returns the first signal that requested the end, if any.
#[must_use]
pub fn received() -> Option<Signal> {
    RECEIVED.get().copied()
}

/// Records a signal that requests the end; returns whether it is the first.
pub(crate) fn note_signal(signal: Signal) -> bool {
    RECEIVED.set(signal).is_ok()
}

/// Exits the process. If a signal has requested the end, even after the command finished, exits by the first
/// such signal.
pub fn leave(status: ExitStatus) -> ! {
    let by_signal = received().map(ExitStatus::Signal);
    std::process::exit(match by_signal.map_or(status, |by_signal| status.and(by_signal)) {
        ExitStatus::Succeeded => SUCCEEDED,
        ExitStatus::JobsFailed => JOBS_FAILED,
        ExitStatus::Usage => USAGE,
        ExitStatus::InputOutput => INPUT_OUTPUT,
        ExitStatus::Journal => JOURNAL,
        ExitStatus::Pool => POOL,
        ExitStatus::Signal(signal) => sys::signal::raise_default(signal),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_severe_status_wins_and_of_signals_the_first() {
        let (int, pipe) = (ExitStatus::Signal(Signal::SIGINT), ExitStatus::Signal(Signal::SIGPIPE));
        assert_eq!(ExitStatus::JobsFailed.and(ExitStatus::Pool), ExitStatus::Pool);
        assert_eq!(ExitStatus::Pool.and(ExitStatus::InputOutput), ExitStatus::Pool);
        assert_eq!(ExitStatus::InputOutput.and(ExitStatus::Journal), ExitStatus::Journal);
        assert_eq!(ExitStatus::Journal.and(ExitStatus::Pool), ExitStatus::Pool);
        assert_eq!((int.and(pipe), pipe.and(int), ExitStatus::Pool.and(int)), (int, pipe, int));
    }
}
