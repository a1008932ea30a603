//! Results, as they come or are looked up, and batches of which nothing is heard.

use std::time::{Duration, Instant};

use bytes::Bytes;
use pool::Job;

use super::{
    coordinator::{Coordinator, Waiting},
    decode::Decode,
    listen::Found,
};
use crate::{Error, batch::Label, names::Span, parts};

/// A batch that has heard of nothing for so long is looked for.
pub(super) const LOOK_AFTER: Duration = Duration::from_secs(5);

/// When one was lost, the next ones are looked for so soon.
const LOOK_ON_AFTER: Duration = Duration::from_millis(50);

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
        self.heard_of_nodes();
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
    pub(super) fn not_found(&mut self, span: Span, is_lost: bool) {
        let is_missed =
            |waiting: &&mut Waiting<J>| waiting.sent && !waiting.found && waiting.batch.span == span;
        let Some(waiting) = self.waiting.get_mut(&span.first).filter(is_missed) else { return };
        waiting.since = Instant::now();
        if is_lost && self.stopping.is_none() {
            self.publish(span.first);
            // Where one is lost, more are.
            self.look_at = self.look_at.min(Instant::now() + LOOK_ON_AFTER);
        }
    }

    /// Looks for batches that nothing has been heard of for long. Somebody may have removed them, or a server has lost
    /// what it had not written to its disk.
    pub(super) fn look_for_the_silent(&mut self, now: Instant) {
        let is_silent =
            |waiting: &&mut Waiting<J>| waiting.sent && !waiting.found && now - waiting.since > LOOK_AFTER;
        let in_queue = |waiting: &&mut Waiting<J>| waiting.sequence.is_some() || waiting.times == 0;
        for waiting in self.waiting.values_mut().filter(is_silent).filter(in_queue).take(LOOK_FOR) {
            waiting.since = now;
            self.finder.find(waiting.batch.span);
        }
    }
}
