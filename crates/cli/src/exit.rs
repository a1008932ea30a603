//! How the program can end, and the codes that tell it.

use nix::sys::signal::Signal;

use crate::interrupt;

/// Every job succeeded.
const SUCCEEDED: i32 = 0;
/// Some job did not.
const JOBS_FAILED: i32 = 1;
/// The command line is wrong.
const MISUSED: i32 = 2;
/// Input or output failed.
const INPUT_OUTPUT: i32 = 3;
/// Workers could not be started, or the pool broke.
const POOL: i32 = 4;
/// The journal cannot be used.
const JOURNAL: i32 = 5;

/// How the program ended. When several apply, the largest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum ExitStatus {
    Succeeded,
    JobsFailed,
    Usage,
    InputOutput,
    Journal,
    Pool,
    /// The program raises the same signal against itself, so that a shell's loop stops too.
    Signal(Signal),
}

impl ExitStatus {
    /// The graver of two endings; of two signals, the first.
    pub(crate) fn and(self, other: ExitStatus) -> ExitStatus {
        let both_signals = matches!((self, other), (ExitStatus::Signal(_), ExitStatus::Signal(_)));
        if other > self && !both_signals { other } else { self }
    }
}

/// Leaves the process: by the first signal that asked for it, also if that came when the end had prepared.
pub(crate) fn leave(ended: ExitStatus) -> ! {
    let signalled = interrupt::received().map(ExitStatus::Signal);
    std::process::exit(match signalled.map_or(ended, |signalled| ended.and(signalled)) {
        ExitStatus::Succeeded => SUCCEEDED,
        ExitStatus::JobsFailed => JOBS_FAILED,
        ExitStatus::Usage => MISUSED,
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
    fn the_gravest_ending_counts_and_of_signals_the_first() {
        let (int, pipe) = (ExitStatus::Signal(Signal::SIGINT), ExitStatus::Signal(Signal::SIGPIPE));
        assert_eq!(ExitStatus::JobsFailed.and(ExitStatus::Pool), ExitStatus::Pool);
        assert_eq!(ExitStatus::Pool.and(ExitStatus::InputOutput), ExitStatus::Pool);
        assert_eq!(ExitStatus::InputOutput.and(ExitStatus::Journal), ExitStatus::Journal);
        assert_eq!(ExitStatus::Journal.and(ExitStatus::Pool), ExitStatus::Pool);
        assert_eq!((int.and(pipe), pipe.and(int), ExitStatus::Pool.and(int)), (int, pipe, int));
    }
}
