//! State shared by all threads of a pool, and the lock.

use std::{
    collections::HashMap,
    io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use job::{
    BatchId, Crash, Death, DeathCause, Job, JobId, JobRange, MonotonicInstant, ParentStats, WorkerId,
    WorkerStats,
};
use nix::sys::signal::Signal;
use parking_lot::{Condvar, Mutex};
use portable::Poller;
use sched::{Event, Sched, Settings};
use sys::{clock::Heartbeat, oom::OomKills, shared_page::SharedPage};

use super::{
    block::{Block, Blocks, OutcomeTarget, Slice},
    encode_queue::EncodeQueue,
    flush_policy::FlushFlags,
    handle::{Handle, WorkerMetrics},
    spawn_config::SpawnConfig,
    submit_buffer::SubmitBuffer,
    supervisor::{EpollSet, Request, SupervisorHandle},
    time_accounting::TimeAccounting,
};
use crate::{
    SubmitError, WorkerReport, available_cores,
    counts::{Counts, OutcomeCounts, PartialCounts},
    observer::Observers,
    pressure::{Gate, Granted, Limits, Load},
    thread_group::ThreadGroup,
};

/// Functions that threads of a pool run. They use everything else, so the state that starts the threads has
/// only pointers to them.
pub(super) struct MainLoops<J: Job> {
    pub(super) supervisor: fn(&Arc<ProcessShared<J>>, &Arc<EpollSet>),
    pub(super) clock: fn(&Arc<ProcessShared<J>>),
}

/// State shared by all threads of a pool.
pub(crate) struct ProcessShared<J: Job> {
    pub(crate) spawn_config: SpawnConfig,
    pub(crate) accounting: TimeAccounting,
    /// Receiver of pool events. Never called while the lock is held.
    pub(crate) observers: Observers,
    pub(crate) state: Mutex<PoolState<J>>,
    /// Signalled when the clock has to wake earlier than planned, or the pool has ended.
    pub(crate) clock_wakeup: Condvar,
    /// Threads of the pool: the supervisor, the clock, deputies, and threads that accept workers.
    pub(crate) threads: Arc<ThreadGroup>,
    /// Called once for each thread that is started.
    main_loops: MainLoops<J>,
    pub(super) supervisor: SupervisorHandle,
    /// Buffer of jobs that are submitted one by one, with a future each.
    pub(crate) submit_buffer: Arc<SubmitBuffer<J>>,
    pub(super) flush_flags: FlushFlags,
    pub(super) outcome_counts: OutcomeCounts,
    /// Jobs that are to be encoded on a thread of the pool.
    pub(super) encoder: EncodeQueue<J>,
    /// Present if the queue is bounded.
    pub(super) gate: Option<Arc<Gate>>,
    /// Poller of the threads that wait for outcomes.
    pub(super) poller: Poller,
    /// Number of the program's threads that receive messages.
    pub(super) helping_callers: AtomicUsize,
    /// Number of available cores.
    pub(super) cores: usize,
}

/// State under the lock.
pub(crate) struct PoolState<J: Job> {
    pub(crate) sched: Sched,
    pub(crate) blocks: Blocks<J>,
    /// All registered submit buffers.
    pub(super) buffers: Vec<Arc<SubmitBuffer<J>>>,
    /// Whether a buffer was flushed since the clock last flushed.
    pub(super) flushed: bool,
    /// When the clock is to flush next.
    pub(crate) flush_at: Option<MonotonicInstant>,
    /// Jobs that had to be admitted and have reached the scheduler since the gate was last updated.
    admitted: Load,
    pub(crate) workers: HashMap<WorkerId, Arc<Handle>>,
    /// Metrics of all workers that were ever started, in the order of their start.
    pub(crate) metrics: Vec<Arc<WorkerMetrics>>,
    /// Final reports of workers that have exited.
    pub(crate) reports: Vec<WorkerReport<J>>,
    /// When the clock is to look for outcomes that workers hold back.
    pub(super) collect_at: Option<MonotonicInstant>,
    /// When the scheduler's next tick is due.
    pub(crate) wake_at: Option<MonotonicInstant>,
    pub(crate) clock_is_running: bool,
    /// Heartbeat of the clock thread, while limits are in force.
    pub(crate) heartbeat: Heartbeat,
    pub(crate) oom_kills: OomKills,
    /// Crash of a process that its job depended on, as reported by the worker whose death is being handled.
    pub(crate) crash: Option<Arc<Crash>>,
    /// Cause of the last failed start or worker death; once the pool is broken, the cause that broke it.
    pub(crate) cause: Option<Arc<str>>,
}

impl<J: Job> ProcessShared<J> {
    pub(crate) fn new(
        spawn_config: SpawnConfig,
        (settings, queue_limits): (Settings, Limits),
        accounting: TimeAccounting,
        observers: Observers,
        main_loops: MainLoops<J>,
    ) -> ProcessShared<J> {
        let submit_buffer = Arc::new(SubmitBuffer::with_slots(accounting.callers.clone()));
        let state = PoolState {
            buffers: vec![submit_buffer.clone()],
            flushed: false,
            flush_at: None,
            admitted: Load::default(),
            sched: Sched::new(settings),
            blocks: Blocks::new(),
            workers: HashMap::new(),
            metrics: Vec::new(),
            reports: Vec::new(),
            collect_at: None,
            wake_at: None,
            clock_is_running: false,
            heartbeat: Heartbeat::default(),
            oom_kills: OomKills::start(),
            crash: None,
            cause: None,
        };
        ProcessShared {
            spawn_config,
            accounting,
            observers,
            main_loops,
            state: Mutex::new(state),
            clock_wakeup: Condvar::new(),
            threads: Arc::default(),
            supervisor: SupervisorHandle::default(),
            submit_buffer,
            flush_flags: FlushFlags::new(),
            outcome_counts: OutcomeCounts::default(),
            encoder: EncodeQueue::default(),
            gate: queue_limits.gate(),
            poller: Poller::new(),
            helping_callers: AtomicUsize::new(0),
            cores: available_cores(),
        }
    }

    /// Adds a request to the supervisor. Starts the supervisor if there is none.
    pub(super) fn request(this: &Arc<ProcessShared<J>>, request: Request) -> io::Result<()> {
        this.supervisor.request(request, |epoll_set| {
            let shared = this.clone();
            this.threads.spawn("runner-supervisor".into(), move || {
                (shared.main_loops.supervisor)(&shared, &epoll_set);
            })
        })
    }

    /// Starts the clock thread.
    pub(super) fn start_clock(this: &Arc<ProcessShared<J>>) -> io::Result<()> {
        let shared = this.clone();
        this.threads.spawn("runner-clock".into(), move || (shared.main_loops.clock)(&shared))
    }

    /// Registers a buffer to be flushed from now on. It is sealed if the pool is closed.
    pub(super) fn register_buffer(&self, buffer: SubmitBuffer<J>) -> Arc<SubmitBuffer<J>> {
        let buffer = Arc::new(buffer);
        let mut state = self.state.lock();
        if !state.sched.is_open() {
            buffer.seal();
        }
        state.buffers.push(buffer.clone());
        buffer
    }

    /// Returns the number of jobs in flight at which no worker has to wait for this process.
    pub(super) fn sufficient_in_flight(&self) -> usize {
        usize::try_from(self.state.lock().sched.target_backlog()).unwrap_or(usize::MAX)
    }

    /// Returns whether a thread of the program is receiving messages.
    pub(super) fn has_helping_caller(&self) -> bool {
        self.helping_callers.load(Ordering::Relaxed) > 0
    }

    /// Returns why a job would be rejected.
    pub(crate) fn submit_error(&self) -> Option<SubmitError> {
        self.state.lock().submit_error()
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
        let queued = self.state.lock().sched.queue_time();
        let mut stats = self.accounting.stats();
        stats.queue_time = queued;
        stats
    }

    /// Returns the numbers of jobs by state. Jobs leave the submit buffers only under the lock, so none is
    /// counted twice or missed.
    pub(crate) fn counts(&self) -> Counts {
        let state = self.state.lock();
        let buffered = state.buffers.iter().map(|buffer| buffer.count()).sum::<usize>() as u64;
        let (submitted, queued) = (state.blocks.jobs_added() + buffered, state.sched.queued() + buffered);
        let mut counts = PartialCounts::new(submitted, queued, state.sched.retried());
        self.outcome_counts.add_to(&mut counts);
        counts.complete()
    }

    /// Returns whether the resident size of workers is limited.
    pub(crate) fn limits_resident(&self) -> bool {
        self.state.lock().sched.limits_rss()
    }

    /// Returns the workers that have jobs.
    pub(super) fn busy_handles(&self) -> Vec<Arc<Handle>> {
        let state = self.state.lock();
        let busy = state.sched.workers_to_observe();
        busy.filter_map(|worker| state.workers.get(&worker).cloned()).collect()
    }

    /// Returns all current workers.
    pub(crate) fn handles(&self) -> Vec<Arc<Handle>> {
        self.state.lock().workers.values().cloned().collect()
    }

    pub(crate) fn workers(&self) -> usize {
        self.state.lock().sched.max_workers() as usize
    }
}

impl<J: Job> PoolState<J> {
    /// Adds a block; returns the event for the scheduler.
    pub(super) fn add_block(&mut self, mut block: Block<J>, together: bool) -> Option<Event> {
        let bytes = block.entries.bytes() as u64;
        if matches!(block.target, OutcomeTarget::Slots(_)) {
            self.admitted += Load { jobs: block.tags.len() as u64, bytes: bytes.into() };
        }
        let limits = std::mem::take(&mut block.limits);
        let priorities = std::mem::take(&mut block.priorities);
        let jobs = self.blocks.add(block)?;
        let id_of = |index: usize| jobs.first().0 + index as u64;
        let priority_of = |(at, priority): (Range<usize>, i32)| {
            Some((JobRange::new(id_of(at.start), id_of(at.end))?, priority))
        };
        Some(Event::Submitted {
            jobs,
            bytes,
            limits: limits.into_iter().map(|(index, limit)| (JobId(id_of(index)), limit)).collect(),
            priorities: priorities.into_iter().filter_map(priority_of).collect(),
            is_atomic: together,
        })
    }

    /// Publishes the content of the queue after a change.
    pub(super) fn update_gate(&mut self, gate: &Gate) -> Granted {
        let moved = std::mem::take(&mut self.admitted);
        let queued = Load { jobs: self.sched.queued(), bytes: self.sched.queued_bytes().into() };
        gate.update(moved, queued, self.sched.is_open())
    }

    pub(super) fn submit_error(&self) -> Option<SubmitError> {
        if self.sched.is_broken() {
            return Some(SubmitError::Broken(self.broken_cause()));
        }
        (!self.sched.is_open()).then_some(SubmitError::Closed)
    }

    /// Returns the job that a worker has published as running: its batch, its index in it, and its start
    /// time.
    pub(crate) fn running(&self, worker: WorkerId) -> Option<(BatchId, u64, MonotonicInstant)> {
        let running = self.workers.get(&worker)?.page.get()?.running()?;
        let (batch, _) = self.sched.find_batch(worker, |batch| running.belongs_to(batch))?;
        Some((batch, u64::from(running.index), running.since))
    }

    /// Returns whether a worker died for lack of memory: an allocation failed in its running job, or the
    /// kernel killed it during one.
    pub(crate) fn ran_out_of_memory(&mut self, handle: &Handle, death: Death) -> bool {
        let killed = death.cause == DeathCause::Signalled(Signal::SIGKILL as i32) && !handle.was_killed();
        let by_kernel = killed && (handle.was_killed_by_kernel() || self.oom_kills.claim());
        // A kill between two jobs does not allow any conclusion about the next job.
        let in_a_job = |page: &SharedPage| page.running().is_some();
        handle.page.get().is_some_and(|page| page.alloc_failed() || (by_kernel && in_a_job(page)))
    }

    /// Attributes the kernel's out-of-memory kills since the last call to workers that are dying.
    pub(super) fn attribute_oom_kills(&mut self, now: MonotonicInstant) {
        let kills = usize::try_from(self.oom_kills.drop_unclaimed(now)).unwrap_or(usize::MAX);
        if kills > 0 {
            let dying = self.workers.values().filter(|handle| !handle.was_killed() && handle.is_dying());
            dying.take(kills).for_each(|handle| handle.note_killed_by_kernel());
        }
    }

    /// Records why a start failed or how a worker died. Once the pool is broken, the cause stays: the pool
    /// itself then kills the remaining workers.
    pub(crate) fn note_cause(&mut self, cause: &str) {
        if !self.sched.is_broken() {
            self.cause = Some(cause.into());
        }
    }

    pub(crate) fn broken_cause(&self) -> Arc<str> {
        self.cause.clone().unwrap_or_else(|| "no worker could be started".into())
    }

    pub(crate) fn slices(&self, jobs: &[JobRange]) -> Vec<Slice<J>> {
        jobs.iter().flat_map(|&range| self.blocks.slices(range)).collect()
    }
}
