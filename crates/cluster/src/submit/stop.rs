//! Cancels undelivered messages, on request and when the run is stopped.

use std::{
    sync::{Arc, mpsc::SyncSender},
    time::{Duration, Instant},
};

use pool::{Job, stream::Sink};

use super::{
    messages::PendingMessages,
    pending::{PendingMessage, RESULT_TIMEOUT},
    snapshot::{QueueSnapshot, QueueState},
};

/// Maximum time for which a caller of `cancel_waiting` waits.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// First delay between two snapshots of the queue while a run is being stopped; doubled each time.
const RECONCILE_DELAY: Duration = Duration::from_millis(200);

/// Cancellations that wait for a snapshot of the queue.
pub(super) struct Cancellations<J: Job> {
    requests: Vec<CancelRequest<J>>,
    stopping: Option<Stopping>,
}

/// State of a run that is being stopped.
struct Stopping {
    deadline: Instant,
    reconcile_at: Instant,
    interval: Duration,
}

/// A request to cancel all messages that were not delivered when it was made.
struct CancelRequest<J: Job> {
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

    fn caller_deadline(&self) -> Option<Instant> {
        self.done.as_ref().map(|_| self.requested_at + CANCEL_TIMEOUT)
    }

    /// Stops blocking a caller that has waited for the timeout.
    fn release_caller(&mut self, now: Instant) {
        if self.caller_deadline().is_some_and(|deadline| deadline <= now) {
            self.done = None;
        }
    }
}

impl<J: Job> Cancellations<J> {
    pub(super) fn new() -> Cancellations<J> {
        Cancellations { requests: Vec::new(), stopping: None }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Returns whether requests wait for a snapshot.
    pub(super) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Returns when to call `tick`, if at all.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let stopping = self.stopping.as_ref().map(|stopping| stopping.deadline.min(stopping.reconcile_at));
        self.requests.iter().filter_map(CancelRequest::caller_deadline).chain(stopping).min()
    }

    /// Releases callers that have waited for the timeout, and continues stopping.
    pub(super) fn tick(&mut self, messages: &mut PendingMessages<J>, now: Instant) {
        self.requests.iter_mut().for_each(|request| request.release_caller(now));
        self.continue_stopping(messages, now);
    }

    /// Cancels all messages that were not delivered to a node, of one sink or of all: those that are not in
    /// the queue at once, the others after a snapshot of the queue. A message with jobs of several sinks is
    /// cancelled only with all.
    pub(super) fn cancel_waiting(
        &mut self,
        messages: &mut PendingMessages<J>,
        sink: Option<Arc<dyn Sink<J>>>,
        done: Option<SyncSender<()>>,
    ) {
        messages.cancel_buffered(sink.as_ref());
        let request = CancelRequest { requested_at: Instant::now(), sink, done };
        messages.cancel(|pending| {
            request.matches(pending) && !pending.has_result && (!pending.sent || pending.is_publishing())
        });
        self.requests.push(request);
        messages.reconcile();
    }

    /// Stops the run: cancels undelivered messages now, and all others at the deadline.
    pub(super) fn stop(&mut self, messages: &mut PendingMessages<J>, deadline: Instant) {
        let now = Instant::now();
        messages.stop_publishing();
        match &mut self.stopping {
            Some(stopping) => stopping.deadline = stopping.deadline.min(deadline),
            None => {
                self.stopping = Some(Stopping {
                    deadline,
                    reconcile_at: now + RECONCILE_DELAY,
                    interval: RECONCILE_DELAY,
                });
                messages.mark_known();
                self.cancel_waiting(messages, None, None);
            }
        }
        self.continue_stopping(messages, now);
    }

    /// Continues stopping: reconciles at growing intervals, and cancels everything when the time is over.
    fn continue_stopping(&mut self, messages: &mut PendingMessages<J>, now: Instant) {
        let Some(stopping) = &mut self.stopping else { return };
        if stopping.deadline <= now {
            // Nothing has to be woken for after the end.
            stopping.deadline = now + Duration::from_secs(1 << 30);
            stopping.reconcile_at = stopping.deadline;
            messages.cancel(|_| true);
        } else if stopping.reconcile_at <= now {
            stopping.interval = (stopping.interval * 2).min(RESULT_TIMEOUT);
            stopping.reconcile_at = now + stopping.interval;
            messages.reconcile();
        }
    }

    /// Cancels undelivered messages for the requests that are older than the snapshot.
    pub(super) fn apply_snapshot(&mut self, messages: &mut PendingMessages<J>, snapshot: &QueueSnapshot) {
        let is_answered = |request: &mut CancelRequest<J>| request.requested_at <= snapshot.requested_at;
        for request in self.requests.extract_if(.., is_answered) {
            messages.cancel(|pending| {
                let is_older = pending.is_published() && pending.updated_at <= request.requested_at;
                is_older && request.matches(pending) && snapshot.state(pending) == QueueState::Undelivered
            });
        }
        if self.is_stopping() {
            stop_undelivered(messages, snapshot);
        }
    }
}

/// Cancels all undelivered messages of a run that is being stopped, and looks up results of messages that are
/// not in the queue: they have a result that was missed, or will not get one any more.
fn stop_undelivered<J: Job>(messages: &mut PendingMessages<J>, snapshot: &QueueSnapshot) {
    let matches =
        |pending: &PendingMessage<J>| pending.is_published() && pending.updated_at <= snapshot.requested_at;
    messages.cancel(|pending| matches(pending) && snapshot.state(pending) == QueueState::Undelivered);
    messages.find_absent(snapshot, matches);
}
