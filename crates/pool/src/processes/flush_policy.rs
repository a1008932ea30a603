//! Flush policy: which thread flushes submit buffers to the scheduler, and when.
//!
//! - In an idle pool the producer flushes after each push, so that the job is sent at once.
//! - In a stream of short jobs, a batch for each job would cost the producer more time than a delay costs the
//!   job. The thread that finds that a worker has run out of jobs flushes, if there are enough jobs for a
//!   batch; otherwise the clock does after [`FLUSH_DELAY`]. A thread that waits for a job flushes before it
//!   waits.
//! - If all workers have enough jobs, buffers are flushed only when they are full.
//! - A job that may overtake others, because its priority is higher than the lowest one so far, is flushed at
//!   once: the scheduler can only choose among jobs that it knows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    time::Duration,
};

use job::Job;
use sched::Sched;

use super::submit_buffer::SubmitBuffer;

/// Maximum time that a job is delayed while a worker has capacity, so that it can share a batch with later
/// ones.
pub(super) const FLUSH_DELAY: Duration = Duration::from_micros(400);

/// Number of buffered jobs that is enough for a batch while other jobs are in flight.
const MIN_BATCH: u64 = 128;

/// Flags that are read without the pool's lock: by producers after each push, and by threads that may spin.
/// Written under the lock, except `is_streaming`, `flush_scheduled` and `lowest_priority`.
pub(super) struct FlushFlags {
    /// Whether a worker has capacity for more jobs.
    has_capacity: AtomicBool,
    /// Whether producers should flush after each push.
    flush_now: AtomicBool,
    /// Whether there are idle cores, so that threads and workers may spin for a moment before they sleep.
    may_spin: AtomicBool,
    /// Whether the producer goes on submitting while its jobs run; `false` if it waits for each job.
    is_streaming: AtomicBool,
    /// Whether the clock will flush the buffers.
    flush_scheduled: AtomicBool,
    /// Lowest priority of any job so far, at most 0.
    lowest_priority: AtomicI32,
}

impl FlushFlags {
    /// Returns the flags of an idle pool.
    pub(super) fn new() -> FlushFlags {
        FlushFlags {
            has_capacity: AtomicBool::new(true),
            flush_now: AtomicBool::new(true),
            may_spin: AtomicBool::new(false),
            is_streaming: AtomicBool::new(false),
            flush_scheduled: AtomicBool::new(false),
            lowest_priority: AtomicI32::new(0),
        }
    }

    /// Returns whether a worker has capacity for more jobs.
    #[inline]
    pub(super) fn has_capacity(&self) -> bool {
        self.has_capacity.load(Ordering::SeqCst)
    }

    /// Returns whether a producer should flush after a push.
    #[inline]
    pub(super) fn flush_now(&self) -> bool {
        self.flush_now.load(Ordering::SeqCst)
    }

    /// Records the priority of a job that was pushed; returns whether the job may overtake others.
    #[inline]
    pub(super) fn may_overtake(&self, priority: i32) -> bool {
        if priority < 0 {
            self.lowest_priority.fetch_min(priority, Ordering::Relaxed);
        }
        priority > self.lowest_priority.load(Ordering::Relaxed)
    }

    /// Sets whether the clock will flush the buffers; returns the previous value.
    #[inline]
    pub(super) fn set_flush_scheduled(&self, is_scheduled: bool) -> bool {
        self.flush_scheduled.swap(is_scheduled, Ordering::SeqCst)
    }

    /// Returns whether a thread may spin for a moment before it sleeps.
    #[inline]
    pub(super) fn may_spin(&self) -> bool {
        self.may_spin.load(Ordering::Relaxed)
    }

    /// Sets whether the caller goes on submitting while its jobs run, and so needs a core of its own all the
    /// time.
    #[inline]
    pub(super) fn set_streaming(&self, is_streaming: bool) {
        self.is_streaming.store(is_streaming, Ordering::Relaxed);
    }

    /// Publishes the flush flags; returns whether buffers should be flushed now.
    pub(super) fn publish<J: Job>(&self, sched: &Sched, buffers: &[Arc<SubmitBuffer<J>>]) -> bool {
        let has_capacity = sched.has_capacity();
        let is_idle = || sched.busy_workers() == 0 && !self.is_streaming.load(Ordering::Relaxed);
        let flush_now = has_capacity && (!sched.is_cheap() || is_idle());
        self.flush_now.store(flush_now, Ordering::SeqCst);
        self.has_capacity.store(has_capacity, Ordering::SeqCst);
        if !sched.is_open() {
            buffers.iter().for_each(|buffer| buffer.seal());
            return true;
        }
        // A few short jobs are not worth a batch while others are in flight.
        let buffered = || buffers.iter().map(|buffer| buffer.count()).sum::<usize>() as u64;
        has_capacity && (flush_now || buffered() >= sched.min_batch_size().min(MIN_BATCH))
    }

    /// Publishes whether there are idle cores: one is reserved for the caller, in addition to those of the
    /// busy workers. Returns the new value if it has changed.
    pub(super) fn publish_may_spin(&self, sched: &Sched, cores: usize) -> Option<bool> {
        let may_spin = sched.busy_workers() < cores && !self.is_streaming.load(Ordering::Relaxed);
        (self.may_spin.swap(may_spin, Ordering::Relaxed) != may_spin).then_some(may_spin)
    }
}
