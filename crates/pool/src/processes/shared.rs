//! The lock, and what is under it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use job::{Death, DeathCause, FrameId, Job, JobId, Moment, WorkerFigures, WorkerId};
use nix::sys::signal::Signal;
use parking_lot::{Condvar, Mutex, MutexGuard};
use sched::{Event, Sched, Settings};
use sys::{clock, oom::OomKills, page::Page};

use super::{
    block::{Block, Blocks, Slice},
    effects::{Effect, carry_out, prepare},
    handle::{Gauge, Handle},
    recipe::Recipe,
};
use crate::{Refused, WorkerReport, crew::Crew};

/// What all threads of a pool share.
pub(crate) struct Shared<J: Job> {
    pub(crate) recipe: Recipe,
    pub(crate) state: Mutex<State<J>>,
    /// Signalled when the clock has an earlier time to tick, or the pool has ended.
    pub(crate) clock_news: Condvar,
    /// Keepers and the clock.
    pub(crate) crew: Arc<Crew>,
    /// Whether a job submitted now would be sent at once.
    hungry: AtomicBool,
}

/// What is under the lock.
pub(crate) struct State<J: Job> {
    pub(crate) sched: Sched,
    pub(crate) blocks: Blocks<J>,
    pub(crate) workers: HashMap<WorkerId, Arc<Handle>>,
    /// All workers that there have been, in the order of their start.
    pub(crate) gauges: Vec<Arc<Gauge>>,
    /// What workers that have left had to say.
    pub(crate) reports: Vec<WorkerReport<J>>,
    /// When the clock is to tick next.
    pub(crate) wake_at: Option<Moment>,
    pub(crate) clock_runs: bool,
    pub(crate) oom_kills: OomKills,
    /// Why the last start failed, or how the last worker died; once the pool is broken, what broke it.
    pub(crate) cause: Option<Arc<str>>,
}

impl<J: Job> Shared<J> {
    pub(crate) fn new(recipe: Recipe, settings: Settings) -> Shared<J> {
        let state = State {
            sched: Sched::new(settings),
            blocks: Blocks::new(),
            workers: HashMap::new(),
            gauges: Vec::new(),
            reports: Vec::new(),
            wake_at: None,
            clock_runs: false,
            oom_kills: OomKills::watch(),
            cause: None,
        };
        Shared {
            recipe,
            state: Mutex::new(state),
            clock_news: Condvar::new(),
            crew: Arc::default(),
            hungry: AtomicBool::new(true),
        }
    }

    /// Tells the scheduler, and does what it decides.
    pub(crate) fn tell(this: &Arc<Shared<J>>, event: Event) {
        let effects = this.decide(|_| event);
        carry_out(this, effects);
    }

    /// Submits a block of jobs; `limits` are those with a time limit of their own, by their place in it. Jobs that
    /// come too late are resolved as cancelled.
    pub(crate) fn submit(this: &Arc<Shared<J>>, block: Block<J>, limits: &[(usize, Duration)]) {
        let state = this.state.lock();
        Shared::submit_locked(this, state, block, limits, false);
    }

    /// Submits a block of jobs and answers with the first, unless it comes too late.
    pub(crate) fn try_submit(
        this: &Arc<Shared<J>>,
        block: Block<J>,
        limits: &[(usize, Duration)],
        together: bool,
    ) -> Result<Option<JobId>, Refused> {
        let state = this.state.lock();
        if state.sched.is_broken() {
            return Err(Refused::Broken(state.broken_cause()));
        }
        if !state.sched.is_open() {
            return Err(Refused::Closed);
        }
        Ok(Shared::submit_locked(this, state, block, limits, together))
    }

    fn submit_locked(
        this: &Arc<Shared<J>>,
        mut state: MutexGuard<'_, State<J>>,
        block: Block<J>,
        limits: &[(usize, Duration)],
        together: bool,
    ) -> Option<JobId> {
        let bytes = block.entries.bytes() as u64;
        let jobs = state.blocks.add(block)?;
        let limit_of = |&(place, limit)| (JobId(jobs.first().0 + place as u64), limit);
        let limits = limits.iter().map(limit_of).collect();
        let event = Event::Submitted { jobs, bytes, limits, together };
        let effects = this.decide_locked(&mut state, clock::now(), event);
        drop(state);
        carry_out(this, effects);
        Some(jobs.first())
    }

    /// Tells the scheduler what happened and says what is to be done, without doing it.
    pub(crate) fn decide(&self, event: impl FnOnce(&mut State<J>) -> Event) -> Vec<Effect<J>> {
        let mut state = self.state.lock();
        let event = event(&mut state);
        self.decide_locked(&mut state, clock::now(), event)
    }

    /// Has the clock tick: the scheduler first hears what the watched workers are doing.
    pub(crate) fn tick(&self, state: &mut State<J>, now: Moment) -> Vec<Effect<J>> {
        let watched: Vec<WorkerId> = state.sched.watched().collect();
        let mut effects = Vec::new();
        for worker in watched {
            state.sweep_up(worker);
            let stands = state.workers.get(&worker).is_some_and(|handle| handle.stands());
            effects.extend(self.decide_locked(state, now, Event::Stood { worker, stands }));
            if let Some((frame, index, since)) = state.running(worker) {
                effects.extend(self.decide_locked(state, now, Event::Seen { worker, frame, index, since }));
            }
        }
        effects.extend(self.decide_locked(state, now, Event::Tick));
        effects
    }

    fn decide_locked(&self, state: &mut State<J>, now: Moment, event: Event) -> Vec<Effect<J>> {
        let actions = state.sched.handle(now, event);
        let effects =
            actions.into_iter().filter_map(|action| prepare(state, action, &self.clock_news)).collect();
        self.hungry.store(state.sched.is_hungry(), Ordering::Relaxed);
        if state.sched.is_finished() {
            self.clock_news.notify_all();
        }
        effects
    }

    pub(crate) fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::Relaxed)
    }

    pub(crate) fn broken(&self) -> Option<Arc<str>> {
        let state = self.state.lock();
        state.sched.is_broken().then(|| state.broken_cause())
    }

    pub(crate) fn figures(&self) -> Vec<WorkerFigures> {
        let gauges = self.state.lock().gauges.clone();
        gauges.iter().map(|gauge| gauge.figures()).collect()
    }

    /// All workers that there are now.
    pub(crate) fn handles(&self) -> Vec<Arc<Handle>> {
        self.state.lock().workers.values().cloned().collect()
    }

    pub(crate) fn workers(&self) -> usize {
        self.state.lock().sched.max_workers() as usize
    }
}

impl<J: Job> State<J> {
    /// The job that a worker has published that it is in.
    pub(crate) fn running(&self, worker: WorkerId) -> Option<(FrameId, u64, Moment)> {
        let running = self.workers.get(&worker)?.page.get()?.running()?;
        let (frame, _) = self.sched.frame_of(worker, |frame| running.is_in(frame))?;
        Some((frame, u64::from(running.index), running.since))
    }

    /// Whether a worker died for lack of memory: because an allocation failed in the job that it was in, or because the
    /// kernel killed it.
    pub(crate) fn ran_out_of_memory(&mut self, handle: &Handle, death: Death) -> bool {
        let killed = death.cause == DeathCause::Signalled(Signal::SIGKILL as i32) && !handle.was_killed();
        // One that the kernel kills between two jobs says nothing about the next one.
        let in_a_job = |page: &Page| page.running().is_some();
        handle
            .page
            .get()
            .is_some_and(|page| page.is_starved() || (killed && self.oom_kills.another() && in_a_job(page)))
    }

    /// Kills what a worker that is dead has left of its group. A copy of it that a job has forked would hold its link, and
    /// its keeper would wait for news that never comes.
    fn sweep_up(&self, worker: WorkerId) {
        if let Some(process) = self.workers.get(&worker).and_then(|handle| handle.process.get())
            && process.wait_for_end(Some(Duration::ZERO))
        {
            process.signal_group(Signal::SIGKILL);
        }
    }

    /// The outcomes that a dead worker had finished and not sent: the frame, how many of the bytes' outcomes have come
    /// back all the same, and the bytes.
    pub(crate) fn kept(&self, worker: WorkerId) -> Option<(FrameId, u64, Vec<u8>)> {
        let kept = self.workers.get(&worker)?.page.get()?.kept()?;
        let (frame, returned) = self.sched.frame_of(worker, |frame| kept.is_of(frame))?;
        Some((frame, returned.checked_sub(u64::from(kept.from))?, kept.bytes))
    }

    /// Remembers why a start failed or how a worker died. What broke the pool stands: the survivors, whom the pool
    /// itself then kills, are no cause.
    pub(crate) fn note_cause(&mut self, cause: &str) {
        if !self.sched.is_broken() {
            self.cause = Some(cause.into());
        }
    }

    pub(crate) fn broken_cause(&self) -> Arc<str> {
        self.cause.clone().unwrap_or_else(|| "no worker could be started".into())
    }

    pub(crate) fn slices(&self, jobs: &[job::JobRange]) -> Vec<Slice<J>> {
        jobs.iter().flat_map(|&range| self.blocks.slices(range)).collect()
    }
}
