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
    sizing::{MAX_UNPUBLISHED, Sizing},
    submitter::SubmitBuffer,
};
use crate::{Error, names::Span, resume::ResumeIndex};

/// Bytes of jobs that may be under way.
const MAX_BYTES_IN_FLIGHT: usize = 256 << 20;

/// What the coordinator is told from outside.
pub(super) enum Command<J: Job> {
    /// A batch is complete.
    Message(JobMessage<J>),
    /// What has gathered should not have to wait for more.
    Flush,
    /// Something may be over now.
    CheckEnd,
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
pub(super) struct JobMessage<J: Job> {
    shared: Arc<RunState<J>>,
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

impl<J: Job> JobMessage<J> {
    pub(super) fn new(
        shared: &Arc<RunState<J>>,
        span: Span,
        payload: Bytes,
        digest: String,
        owners: Vec<Owner<J>>,
    ) -> JobMessage<J> {
        JobMessage { shared: shared.clone(), is_unpublished: false, span, payload, digest, owners }
    }

    /// Counts the batch as complete, and as one that is not in the queue yet.
    pub(super) fn count_complete(&mut self) {
        self.is_unpublished = true;
        let mut admission = self.shared.admission.lock();
        admission.messages += 1;
        admission.unpublished += 1;
        admission.bytes += self.payload.len();
    }

    /// The batch is in the queue, or is not published for now: the next one may be completed.
    pub(super) fn release_publish_slot(&mut self) {
        if std::mem::take(&mut self.is_unpublished) {
            self.shared.admission.lock().unpublished -= 1;
            self.shared.capacity_freed.notify_all();
        }
    }

    /// Whether nobody but this sink wants its outcomes.
    pub(super) fn belongs_only_to(&self, sink: &Arc<dyn Sink<J>>) -> bool {
        self.owners.iter().all(|owner| Arc::ptr_eq(&owner.sink, sink))
    }

    /// Delivers the outcomes, in the order of the jobs.
    pub(super) fn deliver(mut self, outcomes: Vec<Outcome<J>>) {
        let mut outcomes = outcomes.into_iter();
        for Owner { sink, tags } in std::mem::take(&mut self.owners) {
            let resolved =
                tags.into_iter().zip(&mut outcomes).map(|(tag, outcome)| Resolved { tag, outcome });
            resolve(&*sink, resolved.collect());
        }
    }

    /// Gives all its jobs the same failure.
    pub(super) fn fail(mut self, failure: impl Fn() -> JobError<J::Error>) {
        self.fail_owners(failure);
    }

    fn fail_owners(&mut self, failure: impl Fn() -> JobError<J::Error>) {
        for Owner { sink, tags } in std::mem::take(&mut self.owners) {
            let failed = |tag| Resolved { tag, outcome: Err(failure()) };
            resolve(&*sink, tags.into_iter().map(failed).collect());
        }
    }
}

impl<J: Job> Drop for JobMessage<J> {
    fn drop(&mut self) {
        if !self.owners.is_empty() {
            let cause = self.shared.set_broken(&Error::Panicked);
            self.fail_owners(|| JobError::Abandoned(cause.clone()));
        }
        self.release_publish_slot();
        self.shared.count_resolved(self.span.count, self.payload.len());
    }
}

/// Hands outcomes to a sink, whose panics are its own.
pub(super) fn resolve<J: Job>(sink: &dyn Sink<J>, resolved: Vec<Resolved<J>>) {
    if let Err(panic) = catch_panic(|| sink.resolve(resolved)) {
        eprintln!("a sink panicked: {panic}");
    }
}

pub(super) struct RunState<J: Job> {
    pub(super) time_limit: Option<Duration>,
    admission: Mutex<Admission>,
    /// Signalled when there may be room for a batch.
    capacity_freed: Condvar,
    /// Signalled at the end.
    over: Condvar,
    /// Taken before the gate, if both are.
    pub(super) buffer: Mutex<SubmitBuffer<J>>,
    commands: UnboundedSender<Command<J>>,
    /// Somebody has asked for a flush that has not been done.
    pub(super) flushing: AtomicBool,
    /// The target of the batch that is being gathered.
    target: AtomicU64,
    /// Threads that call sinks, and so whatever callbacks do: if they waited, nobody would ever wake them.
    sink_threads: Mutex<Vec<ThreadId>>,
}

struct Admission {
    sizing: Sizing,
    messages: usize,
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

impl<J: Job> RunState<J> {
    pub(super) fn new(
        time_limit: Option<Duration>,
        commands: UnboundedSender<Command<J>>,
    ) -> Arc<RunState<J>> {
        let sizing = Sizing::new();
        let target = AtomicU64::new(sizing.jobs());
        let admission = Admission {
            sizing,
            messages: 0,
            unpublished: 0,
            bytes: 0,
            jobs: 0,
            closed: false,
            stopped: false,
            ended: false,
            broken: None,
        };
        Arc::new(RunState {
            time_limit,
            admission: Mutex::new(admission),
            capacity_freed: Condvar::new(),
            over: Condvar::new(),
            buffer: Mutex::new(SubmitBuffer::new(ResumeIndex::default())),
            commands,
            flushing: AtomicBool::new(false),
            target,
            sink_threads: Mutex::default(),
        })
    }

    pub(super) fn command(&self, command: Command<J>) {
        // Nobody listens any more only when all is over.
        let _ = self.commands.send(command);
    }

    /// The calling thread is one of those that call sinks.
    pub(super) fn register_sink_thread(&self) {
        self.sink_threads.lock().push(thread::current().id());
    }

    pub(super) fn is_sink_thread(&self) -> bool {
        self.sink_threads.lock().contains(&thread::current().id())
    }

    /// Waits until another batch may be begun. It may when nothing will be taken any more, too.
    pub(super) fn wait_for_capacity(&self) {
        let mut admission = self.admission.lock();
        if !admission.has_capacity() && self.is_sink_thread() {
            return;
        }
        while !admission.has_capacity() && admission.refusal().is_none() {
            self.capacity_freed.wait(&mut admission);
        }
    }

    /// How many jobs the next batch may have.
    pub(super) fn target(&self) -> u64 {
        self.target.load(Ordering::Relaxed)
    }

    pub(super) fn max_in_flight(&self) -> usize {
        self.admission.lock().sizing.max_in_flight()
    }

    pub(super) fn has_capacity(&self) -> bool {
        self.admission.lock().messages < 2
    }

    pub(super) fn refusal(&self) -> Option<SubmitError> {
        self.admission.lock().refusal()
    }

    /// Counts a job that is taken in.
    pub(super) fn count_job(&self) -> Result<(), SubmitError> {
        let mut admission = self.admission.lock();
        match admission.refusal() {
            Some(refused) => Err(refused),
            None => {
                admission.jobs += 1;
                Ok(())
            }
        }
    }

    /// Counts a batch whose jobs have their outcomes.
    pub(super) fn count_resolved(&self, jobs: u64, bytes: usize) {
        let mut admission = self.admission.lock();
        admission.messages = admission.messages.saturating_sub(1);
        admission.bytes = admission.bytes.saturating_sub(bytes);
        admission.jobs = admission.jobs.saturating_sub(jobs);
        self.capacity_freed.notify_all();
        if admission.jobs == 0 {
            self.command(Command::CheckEnd);
        }
    }

    /// Learns what a batch has cost.
    pub(super) fn note_cost(&self, jobs: u64, seconds: f64) {
        let mut admission = self.admission.lock();
        admission.sizing.note(jobs, seconds);
        self.target.store(admission.sizing.jobs(), Ordering::Relaxed);
        self.capacity_freed.notify_all();
    }

    /// The open batch, if it has jobs.
    pub(super) fn take_open_batch(self: &Arc<Self>) -> Option<JobMessage<J>> {
        let mut buffer = self.buffer.lock();
        (!buffer.is_empty()).then(|| buffer.take(self))
    }

    pub(super) fn close(self: &Arc<Self>) {
        let mut buffer = self.buffer.lock();
        buffer.flush(self);
        self.admission.lock().closed = true;
        self.capacity_freed.notify_all();
        drop(buffer);
        self.command(Command::CheckEnd);
    }

    pub(super) fn stop(&self) {
        let mut admission = self.admission.lock();
        admission.closed = true;
        admission.stopped = true;
        self.capacity_freed.notify_all();
    }

    /// The first cause counts.
    pub(super) fn set_broken(&self, error: &Error) -> Arc<str> {
        let mut admission = self.admission.lock();
        admission.closed = true;
        self.capacity_freed.notify_all();
        admission.broken.get_or_insert_with(|| error.to_string().into()).clone()
    }

    pub(super) fn broken(&self) -> Option<Arc<str>> {
        self.admission.lock().broken.clone()
    }

    /// Whether no jobs will come, and none is without an outcome.
    pub(super) fn is_over(&self) -> bool {
        let admission = self.admission.lock();
        admission.closed && admission.jobs == 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.admission.lock().closed
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.admission.lock().stopped
    }

    /// The runtime has nothing more to do.
    pub(super) fn mark_ended(&self) {
        self.admission.lock().ended = true;
        self.over.notify_all();
    }

    /// Waits for that; whether it has come.
    pub(super) fn wait_for_end(&self, time: Duration) -> bool {
        if self.is_sink_thread() {
            return self.admission.lock().ended;
        }
        let deadline = Instant::now().checked_add(time);
        let mut admission = self.admission.lock();
        while !admission.ended {
            match deadline {
                None => self.over.wait(&mut admission),
                Some(deadline) => {
                    if self.over.wait_until(&mut admission, deadline).timed_out() {
                        return admission.ended;
                    }
                }
            }
        }
        true
    }
}

impl Admission {
    fn has_capacity(&self) -> bool {
        let has_capacity = || {
            self.messages < self.sizing.max_in_flight()
                && self.unpublished < MAX_UNPUBLISHED
                && self.bytes < MAX_BYTES_IN_FLIGHT
        };
        self.messages == 0 || has_capacity()
    }

    fn refusal(&self) -> Option<SubmitError> {
        if let Some(cause) = &self.broken {
            return Some(SubmitError::Broken(cause.clone()));
        }
        self.closed.then_some(SubmitError::Closed)
    }
}
