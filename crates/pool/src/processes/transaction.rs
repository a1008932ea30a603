//! A turn at the lock: events are heard and decided on, and what was decided is done when the lock is free again.

use std::sync::Arc;

use job::{Job, MonotonicInstant, Stage, WorkerId};
use parking_lot::MutexGuard;
use sched::Event;
use sys::{
    clock::{self, Heartbeat},
    shared_page::Running,
    stage_timer::StageTimer,
};

use super::{
    block::{Block, Slice},
    effects::{Effect, carry_out, prepare},
    shared::{PoolState, ProcessShared},
};

/// Somebody who has the lock.
pub(super) struct Transaction<'a, J: Job> {
    pub(super) shared: &'a Arc<ProcessShared<J>>,
    pub(super) state: MutexGuard<'a, PoolState<J>>,
    pub(super) now: MonotonicInstant,
    effects: Vec<Effect<J>>,
    time: TransactionTimer<'a>,
}

/// Who keeps the time of a turn.
enum TransactionTimer<'a> {
    /// A thread of the pool, which is in [`Stage::Schedule`].
    Thread(&'a StageTimer),
    /// The common account of those who call, since this moment.
    CallerTimes(MonotonicInstant),
    Off,
}

impl<'a, J: Job> Transaction<'a, J> {
    /// Waits for the lock, on a thread of the program.
    pub(super) fn begin(shared: &'a Arc<ProcessShared<J>>) -> Transaction<'a, J> {
        if !shared.accounting.callers.counts() {
            return Transaction::with(shared, TransactionTimer::Off);
        }
        // Where nothing is waited for, the turn's own time will do.
        if let Some(state) = shared.state.try_lock() {
            let now = clock::now();
            return Transaction {
                shared,
                state,
                now,
                effects: Vec::new(),
                time: TransactionTimer::CallerTimes(now),
            };
        }
        Transaction::with(shared, TransactionTimer::CallerTimes(clock::now()))
    }

    /// Waits for the lock, on a thread of the pool.
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

    /// Tells the scheduler what has happened.
    pub(super) fn apply(&mut self, event: Event) {
        self.note_skipped_time();
        self.decide(event);
        if !self.state.heartbeat.is_running() && self.state.sched.has_limits() {
            self.state.heartbeat.begin_wait(self.now, Heartbeat::PERIOD);
            // While nobody looked it was not for a worker with a job.
            self.state.credit_kernel_kills(self.now);
            // The clock keeps it up.
            self.shared.clock_wakeup.notify_all();
        }
    }

    /// Tells the scheduler that nothing has run for a while, if that is so; returns whether it is.
    pub(super) fn note_skipped_time(&mut self) -> bool {
        let since = self.state.heartbeat.missed_since(self.now);
        if let Some(since) = since {
            self.decide(Event::TimeSkipped { since });
        }
        since.is_some()
    }

    fn decide(&mut self, event: Event) {
        for action in self.state.sched.handle(self.now, event) {
            let effect = prepare(&mut self.state, action, &self.shared.clock_wakeup);
            self.effects.extend(effect);
        }
    }

    /// Takes in a block of jobs that travel together in one batch or not.
    pub(super) fn submit(&mut self, block: Block<J>, together: bool) {
        if let Some(submitted) = self.state.add_block(block, together) {
            self.apply(submitted);
        }
    }

    /// Lets the lock go and does what was decided. What to deliver is given back: only who has received it can.
    pub(super) fn commit(mut self) -> Vec<Slice<J>> {
        self.flush_buffers();
        if self.state.sched.is_finished() {
            self.shared.clock_wakeup.notify_all();
        }
        let Transaction { shared, state, effects, time, .. } = self;
        drop(state);
        if effects.is_empty() {
            return Vec::new();
        }
        let (follow_up, next) = match time {
            TransactionTimer::Off => (carry_out(shared, effects), TransactionTimer::Off),
            TransactionTimer::Thread(timer) => {
                timer.enter(Stage::Send);
                (carry_out(shared, effects), time)
            }
            TransactionTimer::CallerTimes(begun) => {
                let decided = clock::now();
                let follow_up = carry_out(shared, effects);
                let end = clock::now();
                shared.accounting.callers.note_transaction(decided.since(begun), end.since(decided));
                (follow_up, TransactionTimer::CallerTimes(end))
            }
        };
        if !follow_up.running.is_empty() {
            Transaction::with(shared, next).report_recalled(follow_up.running);
        }
        follow_up.to_deliver
    }

    /// Reports the jobs that recalled workers are in to the scheduler.
    fn report_recalled(mut self, recalled: Vec<(WorkerId, Running)>) {
        for (worker, running) in recalled {
            // What it says of batches that it does not have is ignored.
            if let Some((batch, _)) = self.state.sched.batch_of(worker, |batch| running.is_in(batch)) {
                self.apply(Event::TakenBack { worker, batch, index: u64::from(running.index) });
            }
        }
        self.commit();
    }
}
