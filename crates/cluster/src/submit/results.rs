//! Handles results, and messages whose results are overdue.

use std::time::{Duration, Instant};

use bytes::Bytes;
use pool::Job;

use super::{
    coordinator::Coordinator,
    decode::DecodeTask,
    listen::ResultMessage,
    pending::PendingMessage,
    reconcile::{QueueSnapshot, QueueState},
};
use crate::{Error, chunks, message::Metadata, names::Span};

/// Time without an event after which a message is looked up.
pub(super) const RESULT_TIMEOUT: Duration = Duration::from_secs(5);

impl<J: Job> Coordinator<J> {
    /// Handles a result. Of several for the same jobs the first one counts. One without a pending message is
    /// only marked as stored in the index.
    pub(super) fn handle_result(&mut self, found: ResultMessage) {
        let span = found.span;
        let Some(pending) = self.pending.get_mut(&span.first).filter(|pending| pending.message.span == span)
        else {
            // Its jobs have not been pushed yet: it is looked up when they are.
            self.known.mark_stored(span);
            return;
        };
        let metadata = Metadata::from_headers(&found.headers);
        if metadata.digest != pending.digest {
            let error = Error::OtherJobs { run: self.settings.run.clone(), job: span.first };
            return self.fail(&error);
        }
        if let Some(cause) = metadata.failure {
            return self.fail_incomplete(span, cause, found.sequence);
        }
        if std::mem::replace(&mut pending.has_result, true) {
            return;
        }
        self.publisher.note_progress();
        self.note_node_activity();
        if let Some(seconds) = metadata.cost {
            self.shared.note_cost(span.count, seconds);
        }
        match chunks::is_whole(&found.headers) {
            true => self.complete(span, found.payload),
            false => self.finder.load(found),
        }
        self.open_gate();
    }

    /// Fails the run because a node could not read the jobs of a message. Its result is removed, so that the
    /// run can be resumed.
    fn fail_incomplete(&mut self, span: Span, cause: String, sequence: u64) {
        let results = self.streams.results.clone();
        self.removals.spawn(async move { drop(results.delete_message(sequence).await) });
        let run = self.settings.run.clone();
        self.fail(&Error::IncompleteBatch { run, first: span.first, last: span.last(), cause });
    }

    /// Handles the lookup of a message of an earlier submitter that is in the queue.
    pub(super) fn handle_queued(&mut self, span: Span, sequence: u64, digest: &str) {
        let matches =
            |pending: &&mut PendingMessage<J>| pending.message.span == span && pending.publish_count == 0;
        let Some(pending) = self.pending.get_mut(&span.first).filter(matches) else { return };
        if pending.digest != digest {
            return self.fail(&Error::OtherJobs { run: self.settings.run.clone(), job: span.first });
        }
        pending.sequence = Some(sequence);
        pending.updated_at = Instant::now();
        self.open_gate();
    }

    pub(super) fn fail_unreadable(&mut self, span: Span, cause: String) {
        let run = self.settings.run.clone();
        self.fail(&Error::Unreadable { run, first: span.first, last: span.last(), cause });
    }

    pub(super) fn complete(&mut self, span: Span, outcomes: Bytes) {
        if let Some(PendingMessage { message, .. }) = self.pending.remove(&span.first) {
            self.known.forget(span.first);
            // The decoder runs as long as the coordinator.
            let _ = self.decoder.send(DecodeTask { message, outcomes });
        }
    }

    /// Handles a message that has no result and was not in the queue in an earlier snapshot: it is published
    /// again, or cancelled if the run is being stopped.
    pub(super) fn not_found(&mut self, span: Span) {
        let is_lost = |pending: &&PendingMessage<J>| pending.message.span == span && pending.is_published();
        match self.pending.get(&span.first).filter(is_lost) {
            Some(_) if self.stopping.is_some() => self.cancel_one(span.first),
            Some(_) => self.publish(span.first),
            None => {}
        }
    }

    /// Takes a snapshot if the result of a message is overdue: the message may have been removed, or a server
    /// may have lost what it had not written to disk.
    pub(super) fn reconcile_overdue(&mut self, now: Instant) {
        if self.pending.values().any(|pending| pending.is_overdue(now)) {
            self.reconcile();
        }
    }

    /// Treats all messages as overdue, because events may have been missed.
    pub(super) fn reconcile_all(&mut self) {
        let now = Instant::now();
        let long_ago = now.checked_sub(2 * RESULT_TIMEOUT).unwrap_or(now);
        self.pending.values_mut().for_each(|pending| pending.updated_at = pending.updated_at.min(long_ago));
        self.reconcile_again = self.is_reconciling;
        self.reconcile();
    }

    /// Requests a snapshot of the queue, unless one is under way.
    pub(super) fn reconcile(&mut self) {
        if !std::mem::replace(&mut self.is_reconciling, true) {
            self.finder.take_snapshot();
        }
    }

    /// Handles a snapshot: looks up the results of overdue messages that are not in the queue. The order
    /// matters: a result is stored before its message leaves the queue, so a message with neither is lost.
    pub(super) fn apply_snapshot(&mut self, snapshot: &QueueSnapshot) {
        self.is_reconciling = false;
        self.cancel_undelivered(snapshot);
        if std::mem::take(&mut self.reconcile_again) {
            return self.reconcile();
        }
        if snapshot.is_missing()
            && self.pending.values().any(|pending| pending.is_overdue(snapshot.requested_at))
        {
            self.request_queue_check();
        }
        for pending in self.pending.values_mut().filter(|pending| pending.is_overdue(snapshot.requested_at)) {
            pending.updated_at = snapshot.requested_at;
            if snapshot.state(pending) == QueueState::Absent {
                self.finder.find(pending.message.span);
            }
        }
        if !self.cancel_requests.is_empty() {
            self.reconcile();
        }
    }
}
