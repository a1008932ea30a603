//! State shared by the threads that push jobs, the runtime and the decoder.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::SyncSender,
    },
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use pool::{
    Job, JobError,
    error::SubmitError,
    future::Outcome,
    stream::{Resolved, Sink},
};
use tokio::sync::mpsc::UnboundedSender;
use wire::catch_panic;

use super::{
    sizing::{MAX_UNPUBLISHED, Sizing},
    submit_buffer::{Owner, PackedJobs, SubmitBuffer},
};
use crate::{Error, names::Span, resume::ResumeIndex};

/// Maximum size of all messages in flight in bytes.
const MAX_BYTES_IN_FLIGHT: usize = 256 << 20;

/// Commands to the coordinator from other threads.
pub(super) enum Command<J: Job> {
    /// A message is complete.
    Message(JobMessage<J>),
    /// The open message should be sent soon.
    Flush,
    /// The run may be over.
    CheckEnd,
    /// Cancels undelivered messages, of one sink or of all. The sender is dropped when that is done, which
    /// wakes the caller.
    CancelWaiting(Option<Arc<dyn Sink<J>>>, Option<SyncSender<()>>),
    /// Cancels undelivered messages now, and all others at this time.
    Stop(Instant),
    /// A result could not be decoded.
    Unreadable(Span, String),
    /// The run failed.
    Fail(Error),
}

/// Jobs that are published in one message. Dropping it counts its jobs as resolved. If their outcomes were
/// not delivered by then, which only a panic can cause, they are abandoned and the run is broken.
pub(super) struct JobMessage<J: Job> {
    shared: Arc<RunState<J>>,
    /// Whether it is counted in `Admission::unpublished`.
    is_unpublished: bool,
    pub(super) span: Span,
    pub(super) payload: Bytes,
    /// Digest of the jobs.
    pub(super) digest: String,
    pub(super) owners: Vec<Owner<J>>,
}

impl<J: Job> JobMessage<J> {
    pub(super) fn new(shared: &Arc<RunState<J>>, jobs: PackedJobs<J>) -> JobMessage<J> {
        let PackedJobs { span, payload, digest, owners } = jobs;
        JobMessage { shared: shared.clone(), is_unpublished: false, span, payload, digest, owners }
    }

    /// Counts the message as complete and unpublished.
    pub(super) fn count_complete(&mut self) {
        self.is_unpublished = true;
        let mut admission = self.shared.admission.lock();
        admission.messages += 1;
        admission.unpublished += 1;
        admission.bytes += self.payload.len();
    }

    /// Releases the message's slot in the publisher, because it is in the queue or held back; the next
    /// message may be completed.
    pub(super) fn release_publish_slot(&mut self) {
        if std::mem::take(&mut self.is_unpublished) {
            self.shared.admission.lock().unpublished -= 1;
            self.shared.capacity_freed.notify_all();
        }
    }

    /// Returns whether all its jobs are of this sink.
    pub(super) fn belongs_only_to(&self, sink: &Arc<dyn Sink<J>>) -> bool {
        self.owners.iter().all(|owner| Arc::ptr_eq(&owner.sink, sink))
    }

    /// Delivers the outcomes, which are in the order of the jobs.
    pub(super) fn deliver(mut self, outcomes: Vec<Outcome<J>>) {
        let mut outcomes = outcomes.into_iter();
        for Owner { sink, tags } in std::mem::take(&mut self.owners) {
            let resolved =
                tags.into_iter().zip(&mut outcomes).map(|(tag, outcome)| Resolved { tag, outcome });
            resolve(&*sink, resolved.collect());
        }
    }

    /// Fails all its jobs.
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
            self.fail_owners(|| JobError::Broken(cause.clone()));
        }
        self.release_publish_slot();
        self.shared.count_resolved(self.span.count, self.payload.len());
    }
}

/// Passes outcomes to a sink and catches its panics.
pub(super) fn resolve<J: Job>(sink: &dyn Sink<J>, resolved: Vec<Resolved<J>>) {
    if let Err(panic) = catch_panic(|| sink.resolve(resolved)) {
        eprintln!("a sink panicked: {panic}");
    }
}

pub(super) struct RunState<J: Job> {
    pub(super) time_limit: Option<Duration>,
    admission: Mutex<Admission>,
    /// Signalled when another message may be started.
    capacity_freed: Condvar,
    /// Signalled at the end of the run.
    end_of_run: Condvar,
    /// Locked before `admission`, if both are locked.
    pub(super) buffer: Mutex<SubmitBuffer<J>>,
    commands: UnboundedSender<Command<J>>,
    /// Whether a flush was requested and not done yet.
    pub(super) flushing: AtomicBool,
    /// Target number of jobs of the open message.
    target: AtomicU64,
    /// Threads that call sinks, and so their callbacks. They must not wait for capacity or the end: nothing
    /// would wake them.
    sink_threads: Mutex<Vec<ThreadId>>,
}

struct Admission {
    sizing: Sizing,
    messages: usize,
    /// Of these, those not in the queue yet.
    unpublished: usize,
    bytes: usize,
    /// Number of jobs without outcomes.
    jobs: u64,
    closed: bool,
    stopped: bool,
    ended: bool,
    /// Tasks that wait for the end of the run.
    end_wakers: Vec<Waker>,
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
            end_wakers: Vec::new(),
            broken: None,
        };
        Arc::new(RunState {
            time_limit,
            admission: Mutex::new(admission),
            capacity_freed: Condvar::new(),
            end_of_run: Condvar::new(),
            buffer: Mutex::new(SubmitBuffer::new(ResumeIndex::default())),
            commands,
            flushing: AtomicBool::new(false),
            target,
            sink_threads: Mutex::default(),
        })
    }

    pub(super) fn command(&self, command: Command<J>) {
        // The receiver is gone only at the end of the run.
        let _ = self.commands.send(command);
    }

    /// Registers the calling thread as one that calls sinks.
    pub(super) fn register_sink_thread(&self) {
        self.sink_threads.lock().push(thread::current().id());
    }

    pub(super) fn is_sink_thread(&self) -> bool {
        self.sink_threads.lock().contains(&thread::current().id())
    }

    /// Waits until another message may be started, or no jobs are accepted any more. Returns at once in a
    /// thread that calls sinks.
    pub(super) fn wait_for_capacity(&self) {
        let mut admission = self.admission.lock();
        if !admission.has_capacity() && self.is_sink_thread() {
            return;
        }
        while !admission.has_capacity() && admission.submit_error().is_none() {
            self.capacity_freed.wait(&mut admission);
        }
    }

    /// Returns the target number of jobs of the next message.
    pub(super) fn target(&self) -> u64 {
        self.target.load(Ordering::Relaxed)
    }

    pub(super) fn max_in_flight(&self) -> usize {
        self.admission.lock().sizing.max_in_flight()
    }

    pub(super) fn has_capacity(&self) -> bool {
        self.admission.lock().messages < 2
    }

    pub(super) fn submit_error(&self) -> Option<SubmitError> {
        self.admission.lock().submit_error()
    }

    /// Counts an accepted job.
    pub(super) fn count_job(&self) -> Result<(), SubmitError> {
        let mut admission = self.admission.lock();
        match admission.submit_error() {
            Some(refused) => Err(refused),
            None => {
                admission.jobs += 1;
                Ok(())
            }
        }
    }

    /// Counts a message whose jobs have outcomes.
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

    /// Adds a measured cost, and updates the target.
    pub(super) fn note_cost(&self, jobs: u64, seconds: f64) {
        let mut admission = self.admission.lock();
        admission.sizing.note(jobs, seconds);
        self.target.store(admission.sizing.jobs(), Ordering::Relaxed);
        self.capacity_freed.notify_all();
    }

    /// Takes the open message out of the buffer, if it has jobs.
    pub(super) fn take_open_batch(self: &Arc<Self>) -> Option<JobMessage<J>> {
        let mut buffer = self.buffer.lock();
        (!buffer.is_empty()).then(|| JobMessage::new(self, buffer.take()))
    }

    /// Sends the open message of the locked buffer, unless it is empty or short.
    pub(super) fn flush(self: &Arc<Self>, buffer: &mut SubmitBuffer<J>) {
        if let Some(jobs) = buffer.take_ready() {
            let mut message = JobMessage::new(self, jobs);
            message.count_complete();
            self.command(Command::Message(message));
        }
    }

    pub(super) fn close(self: &Arc<Self>) {
        let mut buffer = self.buffer.lock();
        self.flush(&mut buffer);
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

    /// Breaks the run. Returns the cause, which is that of the first call.
    pub(super) fn set_broken(&self, error: &Error) -> Arc<str> {
        let mut admission = self.admission.lock();
        admission.closed = true;
        self.capacity_freed.notify_all();
        admission.broken.get_or_insert_with(|| error.to_string().into()).clone()
    }

    pub(super) fn broken(&self) -> Option<Arc<str>> {
        self.admission.lock().broken.clone()
    }

    /// Returns whether no more jobs are accepted and all have outcomes.
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

    /// Marks the run as ended.
    pub(super) fn mark_ended(&self) {
        let mut admission = self.admission.lock();
        admission.ended = true;
        let wakers = std::mem::take(&mut admission.end_wakers);
        drop(admission);
        self.end_of_run.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Returns whether the run has ended; if not, wakes the task at its end.
    pub(super) fn poll_end(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut admission = self.admission.lock();
        if admission.ended {
            return Poll::Ready(());
        }
        if !admission.end_wakers.iter().any(|known| known.will_wake(context.waker())) {
            admission.end_wakers.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// Waits for the end of the run for at most `time`. Returns whether it has ended.
    pub(super) fn wait_for_end(&self, time: Duration) -> bool {
        if self.is_sink_thread() {
            return self.admission.lock().ended;
        }
        let deadline = Instant::now().checked_add(time);
        let mut admission = self.admission.lock();
        while !admission.ended {
            match deadline {
                None => self.end_of_run.wait(&mut admission),
                Some(deadline) => {
                    if self.end_of_run.wait_until(&mut admission, deadline).timed_out() {
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

    fn submit_error(&self) -> Option<SubmitError> {
        if let Some(cause) = &self.broken {
            return Some(SubmitError::Broken(cause.clone()));
        }
        self.closed.then_some(SubmitError::Closed)
    }
}
