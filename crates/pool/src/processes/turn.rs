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
    shared::{Shared, State},
};

/// Somebody who has the lock.
pub(super) struct Turn<'a, J: Job> {
    pub(super) shared: &'a Arc<Shared<J>>,
    pub(super) state: MutexGuard<'a, State<J>>,
    pub(super) now: MonotonicInstant,
    effects: Vec<Effect<J>>,
    time: Time<'a>,
}

/// Who keeps the time of a turn.
enum Time<'a> {
    /// A thread of the pool, which is in [`Stage::Schedule`].
    StageTimer(&'a StageTimer),
    /// The common account of those who call, since this moment.
    Callers(MonotonicInstant),
    Nobody,
}

impl<'a, J: Job> Turn<'a, J> {
    /// Waits for the lock, on a thread of the program.
    pub(super) fn begin(shared: &'a Arc<Shared<J>>) -> Turn<'a, J> {
        if !shared.ledger.callers.counts() {
            return Turn::with(shared, Time::Nobody);
        }
        // Where nothing is waited for, the turn's own time will do.
        if let Some(state) = shared.state.try_lock() {
            let now = clock::now();
            return Turn { shared, state, now, effects: Vec::new(), time: Time::Callers(now) };
        }
        Turn::with(shared, Time::Callers(clock::now()))
    }

    /// Waits for the lock, on a thread of the pool.
    pub(super) fn on(lane: &'a StageTimer, shared: &'a Arc<Shared<J>>) -> Turn<'a, J> {
        Turn::with(shared, Time::StageTimer(lane))
    }

    fn with(shared: &'a Arc<Shared<J>>, time: Time<'a>) -> Turn<'a, J> {
        let state = shared.state.lock();
        Turn { shared, state, now: clock::now(), effects: Vec::new(), time }
    }

    /// Tells the scheduler what has happened.
    pub(super) fn hear(&mut self, event: Event) {
        self.note_skipped_time();
        self.decide(event);
        if !self.state.heartbeat.is_running() && self.state.sched.has_limits() {
            self.state.heartbeat.begin_wait(self.now, Heartbeat::PERIOD);
            // While nobody looked it was not for a worker with a job.
            self.state.credit_kernel_kills(self.now);
            // The clock keeps it up.
            self.shared.clock_news.notify_all();
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
            let effect = prepare(&mut self.state, action, &self.shared.clock_news);
            self.effects.extend(effect);
        }
    }

    /// Takes in a block of jobs that travel together in one batch or not.
    pub(super) fn take_in(&mut self, block: Block<J>, together: bool) {
        if let Some(submitted) = self.state.take_in(block, together) {
            self.hear(submitted);
        }
    }

    /// Lets the lock go and does what was decided. What to deliver is given back: only who has received it can.
    pub(super) fn end(mut self) -> Vec<Slice<J>> {
        self.feed();
        if self.state.sched.is_finished() {
            self.shared.clock_news.notify_all();
        }
        let Turn { shared, state, effects, time, .. } = self;
        drop(state);
        if effects.is_empty() {
            return Vec::new();
        }
        let (carried, next) = match time {
            Time::Nobody => (carry_out(shared, effects), Time::Nobody),
            Time::StageTimer(lane) => {
                lane.enter(Stage::Send);
                (carry_out(shared, effects), time)
            }
            Time::Callers(begun) => {
                let decided = clock::now();
                let carried = carry_out(shared, effects);
                let end = clock::now();
                shared.ledger.callers.note_turn(decided.since(begun), end.since(decided));
                (carried, Time::Callers(end))
            }
        };
        if !carried.begun.is_empty() {
            Turn::with(shared, next).take_back(carried.begun);
        }
        carried.delivered
    }

    /// Reports the jobs that recalled workers are in to the scheduler.
    fn take_back(mut self, begun: Vec<(WorkerId, Running)>) {
        for (worker, running) in begun {
            // What it says of batches that it does not have is ignored.
            if let Some((batch, _)) = self.state.sched.batch_of(worker, |batch| running.is_in(batch)) {
                self.hear(Event::TakenBack { worker, batch, index: u64::from(running.index) });
            }
        }
        self.end();
    }
}
