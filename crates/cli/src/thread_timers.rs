//! The time accounting of the command line's own threads.

use std::sync::Arc;

use pool::ThreadStats;
use sys::stage_timer::TimedThread;

/// The threads of a run besides those of the executor. One that is not started counts nothing.
#[derive(Debug)]
pub(crate) struct ThreadTimers {
    /// Reads jobs, passes them on, and waits for room.
    pub(crate) intake: TimedThread,
    /// Parse what has been read, where there are cores to spare.
    pub(crate) parsers: Vec<TimedThread>,
    /// Takes lines out of the buffer, and waits for some.
    pub(crate) writer: TimedThread,
}

impl ThreadTimers {
    /// ThreadTimers for a run with up to `parsers` parser threads.
    pub(crate) fn new(parsers: usize) -> Arc<ThreadTimers> {
        let parsers = (0..parsers).map(|number| TimedThread::new(format!("parser {number}"))).collect();
        Arc::new(ThreadTimers {
            intake: TimedThread::new("intake"),
            parsers,
            writer: TimedThread::new("writer"),
        })
    }

    /// What the threads besides the intake have done.
    pub(crate) fn other_stats(&self) -> impl Iterator<Item = ThreadStats> {
        self.parsers.iter().chain([&self.writer]).filter_map(TimedThread::stats)
    }
}
