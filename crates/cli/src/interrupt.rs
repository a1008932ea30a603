//! Signals that end the program or suspend it.
//!
//! Until a command blocks them, and in commands that have nothing to finish, they have their default action. A command that has
//! workers blocks them before it starts a thread, and one thread [takes](watch) them until the process ends:
//!
//! 1. The first signal is passed on to the command, which ends in good order. That may wait for a reader of its output.
//! 2. The second is passed on too, but from then on no reader is waited for: if the process is still there after a limit, this
//!    thread ends it, whatever its other threads wait for. The system kills the workers with it.
//! 3. A third ends the process at once.
//!
//! It ends by the first signal in any case; see [`exit::leave`].

use std::{
    io,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bench::Starts;
use nix::sys::signal::{SigSet, Signal, raise};

use crate::exit::{self, ExitStatus};

/// How long workers may take to start before the program ends all the same.
const AT_ONCE: Duration = Duration::from_millis(500);

/// The first signal that asked for the end.
static RECEIVED: OnceLock<Signal> = OnceLock::new();

/// The command does not take care of suspension any more.
static SUSPENDS_ALONE: AtomicBool = AtomicBool::new(false);

/// The first signal that has asked for the end, if one has.
pub(crate) fn received() -> Option<Signal> {
    RECEIVED.get().copied()
}

/// Blocks the signals that end the program, for this thread and all that it starts. One that was ignored when the program
/// started stays ignored.
pub(crate) fn block_termination_signals() -> SigSet {
    block(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])
}

/// The same, and the one that suspends it.
pub(crate) fn block_signals() -> SigSet {
    block(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGTSTP])
}

/// From now on suspending the program means stopping this process, and the command is not asked: it has no workers any more,
/// or may be waiting for a reader.
pub(crate) fn suspend_alone() {
    SUSPENDS_ALONE.store(true, Ordering::Relaxed);
}

fn block(all: &[Signal]) -> SigSet {
    let signals = all.iter().copied().filter(|&signal| !sys::signal::is_ignored(signal)).collect::<SigSet>();
    // Fails only for a set that does not exist.
    let _ = signals.thread_block();
    signals
}

/// Starts the thread that takes these signals. `notify` is called with each of them and must not wait for a reader; it returns
/// whether the command takes care of the signal. After the second one the command has `limit` to end the process.
pub(crate) fn watch(
    signals: SigSet,
    limit: Duration,
    mut notify: impl FnMut(Signal) -> bool + Send + 'static,
) -> io::Result<()> {
    let take_all = move || {
        let mut end_at = None;
        loop {
            match next(&signals, end_at) {
                Some(Signal::SIGTSTP) => suspend(&mut notify),
                Some(signal) if RECEIVED.set(signal).is_ok() => drop(notify(signal)),
                Some(signal) if end_at.is_none() => {
                    end_at = Instant::now().checked_add(limit);
                    notify(signal);
                }
                // The third, or the time is over.
                Some(_) | None => leave(),
            }
        }
    };
    thread::Builder::new().name("runner-signals".into()).spawn(take_all)?;
    Ok(())
}

/// The next signal; `None` if none has come by then.
fn next(signals: &SigSet, until: Option<Instant>) -> Option<Signal> {
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(signal) = sys::signal::wait(signals, left) {
            return Some(signal);
        }
        if left.is_some_and(|left| left.is_zero()) {
            return None;
        }
    }
}

/// Stops this process, unless the command does, after it has stopped its workers.
fn suspend(notify: &mut impl FnMut(Signal) -> bool) {
    if SUSPENDS_ALONE.load(Ordering::Relaxed) || !notify(Signal::SIGTSTP) {
        let _ = raise(Signal::SIGSTOP);
    }
}

fn leave() -> ! {
    exit::leave(ExitStatus::Succeeded)
}

/// Ends the program by the first signal that asks for it: nothing has to be finished, and the workers go with it. To be called
/// before any other thread is started.
pub(crate) fn exit_on_signal(starts: Starts) -> io::Result<()> {
    watch(block_termination_signals(), AT_ONCE, move |_| {
        let _pause = starts.pause(AT_ONCE);
        leave()
    })
}
