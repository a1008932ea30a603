//! The lock, and what is under it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
};

use job::{
    BatchId, Crash, Death, DeathCause, Job, JobId, MonotonicInstant, ParentStats, WorkerId, WorkerStats,
};
use nix::sys::signal::Signal;
use parking_lot::{Condvar, Mutex};
use sched::{Event, Sched, Settings};
use sys::{clock::Heartbeat, oom::OomKills, poll::Poller, shared_page::SharedPage};

use super::{
    block::{Block, Blocks, Slice},
    handle::{Handle, WorkerMetrics},
    spawn_config::SpawnConfig,
    submit_buffer::SubmitBuffer,
    supervisor::SupervisorHandle,
    time_accounting::TimeAccounting,
    transaction::Transaction,
};
use crate::{SubmitError, WorkerReport, available_cores, observer::Audience, thread_group::ThreadGroup};

/// What all threads of a pool share.
pub(crate) struct ProcessShared<J: Job> {
    pub(crate) spawn_config: SpawnConfig,
    pub(crate) accounting: TimeAccounting,
    /// Who is told what happens; never under the lock.
    pub(crate) audience: Audience,
    pub(crate) state: Mutex<PoolState<J>>,
    /// Signalled when the clock has an earlier time to tick, or the pool has ended.
    pub(crate) clock_wakeup: Condvar,
    /// The supervisor and the clock, and threads that accept workers.
    pub(crate) crew: Arc<ThreadGroup>,
    pub(super) supervisor: SupervisorHandle,
    /// Where jobs gather that were submitted one by one.
    pub(crate) submit_buffer: Arc<SubmitBuffer<J>>,
    /// Whether some worker could have more jobs.
    pub(super) has_capacity: AtomicBool,
    /// Whether jobs should be collected as soon as they are there.
    pub(super) flush_now: AtomicBool,
    /// Whether there are cores to spare, so that who waits for news may look for it for a moment before it sleeps.
    pub(super) may_spin: AtomicBool,
    /// Whether jobs come while others run, or somebody waits for each.
    pub(super) is_streaming: AtomicBool,
    /// Of threads that wait for outcomes.
    pub(super) poller: Poller,
    /// Number of threads of the program that take messages.
    pub(super) helping_callers: AtomicUsize,
    /// How many cores there are.
    pub(super) cores: usize,
    /// Whether the clock will see to what has gathered.
    pub(super) flush_scheduled: AtomicBool,
}

/// What is under the lock.
pub(crate) struct PoolState<J: Job> {
    pub(crate) sched: Sched,
    pub(crate) blocks: Blocks<J>,
    /// Wherever jobs may gather.
    pub(super) buffers: Vec<Arc<SubmitBuffer<J>>>,
    /// Whether something was collected since the clock last looked.
    pub(super) flushed: bool,
    /// When the clock is to collect next.
    pub(crate) flush_at: Option<MonotonicInstant>,
    pub(crate) workers: HashMap<WorkerId, Arc<Handle>>,
    /// All workers that there have been, in the order of their start.
    pub(crate) metrics: Vec<Arc<WorkerMetrics>>,
    /// What workers that have left had to say.
    pub(crate) reports: Vec<WorkerReport<J>>,
    /// When the clock is to tick next.
    pub(crate) wake_at: Option<MonotonicInstant>,
    pub(crate) clock_is_running: bool,
    /// Of the clock, while limits are in force.
    pub(crate) heartbeat: Heartbeat,
    pub(crate) oom_kills: OomKills,
    /// What the worker whose end is being handled has reported: the end of a process that its job depended on.
    pub(crate) crash: Option<Arc<Crash>>,
    /// Why the last start failed, or how the last worker died; once the pool is broken, what broke it.
    pub(crate) cause: Option<Arc<str>>,
}

impl<J: Job> ProcessShared<J> {
    pub(crate) fn new(
        spawn_config: SpawnConfig,
        settings: Settings,
        accounting: TimeAccounting,
        audience: Audience,
    ) -> ProcessShared<J> {
        let submit_buffer = Arc::new(SubmitBuffer::with_slots(accounting.callers.clone()));
        let state = PoolState {
            buffers: vec![submit_buffer.clone()],
            flushed: false,
            flush_at: None,
            sched: Sched::new(settings),
            blocks: Blocks::new(),
            workers: HashMap::new(),
            metrics: Vec::new(),
            reports: Vec::new(),
            wake_at: None,
            clock_is_running: false,
            heartbeat: Heartbeat::default(),
            oom_kills: OomKills::watch(),
            crash: None,
            cause: None,
        };
        ProcessShared {
            spawn_config,
            accounting,
            audience,
            state: Mutex::new(state),
            clock_wakeup: Condvar::new(),
            crew: Arc::default(),
            supervisor: SupervisorHandle::default(),
            submit_buffer,
            has_capacity: AtomicBool::new(true),
            flush_now: AtomicBool::new(true),
            may_spin: AtomicBool::new(false),
            is_streaming: AtomicBool::new(false),
            poller: Poller::new(),
            helping_callers: AtomicUsize::new(0),
            cores: available_cores(),
            flush_scheduled: AtomicBool::new(false),
        }
    }

    /// Tells the scheduler, and does what it decides.
    pub(crate) fn apply(this: &Arc<ProcessShared<J>>, event: Event) {
        let mut transaction = Transaction::begin(this);
        transaction.apply(event);
        transaction.commit();
    }

    /// Submits a block of jobs, together in one batch or not. Those that come too late are resolved as cancelled.
    pub(crate) fn submit(this: &Arc<ProcessShared<J>>, block: Block<J>, together: bool) {
        let mut transaction = Transaction::begin(this);
        transaction.submit(block, together);
        transaction.commit();
    }

    /// The same, unless they come too late.
    pub(crate) fn try_submit(
        this: &Arc<ProcessShared<J>>,
        block: Block<J>,
        together: bool,
    ) -> Result<(), SubmitError> {
        let mut transaction = Transaction::begin(this);
        if let Some(refused) = transaction.state.refusal() {
            return Err(refused);
        }
        transaction.submit(block, together);
        transaction.commit();
        Ok(())
    }

    /// Why a job would not be taken.
    pub(crate) fn refusal(&self) -> Option<SubmitError> {
        self.state.lock().refusal()
    }

    pub(crate) fn broken(&self) -> Option<Arc<str>> {
        let state = self.state.lock();
        state.sched.is_broken().then(|| state.broken_cause())
    }

    pub(crate) fn worker_stats(&self) -> Vec<WorkerStats> {
        self.handles().iter().for_each(|handle| handle.note_processor_time());
        let metrics = self.state.lock().metrics.clone();
        metrics.iter().map(|metrics| metrics.stats()).collect()
    }

    pub(crate) fn parent_stats(&self) -> ParentStats {
        let queued = self.state.lock().sched.queued();
        ParentStats { queued, ..self.accounting.stats() }
    }

    /// Whether the resident size of workers matters.
    pub(crate) fn limits_resident(&self) -> bool {
        self.state.lock().sched.limits_resident()
    }

    /// The workers that have jobs.
    pub(super) fn busy_handles(&self) -> Vec<Arc<Handle>> {
        let state = self.state.lock();
        let busy = state.sched.watched();
        busy.filter_map(|worker| state.workers.get(&worker).cloned()).collect()
    }

    /// All workers that there are now.
    pub(crate) fn handles(&self) -> Vec<Arc<Handle>> {
        self.state.lock().workers.values().cloned().collect()
    }

    pub(crate) fn workers(&self) -> usize {
        self.state.lock().sched.max_workers() as usize
    }
}

impl<J: Job> PoolState<J> {
    /// Takes a block in, and says so to the scheduler.
    pub(super) fn add_block(&mut self, mut block: Block<J>, together: bool) -> Option<Event> {
        let bytes = block.entries.bytes() as u64;
        let limits = std::mem::take(&mut block.limits);
        let jobs = self.blocks.add(block)?;
        let limit_of = |(place, limit)| (JobId(jobs.first().0 + place as u64), limit);
        Some(Event::Submitted { jobs, bytes, limits: limits.into_iter().map(limit_of).collect(), together })
    }

    fn refusal(&self) -> Option<SubmitError> {
        if self.sched.is_broken() {
            return Some(SubmitError::Broken(self.broken_cause()));
        }
        (!self.sched.is_open()).then_some(SubmitError::Closed)
    }

    /// The job that a worker has published that it is in.
    pub(crate) fn running(&self, worker: WorkerId) -> Option<(BatchId, u64, MonotonicInstant)> {
        let running = self.workers.get(&worker)?.page.get()?.running()?;
        let (batch, _) = self.sched.batch_of(worker, |batch| running.is_in(batch))?;
        Some((batch, u64::from(running.index), running.since))
    }

    /// Whether a worker died for lack of memory: because an allocation failed in the job that it was in, or because the
    /// kernel killed it.
    pub(crate) fn ran_out_of_memory(&mut self, handle: &Handle, death: Death) -> bool {
        let killed = death.cause == DeathCause::Signalled(Signal::SIGKILL as i32) && !handle.was_killed();
        let by_kernel = killed && (handle.was_killed_by_kernel() || self.oom_kills.take());
        // One that the kernel kills between two jobs says nothing about the next one.
        let in_a_job = |page: &SharedPage| page.running().is_some();
        handle.page.get().is_some_and(|page| page.alloc_failed() || (by_kernel && in_a_job(page)))
    }

    /// Credits what the kernel has killed since the last look to workers that are dying.
    pub(super) fn credit_kernel_kills(&mut self, now: MonotonicInstant) {
        let kills = usize::try_from(self.oom_kills.look(now)).unwrap_or(usize::MAX);
        if kills > 0 {
            let dying = self.workers.values().filter(|handle| !handle.was_killed() && handle.is_dying());
            dying.take(kills).for_each(|handle| handle.note_killed_by_kernel());
        }
    }

    /// The outcomes that a dead worker had finished and not sent: the batch, how many of the bytes' outcomes have come
    /// back all the same, and the bytes.
    pub(crate) fn saved_outcomes(&self, worker: WorkerId) -> Option<(BatchId, u64, Vec<u8>)> {
        let kept = self.workers.get(&worker)?.page.get()?.kept()?;
        let (batch, returned) = self.sched.batch_of(worker, |batch| kept.is_of(batch))?;
        Some((batch, returned.checked_sub(u64::from(kept.from))?, kept.bytes))
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
