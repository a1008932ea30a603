//! From where jobs gather to the scheduler: who collects them, and when.
//!
//! A pool that is idle is eager: whoever adds a job has it sent at once. Where short jobs come in a stream, a batch for each
//! would cost its submitter more than waiting costs the job: the next worker that runs out of jobs collects what there
//! is, if it is worth a batch, or the clock does after [`PATIENCE`]; whoever waits for a job does so first. A pool that has
//! enough collects whole blocks only.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use job::{Job, JobRange};
use sched::Event;
use sys::clock;

use super::{
    block::Exit,
    gather::{Added, Gather},
    shared::Shared,
    turn::Turn,
};

/// How long a job may wait for company while a worker has nothing to do.
const PATIENCE: Duration = Duration::from_micros(400);

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
        let mut turn = Turn::begin(this);
        for block in gather.collect() {
            turn.take_in(block, false);
        }
        turn.end();
    }

    pub(crate) fn has_capacity(&self) -> bool {
        self.hungry.load(Ordering::SeqCst)
    }

    pub(crate) fn enough(&self) -> usize {
        usize::try_from(self.state.lock().sched.enough()).unwrap_or(usize::MAX)
    }

    /// Whether who waits for news may look for it for a moment before it sleeps.
    pub(crate) fn may_spin(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Notes whether the caller goes on while its jobs run, and needs a core for itself all the time.
    pub(crate) fn expect_a_stream(&self, stream: bool) {
        self.stream.store(stream, Ordering::Relaxed);
    }

    /// Takes no more jobs; those that have gathered are still run.
    pub(crate) fn close(this: &Arc<Shared<J>>) {
        let mut turn = Turn::begin(this);
        turn.state.gathers.iter().for_each(|gather| gather.seal());
        turn.collect_all();
        turn.hear(Event::Closed);
        turn.end();
    }

    /// Cancels the jobs that no worker has: all of them, or those whose outcomes go there.
    pub(crate) fn cancel_waiting(this: &Arc<Shared<J>>, exit: Option<&Exit<J>>) {
        let mut turn = Turn::begin(this);
        turn.collect_all();
        let unresolved = match exit {
            Some(exit) => turn.state.blocks.on_the_way_to(exit),
            None => JobRange::new(0, u64::MAX).into_iter().collect(),
        };
        // From the back, so that none is started in place of one that has just been cancelled.
        unresolved.into_iter().rev().for_each(|jobs| turn.hear(Event::Cancelled(jobs)));
        turn.end();
    }
}

impl<J: Job> Turn<'_, J> {
    /// The last step of every turn: lets those who add jobs know how it stands, and collects what a worker could have.
    ///
    /// Who adds a job looks at the flags afterwards, and here they are set before the gathers are looked at: a job is
    /// seen by one of the two.
    pub(super) fn feed(&mut self) {
        while self.note_appetite() && self.collect_all() {
            self.state.collected = true;
            self.shared.expect_a_stream(true);
        }
        self.note_calm();
    }

    /// What the clock does about jobs that wait for company.
    pub(super) fn collect_patiently(&mut self) {
        self.state.collect_at = None;
        self.shared.armed.store(false, Ordering::SeqCst);
        if self.state.sched.has_capacity() && self.collect_all() {
            self.state.collected = true;
            self.shared.expect_a_stream(true);
        }
        self.feed();
        // Who adds jobs all the time need not wake the clock all the time.
        if std::mem::take(&mut self.state.collected) {
            self.shared.armed.store(true, Ordering::SeqCst);
            self.state.collect_at = Some(self.now + PATIENCE);
        }
    }

    /// Says how it stands; whether what has gathered should be collected.
    fn note_appetite(&self) -> bool {
        let (shared, state) = (self.shared, &*self.state);
        let hungry = state.sched.has_capacity();
        let alone = || state.sched.busy() == 0 && !shared.stream.load(Ordering::Relaxed);
        let eager = hungry && (!state.sched.is_cheap() || alone());
        shared.eager.store(eager, Ordering::SeqCst);
        shared.hungry.store(hungry, Ordering::SeqCst);
        if !state.sched.is_open() {
            state.gathers.iter().for_each(|gather| gather.seal());
            return true;
        }
        // Of jobs that are short, a few are not worth a batch while others are under way.
        let gathered = || state.gathers.iter().map(|gather| gather.count()).sum::<usize>() as u64;
        hungry && (eager || gathered() >= state.sched.least_batch().min(WORTH))
    }

    /// Says whether there are cores to spare: beside the workers that are busy, one is the caller's.
    fn note_calm(&self) {
        let (shared, state) = (self.shared, &*self.state);
        let calm = state.sched.busy() < shared.cores && !shared.stream.load(Ordering::Relaxed);
        if shared.calm.swap(calm, Ordering::Relaxed) != calm {
            state.workers.values().for_each(|handle| handle.set_may_spin(calm));
        }
    }

    /// Collects everywhere, and says whether there was anything.
    fn collect_all(&mut self) -> bool {
        let blocks: Vec<_> = self.state.gathers.iter().flat_map(|gather| gather.collect()).collect();
        let any = !blocks.is_empty();
        blocks.into_iter().for_each(|block| self.take_in(block, false));
        any
    }
}
