//! Transaction: events that are applied under one acquisition of the pool's lock. The resulting actions are
//! carried out after the lock is released.

use std::sync::Arc;

use job::{Job, MonotonicInstant, Stage, WorkerId};
use parking_lot::MutexGuard;
use sched::{Event, StartFailure};
use sys::{
    clock::{self, Heartbeat},
    shared_page::Running,
    stage_timer::StageTimer,
};

use super::{
    block::{Block, Slice},
    effects::{Effect, FailedThread, carry_out, prepare},
    flush_policy::FLUSH_DELAY,
    handle::Handle,
    shared::{PoolState, ProcessShared},
};
use crate::{
    PoolEvent, SubmitError,
    pressure::{Granted, Permit},
};

/// Holder of the pool's lock. [`commit`](Transaction::commit) releases it.
pub(super) struct Transaction<'a, J: Job> {
    pub(super) shared: &'a Arc<ProcessShared<J>>,
    pub(super) state: MutexGuard<'a, PoolState<J>>,
    pub(super) now: MonotonicInstant,
    effects: Vec<Effect<J>>,
    time: TransactionTimer<'a>,
}

/// Timer that a transaction's time is charged to.
enum TransactionTimer<'a> {
    /// Timer of a thread of the pool, which is in [`Stage::Schedule`].
    Thread(&'a StageTimer),
    /// Common account of the program's threads, since this moment.
    Caller(MonotonicInstant),
    Off,
}

impl<'a, J: Job> Transaction<'a, J> {
    /// Waits for the lock on a thread of the program.
    pub(super) fn begin(shared: &'a Arc<ProcessShared<J>>) -> Transaction<'a, J> {
        if !shared.accounting.callers.enabled() {
            return Transaction::with(shared, TransactionTimer::Off);
        }
        // Without a wait for the lock, one reading of the clock serves as start and as current time.
        if let Some(state) = shared.state.try_lock() {
            let now = clock::now();
            return Transaction {
                shared,
                state,
                now,
                effects: Vec::new(),
                time: TransactionTimer::Caller(now),
            };
        }
        Transaction::with(shared, TransactionTimer::Caller(clock::now()))
    }

    /// Waits for the lock on a thread of the pool.
    pub(super) fn begin_timed(
        timer: &'a StageTimer,
        shared: &'a Arc<ProcessShared<J>>,
    ) -> Transaction<'a, J> {
        Transaction::with(shared, TransactionTimer::Thread(timer))
    }

    fn with(shared: &'a Arc<ProcessShared<J>>, time: TransactionTimer<'a>) -> Transaction<'a, J> {
        let state = shared.state.lock();
        Transaction { shared, state, now: clock::now(), effects: Vec::new(), time }
    }

    /// Passes an event to the scheduler and collects the effects of its actions.
    pub(super) fn apply(&mut self, event: Event) {
        self.note_skipped_time();
        self.decide(event);
        if !self.state.heartbeat.is_running() && self.state.sched.has_limits() {
            self.state.heartbeat.begin_wait(self.now, Heartbeat::PERIOD);
            // Out-of-memory kills before this moment did not hit a worker with a job.
            self.state.attribute_oom_kills(self.now);
            // The clock keeps the heartbeat going.
            self.shared.clock_wakeup.notify_all();
        }
    }

    /// Reports to the scheduler if this process was not running for a while; returns whether that is so.
    pub(super) fn note_skipped_time(&mut self) -> bool {
        let since = self.state.heartbeat.missed_since(self.now);
        if let Some(since) = since {
            self.decide(Event::TimeSkipped { since });
        }
        since.is_some()
    }

    fn decide(&mut self, event: Event) {
        for action in self.state.sched.handle(self.now, event) {
            let effect = prepare(&mut self.state, action, self.shared);
            self.effects.extend(effect);
        }
    }

    /// Adds a block of jobs, as one batch if `together`.
    pub(super) fn submit(&mut self, block: Block<J>, together: bool) {
        if let Some(submitted) = self.state.add_block(block, together) {
            self.apply(submitted);
        }
    }

    /// Flushes the buffers, releases the lock and carries out the actions. Returns the jobs whose outcomes
    /// the caller has received and now has to deliver.
    pub(super) fn commit(mut self) -> Vec<Slice<J>> {
        self.flush_buffers();
        if self.state.sched.is_finished() {
            self.shared.clock_wakeup.notify_all();
        }
        let granted = self.shared.gate.as_ref().map(|gate| self.state.update_gate(gate));
        let Transaction { shared, state, effects, time, .. } = self;
        drop(state);
        granted.into_iter().for_each(Granted::wake);
        if effects.is_empty() {
            return Vec::new();
        }
        let (follow_up, next) = match time {
            TransactionTimer::Off => {
                (carry_out(shared, effects, report_failed_thread), TransactionTimer::Off)
            }
            TransactionTimer::Thread(timer) => {
                timer.enter(Stage::Send);
                (carry_out(shared, effects, report_failed_thread), time)
            }
            TransactionTimer::Caller(begun) => {
                let decided = clock::now();
                let follow_up = carry_out(shared, effects, report_failed_thread);
                let end = clock::now();
                shared.accounting.callers.add_transaction(decided.since(begun), end.since(decided));
                (follow_up, TransactionTimer::Caller(end))
            }
        };
        if !follow_up.recalled.is_empty() {
            Transaction::with(shared, next).report_recalled(follow_up.recalled);
        }
        follow_up.to_deliver
    }

    /// Publishes the flush flags to the producers, and flushes the buffers if the workers have capacity. The
    /// last step of every transaction.
    ///
    /// A producer reads the flags after it has pushed a job, and `FlushFlags::publish` writes them before it
    /// reads the buffers. So each job is seen by at least one of the two.
    fn flush_buffers(&mut self) {
        while self.shared.flush_flags.publish(&self.state.sched, &self.state.buffers) && self.flush_all() {
            self.state.flushed = true;
            self.shared.flush_flags.set_streaming(true);
        }
        self.schedule_flush();
        if let Some(may_spin) = self.shared.flush_flags.publish_may_spin(&self.state.sched, self.shared.cores)
        {
            self.state.workers.values().for_each(|handle| handle.set_may_spin(may_spin));
        }
    }

    /// Has the clock flush jobs that are too few for a batch, now that a worker has capacity: their producer
    /// may have pushed the last of them before, and need not wait for them in the pool.
    fn schedule_flush(&mut self) {
        let flags = &self.shared.flush_flags;
        let is_due = flags.has_capacity() && self.state.buffers.iter().any(|buffer| buffer.count() > 0);
        if is_due && !flags.set_flush_scheduled(true) {
            self.state.flush_at = Some(self.now + FLUSH_DELAY);
            self.shared.clock_wakeup.notify_all();
        }
    }

    /// Flushes jobs that were delayed by [`FLUSH_DELAY`]. Called by the clock.
    pub(super) fn flush_on_timer(&mut self) {
        self.state.flush_at = None;
        self.shared.flush_flags.set_flush_scheduled(false);
        if self.state.sched.has_capacity() && self.flush_all() {
            self.state.flushed = true;
            self.shared.flush_flags.set_streaming(true);
        }
        self.flush_buffers();
        // A continuous producer need not wake the clock for each batch.
        if std::mem::take(&mut self.state.flushed) {
            self.shared.flush_flags.set_flush_scheduled(true);
            self.state.flush_at = Some(self.now + FLUSH_DELAY);
        }
    }

    /// Flushes all buffers; returns whether there were any jobs.
    pub(super) fn flush_all(&mut self) -> bool {
        let blocks: Vec<_> = self.state.buffers.iter().flat_map(|buffer| buffer.drain()).collect();
        let any = !blocks.is_empty();
        blocks.into_iter().for_each(|block| self.submit(block, false));
        any
    }

    /// Reports to the scheduler which jobs the recalled workers were running.
    fn report_recalled(mut self, recalled: Vec<(WorkerId, Running)>) {
        for (worker, running) in recalled {
            // A job of a batch that the worker no longer has is ignored.
            if let Some((batch, _)) = self.state.sched.find_batch(worker, |batch| running.belongs_to(batch)) {
                self.apply(Event::RecallReply { worker, batch, index: u64::from(running.index) });
            }
        }
        self.commit();
    }
}

/// Passes an event to the scheduler and carries out its actions.
pub(super) fn apply<J: Job>(shared: &Arc<ProcessShared<J>>, event: Event) {
    let mut transaction = Transaction::begin(shared);
    transaction.apply(event);
    transaction.commit();
}

/// Submits a block of jobs, as one batch if `together`. If the pool is closed, they are resolved as
/// cancelled.
pub(super) fn submit_block<J: Job>(shared: &Arc<ProcessShared<J>>, block: Block<J>, together: bool) {
    let mut transaction = Transaction::begin(shared);
    transaction.submit(block, together);
    transaction.commit();
}

/// Submits a block of jobs like [`submit_block`], but fails if the pool is closed or broken.
pub(super) fn try_submit_block<J: Job>(
    shared: &Arc<ProcessShared<J>>,
    block: Block<J>,
    together: bool,
    permit: Option<Permit>,
) -> Result<(), SubmitError> {
    let mut transaction = Transaction::begin(shared);
    if let Some(refused) = transaction.state.submit_error() {
        drop(transaction);
        return Err(refused);
    }
    let granted = permit.map(|permit| permit.use_for(block.tags.len(), block.entries.bytes()));
    transaction.submit(block, together);
    transaction.commit();
    granted.into_iter().for_each(Granted::wake);
    Ok(())
}

/// Reports that a thread of the pool could not be started.
fn report_failed_thread<J: Job>(shared: &Arc<ProcessShared<J>>, failed: FailedThread) {
    match failed {
        FailedThread::Supervisor(handle, error) => {
            let cause = format!("cannot start the supervisor thread: {error}");
            report_start_failure(shared, &handle, StartFailure::Transient, &cause, || {
                Transaction::begin(shared)
            });
        }
        FailedThread::Clock(error) => {
            let mut transaction = Transaction::begin(shared);
            transaction.state.clock_is_running = false;
            transaction.state.note_cause(&format!("cannot start the clock thread: {error}"));
            transaction.apply(Event::ResourceLost);
            transaction.commit();
        }
    }
}

/// Reports that a worker could not be started.
pub(super) fn report_start_failure<'a, J: Job>(
    shared: &ProcessShared<J>,
    handle: &Handle,
    failure: StartFailure,
    cause: &str,
    transaction: impl FnOnce() -> Transaction<'a, J>,
) {
    let worker = handle.id;
    shared.observers.notify(|| PoolEvent::WorkerStartFailed {
        worker,
        pid: handle.pid(),
        cause: cause.into(),
        at: clock::now(),
    });
    let mut transaction = transaction();
    transaction.state.note_cause(cause);
    transaction.state.workers.remove(&worker);
    transaction.apply(Event::StartFailed { worker, failure });
    transaction.commit();
}
