//! Receiving in place of a supervisor that is held up.
//!
//! The supervisor calls sinks and callbacks of the program, and decodes outcomes of any size. While one of those takes long,
//! the other workers' outcomes would lie. The clock notices that no message is taken any more, and has a thread take them
//! that ends when the supervisor is back. If that one is held up as well, another follows.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use job::{Job, Stage};

use super::SupervisorHandle;
use crate::processes::{help::Helper, incoming::TimeAccount, shared::ProcessShared};

/// How long no message may be taken by a supervisor that does not wait.
const PATIENCE: Duration = Duration::from_millis(100);

/// How often a deputy looks for messages.
const PERIOD: Duration = Duration::from_millis(1);

/// Notices that messages are not taken.
pub(in crate::processes) struct ProgressMonitor {
    seen: u64,
    since: Instant,
}

impl ProgressMonitor {
    pub(in crate::processes) fn new() -> ProgressMonitor {
        ProgressMonitor { seen: 0, since: Instant::now() }
    }

    /// Whether the supervisor is held up, and so is every deputy.
    fn is_missing(&mut self, supervisor: &SupervisorHandle) -> bool {
        let progress = supervisor.progress();
        if supervisor.is_waiting() || progress != self.seen {
            *self = ProgressMonitor { seen: progress, since: Instant::now() };
        }
        self.since.elapsed() >= PATIENCE
    }

    /// Starts a deputy if one is needed. If there can be no thread for it, the next look tries again.
    pub(in crate::processes) fn look<J: Job>(&mut self, shared: &Arc<ProcessShared<J>>) {
        if self.is_missing(&shared.supervisor) {
            self.since = Instant::now();
            let theirs = shared.clone();
            let _ = shared.crew.spawn("runner-deputy".into(), move || stand_in(&theirs));
        }
    }
}

fn stand_in<J: Job>(shared: &Arc<ProcessShared<J>>) {
    let timer_guard = shared.accounting.thread("deputy", Stage::Poll);
    let time = TimeAccount::Thread(timer_guard.timer());
    while !shared.supervisor.is_waiting() {
        Helper::begin(shared, &time).take_messages();
        shared.supervisor.note_progress();
        time.enter(Stage::Wait);
        thread::sleep(PERIOD);
    }
}
