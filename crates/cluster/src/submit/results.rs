//! Results, as they come or are looked up, and batches of which nothing is heard.

use std::time::{Duration, Instant};

use bytes::Bytes;
use pool::Job;

use super::{
    coordinator::{Coordinator, Waiting},
    decode::Decode,
    listen::Found,
    survey::{Place, Survey},
};
use crate::{Error, batch::Label, names::Span, parts};

/// A batch that has heard of nothing for so long is looked for.
pub(super) const LOOK_AFTER: Duration = Duration::from_secs(5);

impl<J: Job> Coordinator<J> {
    /// A result is there. Of several for the same jobs the first counts, and one that nobody waits for is another's.
    pub(super) fn found(&mut self, found: Found) {
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
            return self.fail(&error);
        }
        if let Some(cause) = label.failure {
            return self.incomplete(span, cause, found.sequence);
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

    /// A node could not put the jobs of a batch together. What it has stored is removed, so that the run can be resumed.
    fn incomplete(&mut self, span: Span, cause: String, sequence: u64) {
        let results = self.streams.results.clone();
        self.removals.spawn(async move { drop(results.delete_message(sequence).await) });
        let run = self.settings.run.clone();
        self.fail(&Error::IncompleteBatch { run, first: span.first, last: span.last(), cause });
    }

    /// A batch of an earlier submitter is there.
    pub(super) fn queued(&mut self, span: Span, sequence: u64, digest: &str) {
        let is_meant = |waiting: &&mut Waiting<J>| waiting.batch.span == span && waiting.times == 0;
        let Some(waiting) = self.waiting.get_mut(&span.first).filter(is_meant) else { return };
        if waiting.digest != digest {
            return self.fail(&Error::OtherJobs { run: self.settings.run.clone(), job: span.first });
        }
        waiting.sequence = Some(sequence);
        waiting.since = Instant::now();
        self.release();
    }

    pub(super) fn unreadable(&mut self, span: Span, cause: String) {
        let run = self.settings.run.clone();
        self.fail(&Error::Unreadable { run, first: span.first, last: span.last(), cause });
    }

    pub(super) fn complete(&mut self, span: Span, outcomes: Bytes) {
        if let Some(Waiting { batch, .. }) = self.waiting.remove(&span.first) {
            self.known.forget(span.first);
            // The decoder goes on for as long as we do.
            let _ = self.decoder.send(Decode { batch, outcomes });
        }
    }

    /// A batch has no result, and it was not in the queue when that was asked before: it is published again, unless nobody
    /// wants that any more.
    pub(super) fn not_found(&mut self, span: Span) {
        let is_lost = |waiting: &&Waiting<J>| waiting.batch.span == span && waiting.is_published();
        match self.waiting.get(&span.first).filter(is_lost) {
            Some(_) if self.stopping.is_some() => self.cancel_one(span.first),
            Some(_) => self.publish(span.first),
            None => {}
        }
    }

    /// Looks for batches that nothing has been heard of for long. Somebody may have removed them, or a server has lost
    /// what it had not written to its disk.
    pub(super) fn look_for_the_silent(&mut self, now: Instant) {
        if self.waiting.values().any(|waiting| waiting.is_silent(now)) {
            self.survey();
        }
    }

    /// Looks for all batches, because news of some may have been missed.
    pub(super) fn doubt(&mut self) {
        let now = Instant::now();
        let long_ago = now.checked_sub(2 * LOOK_AFTER).unwrap_or(now);
        self.waiting.values_mut().for_each(|waiting| waiting.since = waiting.since.min(long_ago));
        self.survey_again = self.is_surveying;
        self.survey();
    }

    /// Has asked where the batches are.
    pub(super) fn survey(&mut self) {
        if !std::mem::replace(&mut self.is_surveying, true) {
            self.finder.survey();
        }
    }

    /// Looks for the results of whatever is silent and not in the queue. The questions are asked in this order, because a
    /// result is stored before its batch leaves the queue: what is in neither is lost.
    pub(super) fn surveyed(&mut self, survey: &Survey) {
        self.is_surveying = false;
        self.cancel_by(survey);
        if std::mem::take(&mut self.survey_again) {
            return self.survey();
        }
        if survey.has_no_consumer() && self.waiting.values().any(|waiting| waiting.is_silent(survey.asked)) {
            self.have_nodes_look();
        }
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.is_silent(survey.asked)) {
            waiting.since = survey.asked;
            if survey.place(waiting) == Place::Gone {
                self.finder.find(waiting.batch.span);
            }
        }
        if !self.cancelling.is_empty() {
            self.survey();
        }
    }
}

impl<J: Job> Waiting<J> {
    /// It is being published, and the server has not said yet that it has it.
    pub(super) fn is_on_its_way(&self) -> bool {
        self.times > 0 && self.sequence.is_none()
    }

    /// It was known before its jobs came, and it is not known yet of which jobs.
    pub(super) fn is_being_compared(&self) -> bool {
        self.is_published() && self.times == 0 && self.sequence.is_none()
    }

    /// It was put into the queue, by this submitter or an earlier one, and has no result here.
    pub(super) fn is_published(&self) -> bool {
        self.sent && !self.found && !self.is_on_its_way()
    }

    fn is_silent(&self, now: Instant) -> bool {
        self.is_published() && now.saturating_duration_since(self.since) > LOOK_AFTER
    }
}
