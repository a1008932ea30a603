//! Removes messages that are not to be run any more from the queue.

use std::{collections::BTreeSet, time::Duration};

use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use pool::Job;
use tokio::time::timeout;

use super::{coordinator::Coordinator, pending::PendingMessage};
use crate::{
    Error,
    names::{Span, StreamKind},
    remove::{remove, sequences},
    status::message_spans,
};

/// Timeout of the cleanup at the end of a run. What is left is found when the run is resumed.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(3);

impl<J: Job> Coordinator<J> {
    /// Marks a message whose outcomes are not needed for removal: now if its sequence number is known,
    /// otherwise at the end.
    pub(super) fn mark_unwanted(&mut self, pending: &PendingMessage<J>) {
        match pending.sequence {
            Some(sequence) => self.unwanted_sequences.push(sequence),
            None if pending.sent => drop(self.unwanted_spans.insert(pending.message.span)),
            None => {}
        }
    }

    /// Removes the marked messages, unless they belong to another submitter by now.
    pub(super) fn remove_unwanted(&mut self) {
        let sequences = std::mem::take(&mut self.unwanted_sequences);
        if !sequences.is_empty() && !self.taken_over {
            let (session, jobs) = (self.publisher.session.clone(), self.streams.jobs.clone());
            self.removals.spawn(async move { drop(remove(&session, &jobs, sequences).await) });
        }
    }

    /// Cleans up at the end of a run: removes messages that were being published when they were marked, and
    /// messages with a result that a killed server has not removed. Nothing else, because it may be another
    /// submitter's.
    pub(super) async fn clean_up(&mut self) {
        self.remove_unwanted();
        let unwanted_spans = std::mem::take(&mut self.unwanted_spans);
        let mut removals = std::mem::take(&mut self.removals);
        let all = async {
            self.publisher.session.flush().await;
            while removals.join_next().await.is_some() {}
            self.remove_leftovers(&unwanted_spans).await
        };
        let _ = timeout(CLEANUP_TIMEOUT, all).await;
    }

    async fn remove_leftovers(&self, unwanted_spans: &BTreeSet<Span>) -> Result<(), Error> {
        if self.taken_over {
            return Ok(());
        }
        let (queue, run) = (&self.settings.queue, &self.settings.run);
        let (jobs, results) = (&self.streams.jobs, &self.streams.results);
        let mut leftover = Vec::new();
        for (_, span) in message_spans(jobs, &queue.subjects(StreamKind::Jobs, Some(run))).await? {
            let result = queue.subject(StreamKind::Results, run, span);
            if unwanted_spans.contains(&span) || exists(results, &result).await? {
                leftover.push(span);
            }
        }
        let sequences = sequences(jobs, (queue, run), leftover).await?;
        remove(&self.publisher.session, jobs, sequences).await.map(drop)
    }
}

/// Returns whether the subject has a message.
async fn exists(stream: &Stream, subject: &str) -> Result<bool, Error> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(false),
        Err(error) => Err(Error::server(error)),
    }
}
