//! From where jobs gather to the scheduler: who collects them, and when.
//!
//! A pool that is idle is eager: whoever adds a job has it sent at once. Where short jobs come in a stream, a frame for each
//! would cost its submitter more than waiting costs the job: the next worker that runs out of jobs collects what there
//! is, if it is worth a frame, or the clock does after [`PATIENCE`]; whoever waits for a job does so first. A pool that has
//! enough collects whole blocks only.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use job::{Job, JobRange, Moment};
use sched::Event;
use sys::clock;

use super::{
    block::Exit,
    effects::{Effect, carry_out},
    gather::{Added, Gather},
    shared::{Shared, State},
};

/// How long a job may wait for company while a worker has nothing to do.
const PATIENCE: Duration = Duration::from_micros(200);

/// So many jobs are collected for a worker that has others.
const WORTH: u64 = 128;

impl<J: Job> Shared<J> {
    /// Has what gathers there collected from now on.
    pub(crate) fn open_gather(&self, gather: Gather<J>) -> Arc<Gather<J>> {
        let gather = Arc::new(gather);
        let mut state = self.state.lock();
        if !state.sched.is_open() {
            gather.seal();
        }
        state.gathers.push(gather.clone());
        gather
    }

    /// Collects the last of what has gathered there.
    pub(crate) fn close_gather(this: &Arc<Shared<J>>, gather: &Arc<Gather<J>>) {
        Shared::collect(this, gather);
        this.state.lock().gathers.retain(|other| !Arc::ptr_eq(other, gather));
    }

    /// Sees to a job that has been added.
    pub(crate) fn added(this: &Arc<Shared<J>>, gather: &Gather<J>, added: Added) {
        if added == Added::Enough || this.eager.load(Ordering::SeqCst) {
            Shared::collect(this, gather);
        } else if this.hungry.load(Ordering::SeqCst) && !this.armed.swap(true, Ordering::SeqCst) {
            this.state.lock().collect_at = Some(clock::now() + PATIENCE);
            this.clock_news.notify_all();
        }
    }

    /// Hands over what has gathered there.
    pub(crate) fn collect(this: &Arc<Shared<J>>, gather: &Gather<J>) {
        let mut state = this.state.lock();
        let (now, mut effects) = (clock::now(), Vec::new());
        for block in gather.collect() {
            if let Some(submitted) = state.take_in(block, false) {
                this.handle(&mut state, now, submitted, &mut effects);
            }
        }
        this.feed(&mut state, now, &mut effects);
        drop(state);
        carry_out(this, effects);
    }

    pub(crate) fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::SeqCst)
    }

    /// Whether who waits for news may look for it for a moment before it sleeps.
    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// The last step of every decision: lets those who add jobs know how it stands, and collects what a worker could have.
    ///
    /// Who adds a job looks at the flags afterwards, and here they are set before the gathers are looked at: a job is
    /// seen by one of the two.
    pub(super) fn feed(&self, state: &mut State<J>, now: Moment, effects: &mut Vec<Effect<J>>) {
        while self.note_appetite(state) && self.collect_all(state, now, effects) {
            state.collected = true;
            self.expect_a_stream(true);
        }
        self.note_calm(state);
    }

    /// Says how it stands; whether what has gathered should be collected.
    fn note_appetite(&self, state: &State<J>) -> bool {
        let hungry = state.sched.is_hungry();
        let alone = || state.sched.busy() == 0 && !self.stream.load(Ordering::Relaxed);
        let eager = hungry && (!state.sched.is_cheap() || alone());
        self.eager.store(eager, Ordering::SeqCst);
        self.hungry.store(hungry, Ordering::SeqCst);
        if !state.sched.is_open() {
            state.gathers.iter().for_each(|gather| gather.seal());
            return true;
        }
        // Of jobs that are short, a few are not worth a frame while others are under way.
        let worth = || state.gathers.iter().map(|gather| gather.count()).sum::<usize>() as u64;
        hungry && (eager || worth() >= state.sched.least_frame().min(WORTH))
    }

    /// Notes whether the caller goes on while its jobs run, and needs a core for itself all the time.
    pub(crate) fn expect_a_stream(&self, stream: bool) {
        self.stream.store(stream, Ordering::Relaxed);
    }

    /// Says whether there are cores to spare: beside the workers that are busy, one is the caller's.
    fn note_calm(&self, state: &State<J>) {
        let calm = state.sched.busy() < self.cores && !self.stream.load(Ordering::Relaxed);
        if self.calm.swap(calm, Ordering::Relaxed) != calm {
            state.workers.values().for_each(|handle| handle.set_calm(calm));
        }
    }

    /// Collects everywhere, and says whether there was anything.
    fn collect_all(&self, state: &mut State<J>, now: Moment, effects: &mut Vec<Effect<J>>) -> bool {
        let blocks: Vec<_> = state.gathers.iter().flat_map(|gather| gather.collect()).collect();
        let any = !blocks.is_empty();
        for block in blocks {
            if let Some(submitted) = state.take_in(block, false) {
                self.handle(state, now, submitted, effects);
            }
        }
        any
    }

    /// What the clock does about jobs that wait for company.
    pub(crate) fn collect_patiently(&self, state: &mut State<J>, now: Moment) -> Vec<Effect<J>> {
        let mut effects = Vec::new();
        state.collect_at = None;
        self.armed.store(false, Ordering::SeqCst);
        if state.sched.is_hungry() && self.collect_all(state, now, &mut effects) {
            state.collected = true;
            self.expect_a_stream(true);
        }
        self.feed(state, now, &mut effects);
        // Who adds jobs all the time need not wake the clock all the time.
        if std::mem::take(&mut state.collected) {
            self.armed.store(true, Ordering::SeqCst);
            state.collect_at = Some(now + PATIENCE);
        }
        effects
    }

    /// Takes no more jobs; those that have gathered are still run.
    pub(crate) fn close(this: &Arc<Shared<J>>) {
        let mut state = this.state.lock();
        let (now, mut effects) = (clock::now(), Vec::new());
        state.gathers.iter().for_each(|gather| gather.seal());
        this.collect_all(&mut state, now, &mut effects);
        effects.extend(this.decide_locked(&mut state, now, Event::Closed));
        drop(state);
        carry_out(this, effects);
    }

    /// Cancels the jobs that no worker has: all of them, or those whose outcomes go there.
    pub(crate) fn cancel_waiting(this: &Arc<Shared<J>>, exit: Option<&Exit<J>>) {
        let mut state = this.state.lock();
        let (now, mut effects) = (clock::now(), Vec::new());
        this.collect_all(&mut state, now, &mut effects);
        let unresolved = match exit {
            Some(exit) => state.blocks.on_the_way_to(exit),
            None => JobRange::new(0, u64::MAX).into_iter().collect(),
        };
        // From the back, so that none is started in place of one that has just been cancelled.
        for jobs in unresolved.into_iter().rev() {
            this.handle(&mut state, now, Event::Cancelled(jobs), &mut effects);
        }
        this.feed(&mut state, now, &mut effects);
        drop(state);
        carry_out(this, effects);
    }
}
