//! Deputy: a thread that receives messages while the supervisor is blocked.
//!
//! The supervisor calls sinks and callbacks of the program, and decodes outcomes of any size. While one of
//! these takes long, the outcomes of the other workers are not received. The clock detects that and starts a
//! deputy, which receives them until the supervisor continues. If the deputy is blocked as well, another one
//! is started. A deputy also reads the captured output of the workers, which would otherwise wait for
//! space in their pipes.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use job::{Job, Stage};

use super::handle::SupervisorHandle;
use crate::processes::{help::Helper, incoming::TimeAccount, shared::ProcessShared};

/// Time without a received message, while the supervisor is not waiting, after which a deputy is started.
const STALL_TIMEOUT: Duration = Duration::from_millis(100);

/// Interval at which a deputy polls for messages.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Detector of messages that are not being received.
pub(in crate::processes) struct ProgressMonitor {
    seen: u64,
    since: Instant,
}

impl ProgressMonitor {
    pub(in crate::processes) fn new() -> ProgressMonitor {
        ProgressMonitor { seen: 0, since: Instant::now() }
    }

    /// Returns whether the supervisor and all deputies are blocked.
    fn is_stalled(&mut self, supervisor: &SupervisorHandle) -> bool {
        let progress = supervisor.progress();
        if supervisor.is_waiting() || progress != self.seen {
            *self = ProgressMonitor { seen: progress, since: Instant::now() };
        }
        self.since.elapsed() >= STALL_TIMEOUT
    }

    /// Starts a deputy if one is needed. If its thread cannot be started, the next check tries again.
    pub(in crate::processes) fn check<J: Job>(&mut self, shared: &Arc<ProcessShared<J>>) {
        if self.is_stalled(&shared.supervisor) {
            self.since = Instant::now();
            let deputy_shared = shared.clone();
            let _ = shared.threads.spawn("runner-deputy".into(), move || run(&deputy_shared));
        }
    }
}

fn run<J: Job>(shared: &Arc<ProcessShared<J>>) {
    let timer_guard = shared.accounting.begin_thread("deputy", Stage::Poll);
    let time = TimeAccount::Thread(timer_guard.timer());
    while !shared.supervisor.is_waiting() {
        let helper = Helper::begin(shared, &time);
        helper.receive_messages();
        helper.collect_if_requested();
        drop(helper);
        read_output(shared);
        shared.supervisor.note_progress();
        time.enter(Stage::Wait);
        thread::sleep(POLL_INTERVAL);
    }
}

/// Reads the captured output of all workers.
fn read_output<J: Job>(shared: &ProcessShared<J>) {
    if shared.spawn_config.stdio.captures() {
        let handles = shared.handles();
        let captures = handles.iter().filter_map(|handle| handle.capture.get());
        captures.for_each(|capture| capture.try_read(&shared.spawn_config.stdio.handler));
    }
}
