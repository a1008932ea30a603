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
pub(crate) enum Ended {
    Succeeded,
    JobsFailed,
    Misused,
    InputOutput,
    Journal,
    Pool,
    /// The program raises the same signal against itself, so that a shell's loop stops too.
    Signal(Signal),
}

impl Ended {
    /// The graver of two endings; of two signals, the first.
    pub(crate) fn and(self, other: Ended) -> Ended {
        let both_signals = matches!((self, other), (Ended::Signal(_), Ended::Signal(_)));
        if other > self && !both_signals { other } else { self }
    }
}

/// Leaves the process: by the first signal that asked for it, also if that came when the end had begun.
pub(crate) fn leave(ended: Ended) -> ! {
    let signalled = interrupt::received().map(Ended::Signal);
    std::process::exit(match signalled.map_or(ended, |signalled| ended.and(signalled)) {
        Ended::Succeeded => SUCCEEDED,
        Ended::JobsFailed => JOBS_FAILED,
        Ended::Misused => MISUSED,
        Ended::InputOutput => INPUT_OUTPUT,
        Ended::Journal => JOURNAL,
        Ended::Pool => POOL,
        Ended::Signal(signal) => sys::signal::raise_default(signal),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_ending_counts_and_of_signals_the_first() {
        let (int, pipe) = (Ended::Signal(Signal::SIGINT), Ended::Signal(Signal::SIGPIPE));
        assert_eq!(Ended::JobsFailed.and(Ended::Pool), Ended::Pool);
        assert_eq!(Ended::Pool.and(Ended::InputOutput), Ended::Pool);
        assert_eq!(Ended::InputOutput.and(Ended::Journal), Ended::Journal);
        assert_eq!(Ended::Journal.and(Ended::Pool), Ended::Pool);
        assert_eq!((int.and(pipe), pipe.and(int), Ended::Pool.and(int)), (int, pipe, int));
    }
}
