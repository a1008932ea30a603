//! How a run ends: when there is nothing more to do, when somebody stops it, and when it cannot go on.

use std::{
    sync::{Arc, mpsc::SyncSender},
    time::{Duration, Instant},
};

use pool::{Job, JobError, Sink};

use super::{
    coordinator::{Coordinator, PendingMessage},
    reconcile::{QueueSnapshot, QueueState},
    results::RESULT_TIMEOUT,
    shared::JobMessage,
};
use crate::Error;

/// How long somebody waits who has asked for jobs to be cancelled.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// While a run is being stopped, how soon it is asked again where its batches are; then half as often each time.
const RECONCILE_DELAY: Duration = Duration::from_millis(200);

/// A run that is being stopped.
pub(super) struct Stopping {
    pub(super) until: Instant,
    pub(super) reconcile_at: Instant,
    interval: Duration,
}

/// What no node has been given by now is to be cancelled.
pub(super) struct CancelRequest<J: Job> {
    asked: Instant,
    /// Of these jobs only.
    sink: Option<Arc<dyn Sink<J>>>,
    /// Somebody who waits for that.
    done: Option<SyncSender<()>>,
}

impl<J: Job> CancelRequest<J> {
    fn matches(&self, pending: &PendingMessage<J>) -> bool {
        self.sink.as_ref().is_none_or(|sink| pending.message.belongs_only_to(sink))
    }

    pub(super) fn caller_deadline(&self) -> Option<Instant> {
        self.done.as_ref().map(|_| self.asked + CANCEL_TIMEOUT)
    }

    /// Lets go whoever has waited for long.
    pub(super) fn release_caller(&mut self, now: Instant) {
        if self.caller_deadline().is_some_and(|until| until <= now) {
            self.done = None;
        }
    }
}

impl<J: Job> Coordinator<J> {
    /// No more jobs will come: have there been as many as the run is known to have?
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

    /// Cancels what no node has been given, of one sink or of all: what is not in the queue at once, and the rest when it is
    /// known what that is. A batch that several sinks have jobs in is cancelled with all.
    pub(super) fn cancel_waiting(&mut self, sink: Option<Arc<dyn Sink<J>>>, done: Option<SyncSender<()>>) {
        if let Some(message) = self.take_buffered(sink.as_ref()) {
            message.fail(|| JobError::Cancelled);
        }
        let request = CancelRequest { asked: Instant::now(), sink, done };
        self.cancel(|pending| {
            request.matches(pending) && !pending.has_result && (!pending.sent || pending.is_publishing())
        });
        self.cancel_requests.push(request);
        self.reconcile();
    }

    /// Jobs that have gathered, whether they make a batch or not.
    fn take_buffered(&self, of: Option<&Arc<dyn Sink<J>>>) -> Option<JobMessage<J>> {
        let mut buffer = self.shared.buffer.lock();
        buffer.belongs_only_to(of).then(|| buffer.take(&self.shared))
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

    pub(super) fn stop(&mut self, until: Instant) {
        let now = Instant::now();
        self.publisher.stop_publishing();
        match &mut self.stopping {
            Some(stopping) => stopping.until = stopping.until.min(until),
            None => {
                self.stopping =
                    Some(Stopping { until, reconcile_at: now + RECONCILE_DELAY, interval: RECONCILE_DELAY });
                // Of what an earlier submitter has left in the queue, too.
                self.unwanted_spans.extend(self.known.queued());
                self.cancel_waiting(None, None);
            }
        }
        self.continue_stopping(now);
    }

    /// Waits for the results of what nodes have, until the time is over.
    pub(super) fn continue_stopping(&mut self, now: Instant) {
        let Some(stopping) = &mut self.stopping else { return };
        if stopping.until <= now {
            // After the end there is nothing to be woken for soon.
            stopping.until = now + Duration::from_secs(1 << 30);
            stopping.reconcile_at = stopping.until;
            self.cancel(|_| true);
        } else if stopping.reconcile_at <= now {
            stopping.interval = (stopping.interval * 2).min(RESULT_TIMEOUT);
            stopping.reconcile_at = now + stopping.interval;
            self.reconcile();
        }
    }

    /// Cancels what waits in the queue, where that has been asked for.
    pub(super) fn cancel_undelivered(&mut self, snapshot: &QueueSnapshot) {
        let is_answered = |request: &mut CancelRequest<J>| request.asked <= snapshot.asked;
        for request in self.cancel_requests.extract_if(.., is_answered).collect::<Vec<_>>() {
            self.cancel(|pending| {
                let is_older = pending.is_published() && pending.since <= request.asked;
                is_older && request.matches(pending) && snapshot.state(pending) == QueueState::Undelivered
            });
        }
        if self.stopping.is_some() {
            self.stop_undelivered(snapshot);
        }
    }

    /// While the run is being stopped nothing begins that no node has; and what is not in the queue is looked for: it has a
    /// result that has not been heard of, or it will not get one any more.
    fn stop_undelivered(&mut self, snapshot: &QueueSnapshot) {
        let matches = |pending: &PendingMessage<J>| pending.is_published() && pending.since <= snapshot.asked;
        self.cancel(|pending| matches(pending) && snapshot.state(pending) == QueueState::Undelivered);
        for pending in self.pending.values().filter(|pending| matches(pending)) {
            if snapshot.state(pending) == QueueState::Absent {
                self.finder.find(pending.message.span);
            }
        }
    }

    /// The run cannot go on: all that is left shares the reason. What this submitter has put into the queue is taken back, and
    /// nothing else: it may be that the jobs were another run's.
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
