//! What the threads that push jobs, the runtime and the decoder share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::SyncSender,
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use pool::{Job, JobError, Outcome, Resolved, Sink, SubmitError};
use tokio::sync::mpsc::UnboundedSender;
use wire::catch_panic;

use super::{
    sizing::{MOST_UNPUBLISHED, Sizing},
    submitter::Gather,
};
use crate::{Error, names::Span, spans::Known};

/// Bytes of jobs that may be under way.
const MOST_BYTES: usize = 256 << 20;

/// What the coordinator is told from outside.
pub(super) enum Command<J: Job> {
    /// A batch is complete.
    Batch(Batch<J>),
    /// What has gathered should not have to wait for more.
    Flush,
    /// Something may be over now.
    Look,
    /// What no node has been given is cancelled, of one sink or of all; somebody may wait until that is done.
    CancelWaiting(Option<Arc<dyn Sink<J>>>, Option<SyncSender<()>>),
    /// The same, and the rest is cancelled at this time.
    Stop(Instant),
    /// A result could not be read.
    Unreadable(Span, String),
    /// The run cannot go on.
    Fail(Error),
}

/// Jobs that travel together. When it is dropped, it counts as resolved; if its outcomes were not delivered by then, which only a
/// panic can cause, its jobs are abandoned and the run is broken.
pub(super) struct Batch<J: Job> {
    shared: Arc<Shared<J>>,
    /// It counts as one that is not in the queue yet.
    is_unpublished: bool,
    pub(super) span: Span,
    pub(super) payload: Bytes,
    /// What stands for its jobs.
    pub(super) digest: String,
    pub(super) owners: Vec<Owner<J>>,
}

/// Who wants the outcomes of consecutive jobs of a batch, and under which tags.
pub(super) struct Owner<J: Job> {
    pub(super) sink: Arc<dyn Sink<J>>,
    pub(super) tags: Vec<u64>,
}

impl<J: Job> Batch<J> {
    pub(super) fn new(
        shared: &Arc<Shared<J>>,
        span: Span,
        payload: Bytes,
        digest: String,
        owners: Vec<Owner<J>>,
    ) -> Batch<J> {
        Batch { shared: shared.clone(), is_unpublished: false, span, payload, digest, owners }
    }

    /// Counts the batch as complete, and as one that is not in the queue yet.
    pub(super) fn count(&mut self) {
        self.is_unpublished = true;
        let mut gate = self.shared.gate.lock();
        gate.batches += 1;
        gate.unpublished += 1;
        gate.bytes += self.payload.len();
    }

    /// The batch is in the queue, or is not published for now: the next one may be completed.
    pub(super) fn leave_publisher(&mut self) {
        if std::mem::take(&mut self.is_unpublished) {
            self.shared.gate.lock().unpublished -= 1;
            self.shared.room.notify_all();
        }
    }

    /// Whether nobody but this sink wants its outcomes.
    pub(super) fn is_only_of(&self, sink: &Arc<dyn Sink<J>>) -> bool {
        self.owners.iter().all(|owner| Arc::ptr_eq(&owner.sink, sink))
    }

    /// Delivers the outcomes, in the order of the jobs.
    pub(super) fn deliver(mut self, outcomes: Vec<Outcome<J>>) {
        let mut outcomes = outcomes.into_iter();
        for Owner { sink, tags } in std::mem::take(&mut self.owners) {
            let resolved =
                tags.into_iter().zip(&mut outcomes).map(|(tag, outcome)| Resolved { tag, outcome });
            hand_over(&*sink, resolved.collect());
        }
    }

    /// Gives all its jobs the same failure.
    pub(super) fn fail(mut self, failure: impl Fn() -> JobError<J::Error>) {
        self.fail_owners(failure);
    }

    fn fail_owners(&mut self, failure: impl Fn() -> JobError<J::Error>) {
        for Owner { sink, tags } in std::mem::take(&mut self.owners) {
            let failed = |tag| Resolved { tag, outcome: Err(failure()) };
            hand_over(&*sink, tags.into_iter().map(failed).collect());
        }
    }
}

impl<J: Job> Drop for Batch<J> {
    fn drop(&mut self) {
        if !self.owners.is_empty() {
            let cause = self.shared.break_down(&Error::Panicked);
            self.fail_owners(|| JobError::Abandoned(cause.clone()));
        }
        self.leave_publisher();
        self.shared.resolved(self.span.count, self.payload.len());
    }
}

/// Hands outcomes to a sink, whose panics are its own.
pub(super) fn hand_over<J: Job>(sink: &dyn Sink<J>, resolved: Vec<Resolved<J>>) {
    if let Err(panic) = catch_panic(|| sink.resolve(resolved)) {
        eprintln!("a sink panicked: {panic}");
    }
}

pub(super) struct Shared<J: Job> {
    pub(super) time_limit: Option<Duration>,
    gate: Mutex<Gate>,
    /// Signalled when there may be room for a batch.
    room: Condvar,
    /// Signalled at the end.
    over: Condvar,
    /// Taken before the gate, if both are.
    pub(super) gather: Mutex<Gather<J>>,
    commands: UnboundedSender<Command<J>>,
    /// Somebody has asked for a flush that has not been done.
    pub(super) flushing: AtomicBool,
    /// The target of the batch that is being gathered.
    target: AtomicU64,
    /// Threads that call sinks, and so whatever callbacks do: if they waited, nobody would ever wake them.
    own: Mutex<Vec<ThreadId>>,
}

struct Gate {
    sizing: Sizing,
    batches: usize,
    /// Of these, those that are not in the queue yet.
    unpublished: usize,
    bytes: usize,
    /// Jobs without outcomes.
    jobs: u64,
    closed: bool,
    stopped: bool,
    ended: bool,
    broken: Option<Arc<str>>,
}

impl<J: Job> Shared<J> {
    pub(super) fn new(time_limit: Option<Duration>, commands: UnboundedSender<Command<J>>) -> Arc<Shared<J>> {
        let sizing = Sizing::new();
        let target = AtomicU64::new(sizing.jobs());
        let gate = Gate {
            sizing,
            batches: 0,
            unpublished: 0,
            bytes: 0,
            jobs: 0,
            closed: false,
            stopped: false,
            ended: false,
            broken: None,
        };
        Arc::new(Shared {
            time_limit,
            gate: Mutex::new(gate),
            room: Condvar::new(),
            over: Condvar::new(),
            gather: Mutex::new(Gather::new(Known::default())),
            commands,
            flushing: AtomicBool::new(false),
            target,
            own: Mutex::default(),
        })
    }

    pub(super) fn command(&self, command: Command<J>) {
        // Nobody listens any more only when all is over.
        let _ = self.commands.send(command);
    }

    /// The calling thread is one of those that call sinks.
    pub(super) fn is_own_thread_from_now_on(&self) {
        self.own.lock().push(thread::current().id());
    }

    pub(super) fn is_own_thread(&self) -> bool {
        self.own.lock().contains(&thread::current().id())
    }

    /// Waits until another batch may be begun. It may when nothing will be taken any more, too.
    pub(super) fn wait_for_room(&self) {
        let mut gate = self.gate.lock();
        if !gate.has_room() && self.is_own_thread() {
            return;
        }
        while !gate.has_room() && gate.refusal().is_none() {
            self.room.wait(&mut gate);
        }
    }

    /// How many jobs the next batch may have.
    pub(super) fn target(&self) -> u64 {
        self.target.load(Ordering::Relaxed)
    }

    pub(super) fn batches_under_way(&self) -> usize {
        self.gate.lock().sizing.batches_under_way()
    }

    pub(super) fn has_capacity(&self) -> bool {
        self.gate.lock().batches < 2
    }

    pub(super) fn refusal(&self) -> Option<SubmitError> {
        self.gate.lock().refusal()
    }

    /// Counts a job that is taken in.
    pub(super) fn entered(&self) -> Result<(), SubmitError> {
        let mut gate = self.gate.lock();
        match gate.refusal() {
            Some(refused) => Err(refused),
            None => {
                gate.jobs += 1;
                Ok(())
            }
        }
    }

    /// Counts a batch whose jobs have their outcomes.
    pub(super) fn resolved(&self, jobs: u64, bytes: usize) {
        let mut gate = self.gate.lock();
        gate.batches = gate.batches.saturating_sub(1);
        gate.bytes = gate.bytes.saturating_sub(bytes);
        gate.jobs = gate.jobs.saturating_sub(jobs);
        self.room.notify_all();
        if gate.jobs == 0 {
            self.command(Command::Look);
        }
    }

    /// Learns what a batch has cost.
    pub(super) fn note_cost(&self, jobs: u64, seconds: f64) {
        let mut gate = self.gate.lock();
        gate.sizing.note(jobs, seconds);
        self.target.store(gate.sizing.jobs(), Ordering::Relaxed);
        self.room.notify_all();
    }

    /// The open batch, if it has jobs.
    pub(super) fn take_open_batch(self: &Arc<Self>) -> Option<Batch<J>> {
        let mut gather = self.gather.lock();
        (!gather.is_empty()).then(|| gather.take(self))
    }

    pub(super) fn close(self: &Arc<Self>) {
        let mut gather = self.gather.lock();
        gather.send_off(self);
        self.gate.lock().closed = true;
        self.room.notify_all();
        drop(gather);
        self.command(Command::Look);
    }

    pub(super) fn stop(&self) {
        let mut gate = self.gate.lock();
        gate.closed = true;
        gate.stopped = true;
        self.room.notify_all();
    }

    /// The first cause counts.
    pub(super) fn break_down(&self, error: &Error) -> Arc<str> {
        let mut gate = self.gate.lock();
        gate.closed = true;
        self.room.notify_all();
        gate.broken.get_or_insert_with(|| error.to_string().into()).clone()
    }

    pub(super) fn broken(&self) -> Option<Arc<str>> {
        self.gate.lock().broken.clone()
    }

    /// Whether no jobs will come, and none is without an outcome.
    pub(super) fn is_over(&self) -> bool {
        let gate = self.gate.lock();
        gate.closed && gate.jobs == 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.gate.lock().closed
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.gate.lock().stopped
    }

    /// The runtime has nothing more to do.
    pub(super) fn end(&self) {
        self.gate.lock().ended = true;
        self.over.notify_all();
    }

    /// Waits for that; whether it has come.
    pub(super) fn wait_for_end(&self, time: Duration) -> bool {
        if self.is_own_thread() {
            return self.gate.lock().ended;
        }
        let deadline = Instant::now().checked_add(time);
        let mut gate = self.gate.lock();
        while !gate.ended {
            match deadline {
                None => self.over.wait(&mut gate),
                Some(deadline) => {
                    if self.over.wait_until(&mut gate, deadline).timed_out() {
                        return gate.ended;
                    }
                }
            }
        }
        true
    }
}

impl Gate {
    fn has_room(&self) -> bool {
        let has_room = || {
            self.batches < self.sizing.batches_under_way()
                && self.unpublished < MOST_UNPUBLISHED
                && self.bytes < MOST_BYTES
        };
        self.batches == 0 || has_room()
    }

    fn refusal(&self) -> Option<SubmitError> {
        if let Some(cause) = &self.broken {
            return Some(SubmitError::Broken(cause.clone()));
        }
        self.closed.then_some(SubmitError::Closed)
    }
}
