//! From where jobs gather to the scheduler: who collects them, and when.
//!
//! A pool that is idle is eager: whoever adds a job has it sent at once. Where short jobs come in a stream, a batch for each
//! would cost its submitter more than waiting costs the job: the next worker that runs out of jobs collects what there
//! is, if it is worth a batch, or the clock does after [`FLUSH_DELAY`]; whoever waits for a job does so first. A pool that has
//! enough collects whole blocks only.

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

/// How long a job may wait for company while a worker has nothing to do.
const FLUSH_DELAY: Duration = Duration::from_micros(400);

/// So many jobs are collected for a worker that has others.
const MIN_BATCH: u64 = 128;

impl<J: Job> ProcessShared<J> {
    /// Has what gathers there collected from now on.
    pub(crate) fn register_buffer(&self, buffer: SubmitBuffer<J>) -> Arc<SubmitBuffer<J>> {
        let buffer = Arc::new(buffer);
        let mut state = self.state.lock();
        if !state.sched.is_open() {
            buffer.seal();
        }
        state.buffers.push(buffer.clone());
        buffer
    }

    /// Collects the last of what has gathered there.
    pub(crate) fn unregister_buffer(this: &Arc<ProcessShared<J>>, buffer: &Arc<SubmitBuffer<J>>) {
        ProcessShared::flush(this, buffer);
        this.state.lock().buffers.retain(|other| !Arc::ptr_eq(other, buffer));
    }

    /// Sees to a job that has been added.
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

    /// Hands over what has gathered there.
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

    /// Whether who waits for news may look for it for a moment before it sleeps.
    pub(crate) fn may_spin(&self) -> bool {
        self.may_spin.load(Ordering::Relaxed)
    }

    /// Notes whether the caller goes on while its jobs run, and needs a core for itself all the time.
    pub(crate) fn set_streaming(&self, stream: bool) {
        self.is_streaming.store(stream, Ordering::Relaxed);
    }

    /// Takes no more jobs; those that have gathered are still run.
    pub(crate) fn close(this: &Arc<ProcessShared<J>>) {
        let mut transaction = Transaction::begin(this);
        transaction.state.buffers.iter().for_each(|buffer| buffer.seal());
        transaction.flush_all();
        transaction.apply(Event::Closed);
        transaction.commit();
    }

    /// Cancels the jobs that no worker has: all of them, or those whose outcomes go there.
    pub(crate) fn cancel_waiting(this: &Arc<ProcessShared<J>>, target: Option<&OutcomeTarget<J>>) {
        let mut transaction = Transaction::begin(this);
        transaction.flush_all();
        let unresolved = match target {
            Some(target) => transaction.state.blocks.unresolved_for(target),
            None => JobRange::new(0, u64::MAX).into_iter().collect(),
        };
        // From the back, so that none is started in place of one that has just been cancelled.
        unresolved.into_iter().rev().for_each(|jobs| transaction.apply(Event::Cancelled(jobs)));
        transaction.commit();
    }
}

impl<J: Job> Transaction<'_, J> {
    /// The last step of every turn: lets those who add jobs know how it stands, and collects what a worker could have.
    ///
    /// Who adds a job looks at the flags afterwards, and here they are set before the gathers are looked at: a job is
    /// seen by one of the two.
    pub(super) fn flush_buffers(&mut self) {
        while self.publish_flush_flags() && self.flush_all() {
            self.state.flushed = true;
            self.shared.set_streaming(true);
        }
        self.publish_may_spin();
    }

    /// What the clock does about jobs that wait for company.
    pub(super) fn flush_on_timer(&mut self) {
        self.state.flush_at = None;
        self.shared.flush_scheduled.store(false, Ordering::SeqCst);
        if self.state.sched.has_capacity() && self.flush_all() {
            self.state.flushed = true;
            self.shared.set_streaming(true);
        }
        self.flush_buffers();
        // Who adds jobs all the time need not wake the clock all the time.
        if std::mem::take(&mut self.state.flushed) {
            self.shared.flush_scheduled.store(true, Ordering::SeqCst);
            self.state.flush_at = Some(self.now + FLUSH_DELAY);
        }
    }

    /// Says how it stands; whether what has gathered should be collected.
    fn publish_flush_flags(&self) -> bool {
        let (shared, state) = (self.shared, &*self.state);
        let has_capacity = state.sched.has_capacity();
        let alone = || state.sched.busy() == 0 && !shared.is_streaming.load(Ordering::Relaxed);
        let flush_now = has_capacity && (!state.sched.is_cheap() || alone());
        shared.flush_now.store(flush_now, Ordering::SeqCst);
        shared.has_capacity.store(has_capacity, Ordering::SeqCst);
        if !state.sched.is_open() {
            state.buffers.iter().for_each(|buffer| buffer.seal());
            return true;
        }
        // Of jobs that are short, a few are not worth a batch while others are under way.
        let gathered = || state.buffers.iter().map(|buffer| buffer.count()).sum::<usize>() as u64;
        has_capacity && (flush_now || gathered() >= state.sched.least_batch().min(MIN_BATCH))
    }

    /// Says whether there are cores to spare: beside the workers that are busy, one is the caller's.
    fn publish_may_spin(&self) {
        let (shared, state) = (self.shared, &*self.state);
        let may_spin = state.sched.busy() < shared.cores && !shared.is_streaming.load(Ordering::Relaxed);
        if shared.may_spin.swap(may_spin, Ordering::Relaxed) != may_spin {
            state.workers.values().for_each(|handle| handle.set_may_spin(may_spin));
        }
    }

    /// Collects everywhere, and says whether there was anything.
    fn flush_all(&mut self) -> bool {
        let blocks: Vec<_> = self.state.buffers.iter().flat_map(|buffer| buffer.drain()).collect();
        let any = !blocks.is_empty();
        blocks.into_iter().for_each(|block| self.submit(block, false));
        any
    }
}
