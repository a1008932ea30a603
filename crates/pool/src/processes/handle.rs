//! One worker, as used by all threads of the parent.

use std::{
    fmt::Display,
    os::fd::AsFd,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use job::{BatchId, Crash, MonotonicInstant, ProgramStats, Stage, StageTimes, WorkerId, WorkerStats};
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use sys::{
    clock,
    process::Process,
    shared_page::{Running, SharedPage},
};
use wire::{Closed, Message, Outbox, transfer::Files};

use super::{capture::Capture, file_grants::FileGrants, mailbox::Mailbox};

/// State of a worker outside the scheduler. Some of it is filled in while the worker starts; all of it but
/// the metrics is dropped when the worker is reaped.
pub(crate) struct Handle {
    pub(crate) id: WorkerId,
    pub(crate) process: OnceLock<Process>,
    pub(crate) page: OnceLock<Arc<SharedPage>>,
    /// Receiving end of the link, once the worker is ready.
    pub(super) mailbox: OnceLock<Mailbox>,
    /// Captured standard streams, once the process is about to be spawned.
    pub(super) capture: OnceLock<Capture>,
    /// Files that it may request.
    file_grants: FileGrants,
    outbox: Mutex<Option<Outbox>>,
    /// Number of batches that the scheduler has assigned to the worker.
    batches_sent: AtomicU64,
    /// Set before the process is looked up, and read after it is registered, so that whichever of `kill` and
    /// `set_process` comes second kills it.
    killed: AtomicBool,
    /// Set if the kernel is known to have killed the worker for lack of memory.
    killed_by_kernel: AtomicBool,
    /// Whether the worker is to be stopped by SIGSTOP. Set and read in the same order as `killed`.
    paused: AtomicBool,
    /// Whether the worker was asked to exit.
    retired: AtomicBool,
    /// Whether the final report was received.
    reported: AtomicBool,
    /// Whether a message was received since the last call of `is_stalled`.
    message_seen: AtomicBool,
    /// Whether its saved outcomes are to be collected.
    collection_requested: AtomicBool,
    /// Why the worker was killed, if it violated the protocol.
    protocol_error: OnceLock<String>,
    /// End of a process that the worker's job depended on. The worker exits after reporting it.
    pub(crate) crash: OnceLock<Arc<Crash>>,
    pub(crate) metrics: Arc<WorkerMetrics>,
}

/// Statistics of a worker. They outlive it.
pub(crate) struct WorkerMetrics {
    stats: Mutex<WorkerStats>,
    /// Time of the decision to start it.
    pub(crate) started: MonotonicInstant,
    /// Page with the worker's stage timer, until the worker is reaped.
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
            capture: OnceLock::new(),
            file_grants: FileGrants::default(),
            outbox: Mutex::new(None),
            batches_sent: AtomicU64::new(0),
            killed: AtomicBool::new(false),
            killed_by_kernel: AtomicBool::new(false),
            paused: AtomicBool::new(paused),
            retired: AtomicBool::new(false),
            reported: AtomicBool::new(false),
            message_seen: AtomicBool::new(false),
            collection_requested: AtomicBool::new(false),
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

    /// Registers the process that has just been spawned, and applies a kill or a pause that came before.
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

    /// Returns the id of the process, if it was spawned.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.get().map(Process::pid)
    }

    /// Stops the worker and its descendants with SIGSTOP.
    pub(crate) fn pause(&self) {
        self.paused.store(true, Ordering::SeqCst);
        self.signal(Signal::SIGSTOP);
    }

    /// Continues the worker and its descendants.
    pub(crate) fn resume(&self) {
        self.paused.store(false, Ordering::SeqCst);
        self.signal(Signal::SIGCONT);
    }

    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        self.signal(Signal::SIGKILL);
    }

    /// Sends a signal to the worker's process group, if the worker was spawned.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = self.process.get() {
            process.signal_group(signal);
        }
    }

    /// Sets whether the worker may spin before it sleeps, because there are idle cores.
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

    /// Asks the worker to start no further job of batches below `below`. Returns the last job of these that
    /// it has started, if it is running one.
    pub(crate) fn recall(&self, below: BatchId) -> Option<Running> {
        self.page.get()?.recall(below)
    }

    /// Returns the sequence number of the next batch to this worker. Called under the pool's lock.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.batches_sent.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn connect(&self, outbox: Outbox) {
        *self.outbox.lock() = Some(outbox);
    }

    /// Records that a message was received.
    pub(crate) fn note_message(&self) {
        self.message_seen.store(true, Ordering::Relaxed);
    }

    /// Returns whether the worker makes no progress: it is stopped by a signal, or it is in no job and no
    /// message was received since the last call and none is being handled.
    pub(crate) fn is_stalled(&self) -> bool {
        let is_handling = self.mailbox.get().is_some_and(Mailbox::is_handling);
        let message_seen = self.message_seen.swap(false, Ordering::Relaxed) || is_handling;
        let in_a_job = self.page.get().is_some_and(|page| page.running().is_some());
        (!message_seen && !in_a_job) || self.process.get().is_some_and(Process::is_stopped)
    }

    /// Requests that its saved outcomes are collected; returns `false` if that was requested before.
    pub(super) fn request_collection(&self) -> bool {
        !self.collection_requested.swap(true, Ordering::AcqRel)
    }

    /// Returns whether its saved outcomes are to be collected, and ends that request.
    pub(super) fn take_collection_request(&self) -> bool {
        self.collection_requested.load(Ordering::Relaxed)
            && self.collection_requested.swap(false, Ordering::AcqRel)
    }

    /// Returns whether a thread is receiving a message from the worker.
    pub(crate) fn is_receiving(&self) -> bool {
        self.mailbox.get().is_some_and(Mailbox::is_receiving)
    }

    /// Kills the worker because it violated the protocol, and records the error as the cause of its death.
    pub(crate) fn kill_for_protocol_error(&self, error: impl Display) {
        let _ = self.protocol_error.set(format!("the worker was killed: {error}"));
        self.kill();
    }

    /// Records that there was no memory to receive what the worker sends, so that its job is charged as if
    /// the worker itself had run out of memory.
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

    /// Returns whether an allocation failed in the worker's current job, or in its last one before it died.
    pub(crate) fn alloc_failed(&self) -> bool {
        self.page.get().is_some_and(|page| page.alloc_failed())
    }

    /// Returns whether the process is exiting or has exited.
    pub(crate) fn is_dying(&self) -> bool {
        self.process.get().is_some_and(Process::is_dying)
    }

    pub(crate) fn note_killed_by_kernel(&self) {
        self.killed_by_kernel.store(true, Ordering::SeqCst);
    }

    pub(crate) fn was_killed_by_kernel(&self) -> bool {
        self.killed_by_kernel.load(Ordering::SeqCst)
    }

    /// Asks the worker to exit after it has returned the outcomes of its batches.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        self.disconnect();
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    /// Updates the processor time in the statistics.
    pub(crate) fn note_processor_time(&self) {
        if let Some(time) = self.process.get().and_then(Process::processor_time) {
            self.metrics.stats.lock().cpu_time = time;
        }
    }

    /// Marks the final report as received; returns whether it was already marked.
    pub(crate) fn mark_reported(&self) -> bool {
        self.reported.swap(true, Ordering::SeqCst)
    }

    /// Closes the link to the worker, upon which the worker exits.
    pub(crate) fn disconnect(&self) {
        *self.outbox.lock() = None;
    }

    /// Sends a message, unless the link was closed. A worker that is gone is noticed by the supervisor.
    pub(crate) fn send(&self, message: Message) {
        self.send_by(message, Outbox::send);
    }

    /// Sends the batch with this [sequence number](Handle::next_sequence) after those before it.
    pub(crate) fn send_batch(&self, sequence: u64, message: Message) {
        self.send_by(message, |outbox, message| outbox.send_in_order(sequence, message));
    }

    fn send_by(&self, message: Message, send: impl FnOnce(&mut Outbox, Message) -> Result<(), Closed>) {
        let bytes = message.len() as u64;
        if let Some(outbox) = &mut *self.outbox.lock()
            && let Err(error @ Closed::Malformed(_)) = send(outbox, message)
        {
            self.kill_for_protocol_error(error);
        }
        self.metrics.stats.lock().bytes_out += bytes;
    }

    /// Records the answer to the oldest message; returns `false` if none was unanswered. After the link was
    /// closed, any answer is accepted.
    pub(crate) fn answered(&self) -> bool {
        self.outbox.lock().as_mut().is_none_or(Outbox::answered)
    }

    /// Allows the worker to request these files.
    pub(crate) fn grant_files<'a>(&self, files: impl Iterator<Item = &'a Files>) {
        files.for_each(|files| self.file_grants.add(files));
    }

    /// Answers the worker's request for a file. Returns `false` if it cannot be answered, not even by a
    /// refusal.
    #[must_use]
    pub(crate) fn answer_file_request(&self, descriptor: u32) -> bool {
        let Some(page) = self.page.get() else { return false };
        let file = self.file_grants.get(descriptor);
        let passed = file.and_then(|file| file.reopen().ok());
        let answered = passed.is_some_and(|file| page.doorbell().answer(Some(file.as_fd())).is_ok());
        answered || page.doorbell().answer(None).is_ok()
    }

    /// Records that the worker has received a part of a large message; returns `false` if none was on its
    /// way. After the link was closed, any receipt is accepted.
    pub(crate) fn part_received(&self) -> bool {
        self.outbox.lock().as_mut().is_none_or(Outbox::part_received)
    }
}

impl WorkerMetrics {
    /// Starts counting the worker's stage times, from the decision to start it.
    pub(crate) fn attach_page(&self, page: &Arc<SharedPage>) {
        page.timer().begin(Stage::Start, self.started);
        *self.page.lock() = Some(page.clone());
    }

    /// Counts a program that ended with an unanswered request.
    pub(crate) fn note_crash(&self) {
        self.stats.lock().programs.crashed += 1;
    }

    pub(crate) fn note_ready(&self) {
        self.stats.lock().start_time = clock::now().since(self.started);
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
        stats.lifetime = now.since(self.started);
        if let Some(page) = self.page.lock().take() {
            page.timer().enter_at(Stage::Exit, now);
            stats.stage_times = page.timer().stage_times(now);
            stats.programs = ProgramStats { crashed: stats.programs.crashed, ..page.programs() };
        }
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn stats(&self) -> WorkerStats {
        let mut stats = self.stats.lock().clone();
        if !self.ended.load(Ordering::Acquire) {
            let now = clock::now();
            stats.lifetime = now.since(self.started);
            let page = self.page.lock();
            stats.stage_times =
                page.as_ref().map_or_else(StageTimes::default, |page| page.timer().stage_times(now));
            stats.programs = page.as_ref().map_or_else(ProgramStats::default, |page| page.programs());
        }
        stats
    }
}
