//! Signals that end or suspend the program, and the one that asks for a report.
//!
//! Until a command blocks them, and in commands that have nothing to finish, these signals have their default
//! action. A command that has workers blocks them before it starts any thread. One thread then
//! [receives](watch) them until the process ends:
//!
//! 1. The first signal is passed to the command, which shuts down in order. The shutdown may block on a
//!    reader of its output.
//! 2. The second signal is passed to the command, too, and starts a timer. If the process is still running
//!    when the timer expires, this thread exits the process, whatever its other threads are blocked on. The
//!    kernel kills the workers with it.
//! 3. The third signal exits the process at once.
//!
//! In each case the process exits by the first signal; see [`exit::leave`].
//!
//! SIGUSR1 is passed to the command, too, and ends nothing. No code runs in a signal handler.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::{SigSet, Signal, raise};

use crate::exit::{self, ExitStatus};

/// Whether suspension stops this process only, without notifying the command.
static SUSPENDS_SELF_ONLY: AtomicBool = AtomicBool::new(false);

/// Blocks the signals that end the program, for this thread and all threads it starts. A signal that was
/// ignored when the program started stays ignored.
#[must_use]
pub fn block_termination_signals() -> SigSet {
    block(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])
}

/// Like [`block_signals`], and also blocks SIGUSR1, which asks for a report.
#[must_use]
pub fn block_signals_and_requests() -> SigSet {
    block(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGTSTP, Signal::SIGUSR1])
}

/// Like [`block_termination_signals`], and also blocks SIGTSTP.
#[must_use]
pub fn block_signals() -> SigSet {
    block(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGTSTP])
}

/// Makes suspension stop this process without notifying the command: the command has no workers any more, or
/// may be blocked on a reader.
pub fn suspend_self_only() {
    SUSPENDS_SELF_ONLY.store(true, Ordering::Relaxed);
}

fn block(all: &[Signal]) -> SigSet {
    let signals = all.iter().copied().filter(|&signal| !sys::signal::is_ignored(signal)).collect::<SigSet>();
    // Fails only for an invalid set.
    let _ = signals.thread_block();
    signals
}

/// Starts the thread that receives these signals. It calls `notify` with each of them. `notify` must not
/// block on a reader; it returns whether the command handles the signal. After the second signal the command
/// has `limit` to exit the process.
///
/// # Errors
/// If the thread cannot be started.
pub fn watch(
    signals: SigSet,
    limit: Duration,
    mut notify: impl FnMut(Signal) -> bool + Send + 'static,
) -> io::Result<()> {
    let receive_all = move || {
        let mut end_at = None;
        loop {
            match next(&signals, end_at) {
                Some(Signal::SIGTSTP) => suspend(&mut notify),
                Some(Signal::SIGUSR1) => drop(notify(Signal::SIGUSR1)),
                Some(signal) if exit::note_signal(signal) => drop(notify(signal)),
                Some(signal) if end_at.is_none() => {
                    end_at = Instant::now().checked_add(limit);
                    notify(signal);
                }
                // Third signal, or the time limit has passed.
                Some(_) | None => leave(),
            }
        }
    };
    thread::Builder::new().name("runner-signals".into()).spawn(receive_all)?;
    Ok(())
}

/// Returns the next signal, or `None` if none arrives before `until`.
fn next(signals: &SigSet, until: Option<Instant>) -> Option<Signal> {
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(signal) = sys::signal::wait_for(signals, left) {
            return Some(signal);
        }
        if left.is_some_and(|left| left.is_zero()) {
            return None;
        }
    }
}

/// Stops this process, unless the command stops it after it has stopped its workers.
fn suspend(notify: &mut impl FnMut(Signal) -> bool) {
    if SUSPENDS_SELF_ONLY.load(Ordering::Relaxed) || !notify(Signal::SIGTSTP) {
        let _ = raise(Signal::SIGSTOP);
    }
}

fn leave() -> ! {
    exit::leave(ExitStatus::Succeeded)
}
