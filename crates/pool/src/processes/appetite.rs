//! From where jobs gather to the scheduler: who collects them, and when.
//!
//! A pool that is idle is eager: whoever adds a job has it sent at once. While short jobs are under way, a frame for every
//! one that is added would cost its submitter more than waiting costs the job: the next worker that runs out of
//! jobs collects what there is, or the clock does after [`PATIENCE`]. A pool that has enough collects whole blocks only.

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
const PATIENCE: Duration = Duration::from_micros(100);

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

    /// The last step of every decision: lets those who add jobs know how it stands, and collects what a worker could have.
    ///
    /// Who adds a job looks at the flags afterwards, and here they are set before the gathers are looked at: a job is
    /// seen by one of the two.
    pub(super) fn feed(&self, state: &mut State<J>, now: Moment, effects: &mut Vec<Effect<J>>) {
        loop {
            let open = state.sched.is_open();
            let hungry = state.sched.is_hungry();
            self.eager.store(state.sched.is_eager(), Ordering::SeqCst);
            self.hungry.store(hungry, Ordering::SeqCst);
            if !open {
                state.gathers.iter().for_each(|gather| gather.seal());
            }
            if (open && !hungry) || !self.collect_all(state, now, effects) {
                return;
            }
            state.collected = true;
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
