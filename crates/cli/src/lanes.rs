//! The time accounting of the command line's own threads.

use std::sync::Arc;

use pool::ThreadStats;
use sys::stage_timer::TimedThread;

/// The threads of a run besides those of the executor. One that is not started counts nothing.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// Reads jobs, passes them on, and waits for room.
    pub(crate) intake: TimedThread,
    /// Parse what has been read, where there are cores to spare.
    pub(crate) parsers: Vec<TimedThread>,
    /// Takes lines out of the collector, and waits for some.
    pub(crate) writer: TimedThread,
}

impl Lanes {
    /// Lanes for a run with up to `parsers` parser threads.
    pub(crate) fn new(parsers: usize) -> Arc<Lanes> {
        let parsers = (0..parsers).map(|number| TimedThread::new(format!("parser {number}"))).collect();
        Arc::new(Lanes { intake: TimedThread::new("intake"), parsers, writer: TimedThread::new("writer") })
    }

    /// What the threads besides the intake have done.
    pub(crate) fn figures_of_others(&self) -> impl Iterator<Item = ThreadStats> {
        self.parsers.iter().chain([&self.writer]).filter_map(TimedThread::stats)
    }
}
