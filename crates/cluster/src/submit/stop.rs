//! Ends a run: when all jobs have outcomes, when it is stopped, and when it fails.

use std::{
    sync::{Arc, mpsc::SyncSender},
    time::{Duration, Instant},
};

use pool::{Job, JobError, Sink};

use super::{
    coordinator::Coordinator,
    pending::PendingMessage,
    reconcile::{QueueSnapshot, QueueState},
    results::RESULT_TIMEOUT,
    shared::JobMessage,
};
use crate::Error;

/// Maximum time for which a caller of `cancel_waiting` waits.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// First delay between two snapshots of the queue while a run is being stopped; doubled each time.
const RECONCILE_DELAY: Duration = Duration::from_millis(200);

/// State of a run that is being stopped.
pub(super) struct Stopping {
    pub(super) deadline: Instant,
    pub(super) reconcile_at: Instant,
    interval: Duration,
}

/// A request to cancel all messages that were not delivered when it was made.
pub(super) struct CancelRequest<J: Job> {
    requested_at: Instant,
    /// Cancel only this sink's jobs.
    sink: Option<Arc<dyn Sink<J>>>,
    /// Dropped to wake the caller that waits.
    done: Option<SyncSender<()>>,
}

impl<J: Job> CancelRequest<J> {
    fn matches(&self, pending: &PendingMessage<J>) -> bool {
        self.sink.as_ref().is_none_or(|sink| pending.message.belongs_only_to(sink))
    }

    pub(super) fn caller_deadline(&self) -> Option<Instant> {
        self.done.as_ref().map(|_| self.requested_at + CANCEL_TIMEOUT)
    }

    /// Stops blocking a caller that has waited for the timeout.
    pub(super) fn release_caller(&mut self, now: Instant) {
        if self.caller_deadline().is_some_and(|deadline| deadline <= now) {
            self.done = None;
        }
    }
}

impl<J: Job> Coordinator<J> {
    /// When no more jobs will come, checks that there were as many as the run is known to have.
    pub(super) fn check_job_count(&mut self) {
        if !self.shared.is_closed() || self.shared.is_stopped() || self.shared.broken().is_some() {
            return;
        }
        let read = self.shared.buffer.lock().pushed();
        if let Some(last) = self.known.last().filter(|&last| last >= read) {
            let run = self.settings.run.clone();
            self.fail(&Error::TooFewJobs { run, last, read });
        }
    }

    /// Cancels all messages that were not delivered to a node, of one sink or of all: those that are not in
    /// the queue at once, the others after a snapshot of the queue. A message with jobs of several sinks is
    /// cancelled only with all.
    pub(super) fn cancel_waiting(&mut self, sink: Option<Arc<dyn Sink<J>>>, done: Option<SyncSender<()>>) {
        if let Some(message) = self.take_buffered(sink.as_ref()) {
            message.fail(|| JobError::Cancelled);
        }
        let request = CancelRequest { requested_at: Instant::now(), sink, done };
        self.cancel(|pending| {
            request.matches(pending) && !pending.has_result && (!pending.sent || pending.is_publishing())
        });
        self.cancel_requests.push(request);
        self.reconcile();
    }

    /// Takes the open message out of the buffer, even if it is short.
    fn take_buffered(&self, of: Option<&Arc<dyn Sink<J>>>) -> Option<JobMessage<J>> {
        let mut buffer = self.shared.buffer.lock();
        buffer.belongs_only_to(of).then(|| JobMessage::new(&self.shared, buffer.take()))
    }

    fn cancel(&mut self, matches: impl Fn(&PendingMessage<J>) -> bool) {
        let matching = self.pending.iter().filter(|(_, pending)| matches(pending)).map(|(&first, _)| first);
        matching.collect::<Vec<_>>().into_iter().for_each(|first| self.cancel_one(first));
    }

    pub(super) fn cancel_one(&mut self, first: u64) {
        if let Some(pending) = self.pending.remove(&first) {
            pending.publish_task.as_ref().inspect(|publish_task| publish_task.abort());
            self.mark_unwanted(&pending);
            pending.message.fail(|| JobError::Cancelled);
        }
    }

    pub(super) fn stop(&mut self, deadline: Instant) {
        let now = Instant::now();
        self.publisher.stop_publishing();
        match &mut self.stopping {
            Some(stopping) => stopping.deadline = stopping.deadline.min(deadline),
            None => {
                self.stopping = Some(Stopping {
                    deadline,
                    reconcile_at: now + RECONCILE_DELAY,
                    interval: RECONCILE_DELAY,
                });
                // Also the messages that an earlier submitter left in the queue.
                self.unwanted_spans.extend(self.known.queued());
                self.cancel_waiting(None, None);
            }
        }
        self.continue_stopping(now);
    }

    /// Continues stopping: reconciles at growing intervals, and cancels everything when the time is over.
    pub(super) fn continue_stopping(&mut self, now: Instant) {
        let Some(stopping) = &mut self.stopping else { return };
        if stopping.deadline <= now {
            // Nothing has to be woken for after the end.
            stopping.deadline = now + Duration::from_secs(1 << 30);
            stopping.reconcile_at = stopping.deadline;
            self.cancel(|_| true);
        } else if stopping.reconcile_at <= now {
            stopping.interval = (stopping.interval * 2).min(RESULT_TIMEOUT);
            stopping.reconcile_at = now + stopping.interval;
            self.reconcile();
        }
    }

    /// Cancels undelivered messages for the requests that are older than the snapshot.
    pub(super) fn cancel_undelivered(&mut self, snapshot: &QueueSnapshot) {
        let is_answered = |request: &mut CancelRequest<J>| request.requested_at <= snapshot.requested_at;
        for request in self.cancel_requests.extract_if(.., is_answered).collect::<Vec<_>>() {
            self.cancel(|pending| {
                let is_older = pending.is_published() && pending.updated_at <= request.requested_at;
                is_older && request.matches(pending) && snapshot.state(pending) == QueueState::Undelivered
            });
        }
        if self.stopping.is_some() {
            self.stop_undelivered(snapshot);
        }
    }

    /// Cancels all undelivered messages of a run that is being stopped, and looks up results of messages that
    /// are not in the queue: they have a result that was missed, or will not get one any more.
    fn stop_undelivered(&mut self, snapshot: &QueueSnapshot) {
        let matches = |pending: &PendingMessage<J>| {
            pending.is_published() && pending.updated_at <= snapshot.requested_at
        };
        self.cancel(|pending| matches(pending) && snapshot.state(pending) == QueueState::Undelivered);
        for pending in self.pending.values().filter(|pending| matches(pending)) {
            if snapshot.state(pending) == QueueState::Absent {
                self.finder.find(pending.message.span);
            }
        }
    }

    /// Fails the run: all remaining jobs get the error as their outcome. Only messages that this submitter
    /// has published are removed from the queue, because the jobs may have been another run's.
    pub(super) fn fail(&mut self, error: &Error) {
        self.taken_over |= matches!(error, Error::TakenOver { .. });
        let cause = self.shared.set_broken(error);
        self.publisher.stop_publishing();
        for pending in std::mem::take(&mut self.pending).into_values() {
            if pending.publish_count > 0 {
                self.mark_unwanted(&pending);
            }
            pending.message.fail(|| JobError::Abandoned(cause.clone()));
        }
        if let Some(message) = self.take_buffered(None) {
            message.fail(|| JobError::Abandoned(cause.clone()));
        }
    }
}
