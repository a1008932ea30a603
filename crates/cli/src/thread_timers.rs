//! Time accounting of the command's own threads.

use std::sync::Arc;

use pool::metrics::ThreadStats;
use sys::stage_timer::TimedThread;

/// Stage timers of the threads of a run, except those of the executor. A thread that is not started has no
/// statistics.
#[derive(Debug)]
pub(crate) struct ThreadTimers {
    /// Thread that reads and submits jobs, including its wait for buffer space.
    pub(crate) reader: TimedThread,
    /// Threads that parse chunks, if there are spare cores.
    pub(crate) parsers: Vec<TimedThread>,
    /// Thread that writes records, including its wait for records.
    pub(crate) writer: TimedThread,
}

impl ThreadTimers {
    /// Timers for a run with up to `parsers` parser threads.
    pub(crate) fn new(parsers: usize) -> Arc<ThreadTimers> {
        let parsers = (0..parsers).map(|number| TimedThread::new(format!("parser {number}"))).collect();
        Arc::new(ThreadTimers {
            reader: TimedThread::new("intake"),
            parsers,
            writer: TimedThread::new("writer"),
        })
    }

    /// Returns the statistics of all threads except the reader.
    pub(crate) fn other_stats(&self) -> impl Iterator<Item = ThreadStats> {
        self.parsers.iter().chain([&self.writer]).filter_map(TimedThread::stats)
    }
}
