//! One worker, as all threads of the parent may use it.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use job::{BatchId, Crash, MonotonicInstant, ProgramStats, Stage, StageTimes, WorkerId, WorkerStats};
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use sys::{
    clock,
    process::Process,
    shared_page::{Running, SharedPage},
};
use wire::{Closed, Message, Outbox};

use super::mailbox::Mailbox;

/// What is known of a worker outside the scheduler. Parts of it come into being while it starts; all of it goes when
/// the worker is buried, but for the gauge.
pub(crate) struct Handle {
    pub(crate) id: WorkerId,
    pub(crate) process: OnceLock<Process>,
    pub(crate) page: OnceLock<Arc<SharedPage>>,
    /// What comes from it, once it is ready.
    pub(super) mailbox: OnceLock<Mailbox>,
    outbox: Mutex<Option<Outbox>>,
    /// Number of batches that were decided on.
    batches_sent: AtomicU64,
    /// Set before the process is looked up, and read after it is registered: whoever comes second kills.
    killed: AtomicBool,
    /// Whether the kernel has killed it for lack of memory, as far as can be told.
    killed_by_kernel: AtomicBool,
    /// Whether it has to stand still. Set and read like `killed`.
    paused: AtomicBool,
    /// Whether it was told to leave.
    retired: AtomicBool,
    reported: AtomicBool,
    /// Whether it has been heard of since somebody last asked.
    message_seen: AtomicBool,
    /// What it did that no worker does, in words.
    protocol_error: OnceLock<String>,
    /// The end of a process that its job depended on, after which it ends itself.
    pub(crate) crash: OnceLock<Arc<Crash>>,
    pub(crate) metrics: Arc<WorkerMetrics>,
}

/// What is counted about a worker: kept longer than the worker.
pub(crate) struct WorkerMetrics {
    stats: Mutex<WorkerStats>,
    /// When it was decided to start it.
    pub(crate) started: MonotonicInstant,
    /// Where it keeps its time, as long as it lives.
    page: Mutex<Option<Arc<SharedPage>>>,
    ended: AtomicBool,
}

impl Handle {
    pub(crate) fn new(id: WorkerId, paused: bool) -> Handle {
        Handle {
            id,
            process: OnceLock::new(),
            page: OnceLock::new(),
            mailbox: OnceLock::new(),
            outbox: Mutex::new(None),
            batches_sent: AtomicU64::new(0),
            killed: AtomicBool::new(false),
            killed_by_kernel: AtomicBool::new(false),
            paused: AtomicBool::new(paused),
            retired: AtomicBool::new(false),
            reported: AtomicBool::new(false),
            message_seen: AtomicBool::new(false),
            protocol_error: OnceLock::new(),
            crash: OnceLock::new(),
            metrics: Arc::new(WorkerMetrics {
                stats: Mutex::new(WorkerStats::new(id)),
                started: clock::now(),
                page: Mutex::new(None),
                ended: AtomicBool::new(false),
            }),
        }
    }

    /// Registers the process that has just been spawned.
    pub(crate) fn set_process(&self, process: Process) -> &Process {
        self.metrics.stats.lock().pid = Some(process.pid());
        let process = self.process.get_or_init(|| process);
        if self.was_killed() {
            self.signal(Signal::SIGKILL);
        }
        if self.paused.load(Ordering::SeqCst) {
            self.signal(Signal::SIGSTOP);
            if !self.paused.load(Ordering::SeqCst) {
                self.signal(Signal::SIGCONT);
            }
        }
        process
    }

    /// Its process, if there is one.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.get().map(Process::pid)
    }

    /// Has the worker and what it has started stand still.
    pub(crate) fn pause(&self) {
        self.paused.store(true, Ordering::SeqCst);
        self.signal(Signal::SIGSTOP);
    }

    /// Lets them go on.
    pub(crate) fn resume(&self) {
        self.paused.store(false, Ordering::SeqCst);
        self.signal(Signal::SIGCONT);
    }

    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        self.signal(Signal::SIGKILL);
    }

    /// Sends a signal to the worker and what it has started, if it is there.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = self.process.get() {
            process.signal_group(signal);
        }
    }

    /// Says whether there are cores to spare.
    pub(crate) fn set_may_spin(&self, may_spin: bool) {
        if let Some(page) = self.page.get() {
            page.set_may_spin(may_spin);
        }
    }

    pub(crate) fn halt(&self) {
        if let Some(page) = self.page.get() {
            page.halt();
        }
    }

    /// Asks the worker to begin with no further job of batches below; returns the last one that it has begun with, if it is in
    /// one.
    pub(crate) fn recall(&self, below: BatchId) -> Option<Running> {
        self.page.get()?.recall(below)
    }

    /// Returns the place of the next batch among all that are sent to the worker. Called under the pool's lock.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.batches_sent.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn connect(&self, outbox: Outbox) {
        *self.outbox.lock() = Some(outbox);
    }

    /// Something has come from it.
    pub(crate) fn note_message(&self) {
        self.message_seen.store(true, Ordering::Relaxed);
    }

    /// Whether it does nothing at all: a signal has stopped it, or it is in no job and has not been heard of since the last
    /// call. What it has sent may be being handled.
    pub(crate) fn is_stalled(&self) -> bool {
        let is_handling = self.mailbox.get().is_some_and(Mailbox::is_handling);
        let message_seen = self.message_seen.swap(false, Ordering::Relaxed) || is_handling;
        let in_a_job = self.page.get().is_some_and(|page| page.running().is_some());
        (!message_seen && !in_a_job) || self.process.get().is_some_and(Process::is_stopped)
    }

    /// Whether a thread is receiving a message from it.
    pub(crate) fn is_receiving(&self) -> bool {
        self.mailbox.get().is_some_and(Mailbox::is_receiving)
    }

    /// Kills the worker for what it did.
    pub(crate) fn kill_for_protocol_error(&self, why: &str) {
        let _ = self.protocol_error.set(why.to_owned());
        self.kill();
    }

    /// Notes that there is no memory for what the worker sends, so that its job is charged as for its own lack of memory.
    pub(crate) fn note_alloc_failure(&self) {
        if let Some(page) = self.page.get() {
            page.note_alloc_failure();
        }
    }

    pub(crate) fn protocol_error(&self) -> Option<&str> {
        self.protocol_error.get().map(String::as_str)
    }

    pub(crate) fn was_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    /// Whether it got no memory in what it is doing, or was doing when it died.
    pub(crate) fn alloc_failed(&self) -> bool {
        self.page.get().is_some_and(|page| page.alloc_failed())
    }

    /// Whether its process is about to end, or has.
    pub(crate) fn is_dying(&self) -> bool {
        self.process.get().is_some_and(Process::is_dying)
    }

    pub(crate) fn note_killed_by_kernel(&self) {
        self.killed_by_kernel.store(true, Ordering::SeqCst);
    }

    pub(crate) fn was_killed_by_kernel(&self) -> bool {
        self.killed_by_kernel.load(Ordering::SeqCst)
    }

    /// Has the worker leave when it has sent back what it has.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        self.disconnect();
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    /// Notes how much processor time it has used.
    pub(crate) fn note_processor_time(&self) {
        if let Some(time) = self.process.get().and_then(Process::processor_time) {
            self.metrics.stats.lock().processor = time;
        }
    }

    /// Whether it has had its last words; from now on it has.
    pub(crate) fn mark_reported(&self) -> bool {
        self.reported.swap(true, Ordering::SeqCst)
    }

    /// Closes the link towards the worker, which then leaves.
    pub(crate) fn disconnect(&self) {
        *self.outbox.lock() = None;
    }

    /// Sends a message, unless the worker has been told to leave. That it is gone, the supervisor will notice.
    pub(crate) fn send(&self, message: Message) {
        self.send_by(message, Outbox::send);
    }

    /// Sends the batch of this [place](Handle::next_place), once those before it are sent.
    pub(crate) fn send_batch(&self, sequence: u64, message: Message) {
        self.send_by(message, |outbox, message| outbox.send_in_order(sequence, message));
    }

    fn send_by(&self, message: Message, send: impl FnOnce(&mut Outbox, Message) -> Result<(), Closed>) {
        let bytes = message.len() as u64;
        if let Some(outbox) = &mut *self.outbox.lock()
            && let Err(error @ Closed::Malformed(_)) = send(outbox, message)
        {
            self.kill_for_protocol_error(&format!("the worker was killed because {error}"));
        }
        self.metrics.stats.lock().bytes_out += bytes;
    }

    /// The worker has answered the oldest message; `false` if there was none. One that was told to
    /// leave may answer what it likes.
    pub(crate) fn answered(&self) -> bool {
        self.outbox.lock().as_mut().is_none_or(Outbox::answered)
    }

    /// The worker has taken a part of a large message; `false` if there was none. One that was told to
    /// leave may answer what it likes.
    pub(crate) fn part_received(&self) -> bool {
        self.outbox.lock().as_mut().is_none_or(Outbox::part_received)
    }
}

impl WorkerMetrics {
    /// Counts from now on what the worker spends its time on, since the decision to start it.
    pub(crate) fn attach_page(&self, page: &Arc<SharedPage>) {
        page.lane().begin(Stage::Start, self.started);
        *self.page.lock() = Some(page.clone());
    }

    /// Counts a program that ended with a request unanswered.
    pub(crate) fn note_crash(&self) {
        self.stats.lock().programs.crashed += 1;
    }

    pub(crate) fn note_ready(&self) {
        self.stats.lock().start = clock::now().since(self.started);
    }

    pub(crate) fn note_outcomes(&self, jobs: u64, bytes: u64, busy: std::time::Duration, last: bool) {
        let mut stats = self.stats.lock();
        stats.jobs += jobs;
        stats.batches += u64::from(last);
        stats.bytes_in += bytes;
        stats.busy += busy;
    }

    pub(crate) fn note_end(&self) {
        let now = clock::now();
        let mut stats = self.stats.lock();
        stats.life = now.since(self.started);
        if let Some(page) = self.page.lock().take() {
            page.lane().enter_at(Stage::Leave, now);
            stats.stage_times = page.lane().stage_times(now);
            stats.programs = ProgramStats { crashed: stats.programs.crashed, ..page.programs() };
        }
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn stats(&self) -> WorkerStats {
        let mut stats = self.stats.lock().clone();
        if !self.ended.load(Ordering::Acquire) {
            let now = clock::now();
            stats.life = now.since(self.started);
            let page = self.page.lock();
            stats.stage_times =
                page.as_ref().map_or_else(StageTimes::default, |page| page.lane().stage_times(now));
            stats.programs = page.as_ref().map_or_else(ProgramStats::default, |page| page.programs());
        }
        stats
    }
}
