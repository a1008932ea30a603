//! The end by a signal.

use std::{io, thread, time::Duration};

use bench::Starts;
use nix::sys::signal::{SigSet, Signal};

use crate::exit::{self, Ended};

/// How long workers may take to start before the program ends all the same.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Ends the program by the first signal that asks for it: nothing has to be finished, and the workers go with it. To be called
/// before any other thread is started. A signal that was ignored when the program started stays ignored.
pub(crate) fn end_by_signals(starts: Starts) -> io::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        if !sys::signal::is_ignored(signal) {
            signals.add(signal);
        }
    }
    signals.thread_block()?;
    let end = move || {
        if let Ok(signal) = signals.wait() {
            let _pause = starts.pause(AT_ONCE);
            exit::leave(Ended::Signal(signal));
        }
    };
    thread::Builder::new().name("runner-signals".into()).spawn(end)?;
    Ok(())
}
