//! Flush policy: which thread flushes submit buffers to the scheduler, and when.
//!
//! - In an idle pool the producer flushes after each push, so that the job is sent at once.
//! - In a stream of short jobs, a batch for each job would cost the producer more time than a delay costs the
//!   job. The thread that finds that a worker has run out of jobs flushes, if there are enough jobs for a
//!   batch; otherwise the clock does after [`FLUSH_DELAY`]. A thread that waits for a job flushes before it
//!   waits.
//! - If all workers have enough jobs, buffers are flushed only when they are full.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use job::{Job, JobRange};
use sched::Event;
use sys::clock;

use super::{
    block::OutcomeTarget,
    shared::ProcessShared,
    submit_buffer::{FlushHint, SubmitBuffer},
    transaction::Transaction,
};

/// Maximum time that a job is delayed while a worker has capacity, so that it can share a batch with later
/// ones.
const FLUSH_DELAY: Duration = Duration::from_micros(400);

/// Number of buffered jobs that is enough for a batch while other jobs are in flight.
const MIN_BATCH: u64 = 128;

impl<J: Job> ProcessShared<J> {
    /// Registers a buffer to be flushed from now on. It is sealed if the pool is closed.
    pub(crate) fn register_buffer(&self, buffer: SubmitBuffer<J>) -> Arc<SubmitBuffer<J>> {
        let buffer = Arc::new(buffer);
        let mut state = self.state.lock();
        if !state.sched.is_open() {
            buffer.seal();
        }
        state.buffers.push(buffer.clone());
        buffer
    }

    /// Flushes the buffer for the last time and unregisters it.
    pub(crate) fn unregister_buffer(this: &Arc<ProcessShared<J>>, buffer: &Arc<SubmitBuffer<J>>) {
        ProcessShared::flush(this, buffer);
        this.state.lock().buffers.retain(|other| !Arc::ptr_eq(other, buffer));
    }

    /// Flushes the buffer after a push, or schedules a flush, if needed.
    pub(crate) fn on_push(this: &Arc<ProcessShared<J>>, buffer: &SubmitBuffer<J>, hint: FlushHint) {
        if hint == FlushHint::Now || this.flush_now.load(Ordering::SeqCst) {
            ProcessShared::flush(this, buffer);
        } else if this.has_capacity.load(Ordering::SeqCst)
            && !this.flush_scheduled.swap(true, Ordering::SeqCst)
        {
            this.state.lock().flush_at = Some(clock::now() + FLUSH_DELAY);
            this.clock_wakeup.notify_all();
        }
    }

    /// Moves all jobs of the buffer to the scheduler.
    pub(crate) fn flush(this: &Arc<ProcessShared<J>>, buffer: &SubmitBuffer<J>) {
        let mut transaction = Transaction::begin(this);
        for block in buffer.drain() {
            transaction.submit(block, false);
        }
        transaction.commit();
    }

    pub(crate) fn has_capacity(&self) -> bool {
        self.has_capacity.load(Ordering::SeqCst)
    }

    pub(crate) fn sufficient_in_flight(&self) -> usize {
        usize::try_from(self.state.lock().sched.enough()).unwrap_or(usize::MAX)
    }

    /// Returns whether a thread may spin for a moment before it sleeps.
    pub(crate) fn may_spin(&self) -> bool {
        self.may_spin.load(Ordering::Relaxed)
    }

    /// Sets whether the caller goes on submitting while its jobs run, and so needs a core of its own all the
    /// time.
    pub(crate) fn set_streaming(&self, stream: bool) {
        self.is_streaming.store(stream, Ordering::Relaxed);
    }

    /// Stops accepting jobs; buffered ones still run.
    pub(crate) fn close(this: &Arc<ProcessShared<J>>) {
        let mut transaction = Transaction::begin(this);
        transaction.state.buffers.iter().for_each(|buffer| buffer.seal());
        transaction.flush_all();
        transaction.apply(Event::Closed);
        transaction.commit();
    }

    /// Cancels the jobs that are not assigned to a worker: all of them, or those whose outcomes go to
    /// `target`.
    pub(crate) fn cancel_waiting(this: &Arc<ProcessShared<J>>, target: Option<&OutcomeTarget<J>>) {
        let mut transaction = Transaction::begin(this);
        transaction.flush_all();
        let unresolved = match target {
            Some(target) => transaction.state.blocks.unresolved_for(target),
            None => JobRange::new(0, u64::MAX).into_iter().collect(),
        };
        // In reverse, so that no job is started in place of one that has just been cancelled.
        unresolved.into_iter().rev().for_each(|jobs| transaction.apply(Event::Cancelled(jobs)));
        transaction.commit();
    }
}

impl<J: Job> Transaction<'_, J> {
    /// Publishes the flush flags to the producers, and flushes the buffers if the workers have capacity. The
    /// last step of every transaction.
    ///
    /// A producer reads the flags after it has pushed a job, and this function writes them before it reads
    /// the buffers. So each job is seen by at least one of the two.
    pub(super) fn flush_buffers(&mut self) {
        while self.publish_flush_flags() && self.flush_all() {
            self.state.flushed = true;
            self.shared.set_streaming(true);
        }
        self.publish_may_spin();
    }

    /// Flushes jobs that were delayed by [`FLUSH_DELAY`]. Called by the clock.
    pub(super) fn flush_on_timer(&mut self) {
        self.state.flush_at = None;
        self.shared.flush_scheduled.store(false, Ordering::SeqCst);
        if self.state.sched.has_capacity() && self.flush_all() {
            self.state.flushed = true;
            self.shared.set_streaming(true);
        }
        self.flush_buffers();
        // A continuous producer need not wake the clock for each batch.
        if std::mem::take(&mut self.state.flushed) {
            self.shared.flush_scheduled.store(true, Ordering::SeqCst);
            self.state.flush_at = Some(self.now + FLUSH_DELAY);
        }
    }

    /// Publishes the flush flags; returns whether buffers should be flushed now.
    fn publish_flush_flags(&self) -> bool {
        let (shared, state) = (self.shared, &*self.state);
        let has_capacity = state.sched.has_capacity();
        let is_idle = || state.sched.busy() == 0 && !shared.is_streaming.load(Ordering::Relaxed);
        let flush_now = has_capacity && (!state.sched.is_cheap() || is_idle());
        shared.flush_now.store(flush_now, Ordering::SeqCst);
        shared.has_capacity.store(has_capacity, Ordering::SeqCst);
        if !state.sched.is_open() {
            state.buffers.iter().for_each(|buffer| buffer.seal());
            return true;
        }
        // A few short jobs are not worth a batch while others are in flight.
        let buffered = || state.buffers.iter().map(|buffer| buffer.count()).sum::<usize>() as u64;
        has_capacity && (flush_now || buffered() >= state.sched.least_batch().min(MIN_BATCH))
    }

    /// Publishes whether there are idle cores: one is reserved for the caller, in addition to those of the
    /// busy workers.
    fn publish_may_spin(&self) {
        let (shared, state) = (self.shared, &*self.state);
        let may_spin = state.sched.busy() < shared.cores && !shared.is_streaming.load(Ordering::Relaxed);
        if shared.may_spin.swap(may_spin, Ordering::Relaxed) != may_spin {
            state.workers.values().for_each(|handle| handle.set_may_spin(may_spin));
        }
    }

    /// Flushes all buffers; returns whether there were any jobs.
    fn flush_all(&mut self) -> bool {
        let blocks: Vec<_> = self.state.buffers.iter().flat_map(|buffer| buffer.drain()).collect();
        let any = !blocks.is_empty();
        blocks.into_iter().for_each(|block| self.submit(block, false));
        any
    }
}
