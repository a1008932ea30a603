//! The pending messages of a run: publishes, looks up, completes, cancels and fails them.
//!
//! Only the coordinator's thread uses them. Nothing here waits for an answer: requests are made in tasks,
//! which report to the coordinator as events.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc::Sender},
    time::Instant,
};

use bytes::Bytes;
use pool::{Job, JobError, stream::Sink};

use super::{
    cleanup::Cleanup,
    decode::DecodeTask,
    event::ResultMessage,
    finder::Finder,
    gate::PublishGate,
    pending::{PendingMessage, RESULT_TIMEOUT},
    publish::{PublishRequest, Publisher},
    reconcile::Reconciler,
    shared::{JobMessage, RunState},
    snapshot::{QueueSnapshot, QueueState},
};
use crate::{
    Error, RunId, chunks,
    message::Metadata,
    names::Span,
    resume::{ResumeIndex, ResumeState},
};

pub(super) struct PendingMessages<J: Job> {
    run: RunId,
    shared: Arc<RunState<J>>,
    decoder: Sender<DecodeTask<J>>,
    publisher: Arc<Publisher>,
    finder: Arc<Finder>,
    reconciler: Reconciler,
    cleanup: Cleanup,
    known: ResumeIndex,
    pending: BTreeMap<u64, PendingMessage<J>>,
    /// Holds messages back until a message of the resumed run has been compared.
    gate: Option<PublishGate>,
}

impl<J: Job> PendingMessages<J> {
    /// Returns no messages of a run with this index.
    pub(super) fn new(
        (run, known): (RunId, ResumeIndex),
        shared: Arc<RunState<J>>,
        decoder: Sender<DecodeTask<J>>,
        (publisher, finder): (Arc<Publisher>, Arc<Finder>),
        cleanup: Cleanup,
    ) -> PendingMessages<J> {
        let gate = known.last().map(|_| PublishGate::default());
        PendingMessages {
            run,
            shared,
            decoder,
            publisher,
            reconciler: Reconciler::new(finder.clone()),
            finder,
            cleanup,
            known,
            pending: BTreeMap::new(),
            gate,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Returns when to call `tick`.
    pub(super) fn wake_at(&self) -> Instant {
        let gate = self.gate.as_ref().and_then(PublishGate::deadline);
        gate.into_iter().fold(self.reconciler.at(), Instant::min)
    }

    /// Opens the gate and looks for overdue messages if it is time.
    pub(super) fn tick(&mut self, now: Instant) {
        let pending = &self.pending;
        let is_comparing = || pending.values().any(PendingMessage::awaits_comparison);
        if self.gate.as_mut().is_some_and(|gate| gate.has_expired(now, is_comparing)) {
            self.open_gate();
        }
        // The message may have been removed, or a server may have lost what it had not written to disk.
        if self.reconciler.is_due(now) && self.has_overdue(now) {
            self.reconcile();
        }
    }

    /// Adds a message: looks it up if it is one of an earlier submitter, otherwise publishes it or holds it
    /// back.
    pub(super) fn add(&mut self, mut message: JobMessage<J>) {
        let span = message.span;
        let known =
            self.known.starting_at(span.first).filter(|(known, _)| *known == span).map(|(_, state)| state);
        if known.is_some() || self.gate.is_some() {
            message.release_publish_slot();
        }
        let pending = PendingMessage {
            digest: std::mem::take(&mut message.digest),
            sequence: None,
            sent: known.is_some(),
            publish_task: None,
            updated_at: Instant::now(),
            publish_count: 0,
            has_result: false,
            message,
        };
        let bytes = pending.message.payload.len();
        self.pending.insert(span.first, pending);
        match (known, &mut self.gate) {
            (Some(ResumeState::Stored), _) => self.finder.find(span),
            (Some(ResumeState::Queued), _) => self.finder.find_queued(span),
            (None, None) => self.publish(span.first),
            (None, Some(gate)) => {
                if gate.hold_back(bytes) {
                    self.open_gate();
                }
            }
        }
    }

    fn publish(&mut self, first: u64) {
        let Some(pending) = self.pending.get_mut(&first) else { return };
        let republished = pending.sent;
        pending.publish_count += 1;
        pending.sent = true;
        pending.sequence = None;
        pending.updated_at = Instant::now();
        let PendingMessage { message, digest, publish_count, .. } = pending;
        let (payload, digest) = (message.payload.clone(), digest.clone());
        let outgoing = PublishRequest {
            span: message.span,
            payload,
            digest,
            publish_count: *publish_count,
            republished,
        };
        let publish_task = self.publisher.publish(outgoing);
        pending.publish_task = Some(publish_task);
    }

    /// Publishes all messages that were held back.
    fn open_gate(&mut self) {
        if self.gate.take().is_some() {
            let unsent = self.pending.iter().filter(|(_, pending)| !pending.sent).map(|(&first, _)| first);
            unsent.collect::<Vec<_>>().into_iter().for_each(|first| self.publish(first));
        }
    }

    /// Handles the acknowledgement of a message that was published.
    pub(super) fn handle_published(&mut self, span: Span, sequence: u64) {
        if self.cleanup.note_sequence(span, sequence) {
            return;
        }
        if let Some(pending) = self.pending.get_mut(&span.first) {
            pending.sequence = Some(sequence);
            pending.updated_at = Instant::now();
            pending.message.release_publish_slot();
        }
    }

    /// Handles the lookup of a message of an earlier submitter that is in the queue.
    pub(super) fn handle_queued(&mut self, span: Span, sequence: u64, digest: &str) {
        let matches =
            |pending: &&mut PendingMessage<J>| pending.message.span == span && pending.publish_count == 0;
        let Some(pending) = self.pending.get_mut(&span.first).filter(matches) else { return };
        if pending.digest != digest {
            return self.fail(&Error::JobsDiffer { run: self.run.clone(), job: span.first });
        }
        pending.sequence = Some(sequence);
        pending.updated_at = Instant::now();
        self.open_gate();
    }

    /// Registers a result. Returns whether to handle it: of several for the same jobs the first one counts,
    /// and one without a pending message is only marked as stored in the index. Fails the run if the result
    /// is of other jobs, or of jobs that a node could not read.
    pub(super) fn register_result(&mut self, found: &ResultMessage, metadata: &Metadata) -> bool {
        let span = found.span;
        let Some(pending) = self.pending.get_mut(&span.first).filter(|pending| pending.message.span == span)
        else {
            // Its jobs have not been pushed yet: it is looked up when they are.
            self.known.mark_stored(span);
            return false;
        };
        if metadata.digest != pending.digest {
            self.fail(&Error::JobsDiffer { run: self.run.clone(), job: span.first });
            return false;
        }
        if let Some(cause) = &metadata.failure {
            self.fail_incomplete(span, cause.clone(), found.sequence);
            return false;
        }
        !std::mem::replace(&mut pending.has_result, true)
    }

    /// Handles a registered result.
    pub(super) fn handle_result(&mut self, found: ResultMessage, cost: Option<f64>) {
        let span = found.span;
        self.publisher.note_progress();
        if let Some(seconds) = cost {
            self.shared.note_cost(span.count, seconds);
        }
        match chunks::is_whole(&found.headers) {
            true => self.complete(span, found.payload),
            false => self.finder.load(found),
        }
        self.open_gate();
    }

    /// Handles a result whose chunks have been loaded, or cannot be.
    pub(super) fn handle_loaded(&mut self, span: Span, loaded: Result<Bytes, Error>) {
        match loaded {
            Ok(outcomes) => self.complete(span, outcomes),
            Err(Error::NoAnswer(_)) => {
                // Looked up again with the overdue messages.
                if let Some(pending) = self.pending.get_mut(&span.first) {
                    pending.has_result = false;
                }
            }
            Err(error) => self.fail_unreadable(span, error.to_string()),
        }
    }

    fn complete(&mut self, span: Span, outcomes: Bytes) {
        if let Some(PendingMessage { message, .. }) = self.pending.remove(&span.first) {
            self.known.forget(span.first);
            // The decoder runs as long as the coordinator.
            let _ = self.decoder.send(DecodeTask { message, outcomes });
        }
    }

    /// Handles a message that has no result and was not in the queue in an earlier snapshot: it is published
    /// again, or cancelled if the run is being stopped.
    pub(super) fn handle_not_found(&mut self, span: Span, is_stopping: bool) {
        let is_lost = |pending: &&PendingMessage<J>| pending.message.span == span && pending.is_published();
        match self.pending.get(&span.first).filter(is_lost) {
            Some(_) if is_stopping => self.cancel_one(span.first),
            Some(_) => self.publish(span.first),
            None => {}
        }
    }

    /// Returns whether the result of a message is overdue.
    pub(super) fn has_overdue(&self, now: Instant) -> bool {
        self.pending.values().any(|pending| pending.is_overdue(now))
    }

    /// Requests a snapshot of the queue, unless one is under way.
    pub(super) fn reconcile(&mut self) {
        self.reconciler.request();
    }

    /// Treats all messages as overdue, because events may have been missed.
    pub(super) fn reconcile_all(&mut self) {
        let now = Instant::now();
        let long_ago = now.checked_sub(2 * RESULT_TIMEOUT).unwrap_or(now);
        self.pending.values_mut().for_each(|pending| pending.updated_at = pending.updated_at.min(long_ago));
        self.reconciler.request_newer();
    }

    /// Notes that a snapshot has come. Returns whether it may be too old to look up overdue messages by it.
    pub(super) fn note_snapshot(&mut self) -> bool {
        self.reconciler.received()
    }

    /// Looks up the results of overdue messages that are not in the queue. The order matters: a result is
    /// stored before its message leaves the queue, so a message with neither is lost.
    pub(super) fn find_overdue(&mut self, snapshot: &QueueSnapshot) {
        for pending in self.pending.values_mut().filter(|pending| pending.is_overdue(snapshot.requested_at)) {
            pending.updated_at = snapshot.requested_at;
            if snapshot.state(pending) == QueueState::Absent {
                self.finder.find(pending.message.span);
            }
        }
    }

    /// Looks up the results of matching messages that are not in the queue.
    pub(super) fn find_absent(&self, snapshot: &QueueSnapshot, matches: impl Fn(&PendingMessage<J>) -> bool) {
        for pending in self.pending.values().filter(|pending| matches(pending)) {
            if snapshot.state(pending) == QueueState::Absent {
                self.finder.find(pending.message.span);
            }
        }
    }

    /// Cancels the jobs of the open message if they are all of this sink, or of any if it is `None`, even if
    /// the message is short.
    pub(super) fn cancel_buffered(&self, sink: Option<&Arc<dyn Sink<J>>>) {
        if let Some(message) = self.take_buffered(sink) {
            message.fail(|| JobError::Cancelled);
        }
    }

    fn take_buffered(&self, of: Option<&Arc<dyn Sink<J>>>) -> Option<JobMessage<J>> {
        let mut buffer = self.shared.buffer.lock();
        buffer.belongs_only_to(of).then(|| JobMessage::new(&self.shared, buffer.take()))
    }

    /// Cancels all matching messages.
    pub(super) fn cancel(&mut self, matches: impl Fn(&PendingMessage<J>) -> bool) {
        let matching = self.pending.iter().filter(|(_, pending)| matches(pending)).map(|(&first, _)| first);
        matching.collect::<Vec<_>>().into_iter().for_each(|first| self.cancel_one(first));
    }

    fn cancel_one(&mut self, first: u64) {
        if let Some(pending) = self.pending.remove(&first) {
            pending.publish_task.as_ref().inspect(|publish_task| publish_task.abort());
            self.cleanup.mark(&pending);
            pending.message.fail(|| JobError::Cancelled);
        }
    }

    pub(super) fn stop_publishing(&self) {
        self.publisher.stop_publishing();
    }

    /// Marks the messages that an earlier submitter left in the queue for removal.
    pub(super) fn mark_known(&mut self) {
        self.cleanup.mark_spans(self.known.queued());
    }

    /// Removes the messages that are marked for removal.
    pub(super) fn remove_marked(&mut self) {
        self.cleanup.remove_marked();
    }

    /// Cleans up at the end of the run.
    pub(super) async fn clean_up(&mut self) {
        self.cleanup.finish().await;
    }

    /// When no more jobs will come, checks that there were as many as the run is known to have.
    pub(super) fn check_job_count(&mut self) {
        if !self.shared.is_closed() || self.shared.is_stopped() || self.shared.broken().is_some() {
            return;
        }
        let read = self.shared.buffer.lock().pushed();
        if let Some(last) = self.known.last().filter(|&last| last >= read) {
            let run = self.run.clone();
            self.fail(&Error::TooFewJobs { run, last, read });
        }
    }

    /// Fails the run because a node could not read the jobs of a message. Its result is removed, so that the
    /// run can be resumed.
    fn fail_incomplete(&mut self, span: Span, cause: String, sequence: u64) {
        self.cleanup.remove_result(sequence);
        let run = self.run.clone();
        self.fail(&Error::IncompleteMessage { run, first: span.first, last: span.last(), cause });
    }

    /// Fails the run because a result cannot be decoded.
    pub(super) fn fail_unreadable(&mut self, span: Span, cause: String) {
        let run = self.run.clone();
        self.fail(&Error::Unreadable { run, first: span.first, last: span.last(), cause });
    }

    /// Fails the run: all remaining jobs get the error as their outcome. Only messages that this submitter
    /// has published are removed from the queue, because the jobs may have been another run's.
    pub(super) fn fail(&mut self, error: &Error) {
        if matches!(error, Error::TakenOver { .. }) {
            self.cleanup.mark_taken_over();
        }
        let cause = self.shared.set_broken(error);
        self.publisher.stop_publishing();
        for pending in std::mem::take(&mut self.pending).into_values() {
            if pending.publish_count > 0 {
                self.cleanup.mark(&pending);
            }
            pending.message.fail(|| JobError::Broken(cause.clone()));
        }
        if let Some(message) = self.take_buffered(None) {
            message.fail(|| JobError::Broken(cause.clone()));
        }
    }
}
