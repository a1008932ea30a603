//! Time that the parent spends in each stage: a stage timer for each thread of the pool, and a common account
//! for the threads of the program that call it.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use job::{MonotonicInstant, ParentStats, Stage, StageTimes};
use parking_lot::Mutex;
use sys::{
    clock,
    stage_timer::{StageTimer, TimedThread, clock_read_cost},
};

/// Sampling interval of encodings. Timing each one would take two readings of the clock, which cost more than
/// most encodings.
const SAMPLE_INTERVAL: u32 = 256;

/// Sampling interval of the first encodings, so that the estimate of a short run does not depend on a few
/// samples.
const INITIAL_SAMPLE_INTERVAL: u32 = 16;

/// Number of samples that are taken at the initial interval.
const INITIAL_SAMPLES: u32 = 128;

/// Duration above which the following encodings are all timed.
const LONG_ENCODING: Duration = Duration::from_micros(20);

/// Time accounting of one pool.
pub(crate) struct TimeAccounting {
    enabled: bool,
    threads: Mutex<Vec<Arc<TimedThread>>>,
    pub(crate) callers: Arc<CallerTimes>,
}

/// Time that threads of the program spend in the pool, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct CallerTimes {
    enabled: bool,
    encode: AtomicU64,
    schedule: AtomicU64,
    send: AtomicU64,
    decode_outcome: AtomicU64,
    merge: AtomicU64,
    poll: AtomicU64,
}

thread_local! {
    /// Number of encodings before the next sample.
    static UNTIL_NEXT_SAMPLE: Cell<u32> = const { Cell::new(1) };
    /// Current sampling interval.
    static INTERVAL: Cell<u32> = const { Cell::new(INITIAL_SAMPLE_INTERVAL) };
    /// Number of samples that were taken.
    static SAMPLES: Cell<u32> = const { Cell::new(0) };
}

impl TimeAccounting {
    pub(crate) fn new(enabled: bool) -> TimeAccounting {
        let callers = Arc::new(CallerTimes { enabled, ..CallerTimes::default() });
        TimeAccounting { enabled, threads: Mutex::default(), callers }
    }

    pub(crate) fn enabled(&self) -> bool {
        self.enabled
    }

    /// Starts the stage timer of a thread of the pool. It stops when the returned guard is dropped.
    pub(crate) fn begin_thread(&self, name: &str, stage: Stage) -> TimerGuard {
        let thread = Arc::new(TimedThread::new(name));
        if self.enabled {
            thread.begin(stage);
            self.threads.lock().push(thread.clone());
        }
        TimerGuard(thread)
    }

    pub(crate) fn stats(&self) -> ParentStats {
        let lanes = self.threads.lock().iter().filter_map(|thread| thread.stats()).collect();
        let mut stats = ParentStats::default();
        stats.threads = lanes;
        stats.callers = self.callers.stage_times();
        stats
    }
}

/// Guard of a thread's stage timer. Dropping it stops the timer.
pub(crate) struct TimerGuard(Arc<TimedThread>);

impl TimerGuard {
    pub(crate) fn timer(&self) -> &StageTimer {
        self.0.timer()
    }
}

impl Drop for TimerGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl CallerTimes {
    pub(crate) fn enabled(&self) -> bool {
        self.enabled
    }

    /// Returns the current time, or 0 if accounting is disabled.
    pub(crate) fn now(&self) -> MonotonicInstant {
        if self.enabled { clock::now() } else { MonotonicInstant(0) }
    }

    /// Adds time to a stage in which a thread of the program receives outcomes. Transactions add their own
    /// time.
    pub(crate) fn add(&self, stage: Stage, time: Duration) {
        let stage_times = match stage {
            Stage::DecodeOutcome => &self.decode_outcome,
            Stage::Merge => &self.merge,
            Stage::Poll => &self.poll,
            _ => return,
        };
        stage_times.fetch_add(nanos(time), Relaxed);
    }

    pub(crate) fn add_transaction(&self, schedule: Duration, send: Duration) {
        self.schedule.fetch_add(nanos(schedule), Relaxed);
        self.send.fetch_add(nanos(send), Relaxed);
    }

    /// Records that a job is about to be encoded. Returns the time if this encoding is sampled.
    #[inline]
    pub(crate) fn begin_encoding(&self) -> Option<MonotonicInstant> {
        let left = UNTIL_NEXT_SAMPLE.get();
        if left > 0 {
            UNTIL_NEXT_SAMPLE.set(left - 1);
            return None;
        }
        self.begin_timed()
    }

    /// Kept out of line, because the common path has to stay short.
    #[cold]
    fn begin_timed(&self) -> Option<MonotonicInstant> {
        UNTIL_NEXT_SAMPLE.set(SAMPLE_INTERVAL - 1);
        self.enabled.then(clock::now)
    }

    /// Records that the job was encoded.
    #[inline]
    pub(crate) fn end_encoding(&self, start: Option<MonotonicInstant>) {
        if let Some(start) = start {
            self.end_timed(start);
        }
    }

    #[cold]
    fn end_timed(&self, start: MonotonicInstant) {
        let time = clock::now().since(start).saturating_sub(clock_read_cost());
        // A long encoding is not representative of those that were not timed: the thread may have lost its
        // core. So it counts once, and the next ones are all timed.
        let stands_for = if time > LONG_ENCODING { 1 } else { INTERVAL.get() };
        self.encode.fetch_add(nanos(time) * u64::from(stands_for), Relaxed);
        SAMPLES.set(SAMPLES.get().saturating_add(1));
        let usual = if SAMPLES.get() < INITIAL_SAMPLES { INITIAL_SAMPLE_INTERVAL } else { SAMPLE_INTERVAL };
        INTERVAL.set(if time > LONG_ENCODING { 1 } else { usual });
        UNTIL_NEXT_SAMPLE.set(INTERVAL.get() - 1);
    }

    fn stage_times(&self) -> StageTimes {
        let mut stage_times = StageTimes::default();
        for (stage, time) in [
            (Stage::Encode, &self.encode),
            (Stage::Schedule, &self.schedule),
            (Stage::Send, &self.send),
            (Stage::DecodeOutcome, &self.decode_outcome),
            (Stage::Merge, &self.merge),
            (Stage::Poll, &self.poll),
        ] {
            stage_times.add(stage, Duration::from_nanos(time.load(Relaxed)));
        }
        stage_times
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupted_encoding_counts_once() {
        let callers = CallerTimes { enabled: true, ..CallerTimes::default() };
        let interruption = Duration::from_millis(1);
        // A new thread, because the sampling state is thread-local.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..1000 {
                    let start = callers.begin_encoding();
                    if number == 1 {
                        std::thread::sleep(interruption);
                    }
                    callers.end_encoding(start);
                }
            });
        });
        let encode = callers.stage_times()[Stage::Encode];
        assert!((interruption..50 * interruption).contains(&encode), "{encode:?}");
    }
}
