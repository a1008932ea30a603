//! Results, as they come or are looked up, and batches of which nothing is heard.

use std::time::{Duration, Instant};

use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use pool::Job;

use super::{
    coordinator::{Coordinator, Waiting},
    decode::Decode,
    listen::Found,
    withdraw::delivered,
};
use crate::{
    Error,
    batch::Label,
    names::{Span, Which},
    parts,
};

/// A batch that has heard of nothing for so long is looked for.
pub(super) const LOOK_AFTER: Duration = Duration::from_secs(5);

/// As many are looked for at a time.
const LOOK_FOR: usize = 16;

impl<J: Job> Coordinator<J> {
    /// A result is there. Of several for the same jobs the first counts, and one that nobody waits for is another's.
    pub(super) async fn found(&mut self, found: Found) {
        let span = found.span;
        let Some(waiting) = self.waiting.get_mut(&span.first).filter(|waiting| waiting.batch.span == span)
        else {
            // For jobs that have not been pushed yet: it is looked up when they are.
            self.known.has_result(span);
            return;
        };
        let label = Label::read(&found.headers);
        if label.digest != waiting.digest {
            let error = Error::OtherJobs { run: self.settings.run.clone(), job: span.first };
            return self.fail(&error).await;
        }
        if std::mem::replace(&mut waiting.found, true) {
            return;
        }
        self.publisher.note_progress();
        if let Some(seconds) = label.cost {
            self.shared.note_cost(span.count, seconds);
        }
        match parts::is_whole(&found.headers) {
            true => self.complete(span, found.payload),
            false => self.finder.complete(found),
        }
        self.release();
    }

    pub(super) fn complete(&mut self, span: Span, outcomes: Bytes) {
        if let Some(Waiting { batch, .. }) = self.waiting.remove(&span.first) {
            self.known.forget(span.first);
            // The decoder goes on for as long as we do.
            let _ = self.decoder.send(Decode { batch, outcomes });
        }
    }

    /// A batch has no result. If it is not in the queue either, it is published again.
    pub(super) async fn not_found(&mut self, span: Span) {
        if !self.waiting.get(&span.first).is_some_and(|waiting| waiting.sent && !waiting.found) {
            return;
        }
        let subject = self.settings.queue.subject(Which::Jobs, &self.settings.run, span);
        let is_lost = match self.streams.jobs.get_last_raw_message_by_subject(&subject).await {
            Err(error) => error.kind() == LastRawMessageErrorKind::NoMessageFound,
            // In the queue, behind the place where the nodes are, and none of them has it: a server that was killed has kept
            // the acknowledgement and lost the result.
            Ok(queued) => delivered(&self.streams.jobs)
                .await
                .is_some_and(|nodes| nodes.in_flight == 0 && queued.sequence <= nodes.up_to),
        };
        if let Some(waiting) = self.waiting.get_mut(&span.first) {
            waiting.since = Instant::now();
            if is_lost && self.stopping.is_none() {
                // Between two questions it may have become a result, which is heard of then: publishing it again costs
                // a node's look.
                self.publish(span.first);
            }
        }
    }

    /// Looks for batches that nothing has been heard of for long. Somebody may have removed them, or a server has lost
    /// what it had not written to its disk.
    pub(super) fn look_for_the_silent(&mut self, now: Instant) {
        let is_silent =
            |waiting: &&Waiting<J>| waiting.sent && !waiting.found && now - waiting.since > LOOK_AFTER;
        let in_queue = |waiting: &&Waiting<J>| waiting.sequence.is_some() || waiting.times == 0;
        let silent = self.waiting.values().filter(is_silent).filter(in_queue).take(LOOK_FOR);
        silent.for_each(|waiting| self.finder.find(waiting.batch.span));
    }
}
