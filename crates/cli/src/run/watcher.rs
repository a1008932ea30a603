//! Waits for signals on a thread of its own.

use std::{io, sync::mpsc::Sender, thread};

use nix::sys::signal::{SigSet, Signal};

use super::News;

/// Blocks the signals that end or suspend a run, for this thread and all that it starts. One that was ignored when the program
/// started stays ignored.
pub(crate) fn block_signals() -> SigSet {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGTSTP] {
        if !sys::signal::is_ignored(signal) {
            signals.add(signal);
        }
    }
    // Fails only for a set that does not exist.
    let _ = signals.thread_block();
    signals
}

/// Tells of each of these signals.
pub(crate) fn watch(signals: SigSet, news: Sender<News>) -> io::Result<()> {
    let watcher = thread::Builder::new().name("runner-signals".into());
    watcher.spawn(move || {
        while let Ok(signal) = signals.wait() {
            let told = if signal == Signal::SIGTSTP { News::Suspended } else { News::Signalled(signal) };
            if news.send(told).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}
