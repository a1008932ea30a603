//! Removes messages that are not to be run any more from the queue.

use std::{collections::BTreeSet, time::Duration};

use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use pool::Job;
use tokio::{task::JoinSet, time::timeout};

use super::pending::PendingMessage;
use crate::{
    Error, Queue, RunId,
    connect::Session,
    names::{Span, StreamKind},
    remove::{remove, sequences},
    status::message_spans,
    streams::Streams,
};

/// Timeout of the cleanup at the end of a run. What is left is found when the run is resumed.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Messages of a run that are to be removed.
pub(super) struct Cleanup {
    session: Session,
    streams: Streams,
    queue: Queue,
    run: RunId,
    /// Sequence numbers of messages that are to be removed.
    sequences: Vec<u64>,
    /// Messages to be removed whose sequence numbers are not known, and that may not be stored.
    spans: BTreeSet<Span>,
    /// Tasks that remove messages.
    tasks: JoinSet<()>,
    /// The queued messages belong to another submitter.
    taken_over: bool,
}

impl Cleanup {
    pub(super) fn new((session, streams): (Session, Streams), (queue, run): (Queue, RunId)) -> Cleanup {
        Cleanup {
            session,
            streams,
            queue,
            run,
            sequences: Vec::new(),
            spans: BTreeSet::new(),
            tasks: JoinSet::new(),
            taken_over: false,
        }
    }

    /// Notes that the queued messages belong to another submitter, and removes none of them from now on.
    pub(super) fn mark_taken_over(&mut self) {
        self.taken_over = true;
    }

    /// Marks a message whose outcomes are not needed for removal: now if its sequence number is known,
    /// otherwise at the end.
    pub(super) fn mark<J: Job>(&mut self, pending: &PendingMessage<J>) {
        match pending.sequence {
            Some(sequence) => self.sequences.push(sequence),
            None if pending.sent => drop(self.spans.insert(pending.message.span)),
            None => {}
        }
    }

    /// Marks messages whose sequence numbers are not known for removal at the end.
    pub(super) fn mark_spans(&mut self, spans: impl Iterator<Item = Span>) {
        self.spans.extend(spans);
    }

    /// Notes the sequence number of a message that was stored. Returns whether it is marked for removal.
    pub(super) fn note_sequence(&mut self, span: Span, sequence: u64) -> bool {
        let is_marked = self.spans.remove(&span);
        if is_marked {
            self.sequences.push(sequence);
        }
        is_marked
    }

    /// Removes the marked messages, unless they belong to another submitter by now.
    pub(super) fn remove_marked(&mut self) {
        let sequences = std::mem::take(&mut self.sequences);
        if !sequences.is_empty() && !self.taken_over {
            let (session, jobs) = (self.session.clone(), self.streams.jobs.clone());
            self.tasks.spawn(async move { drop(remove(&session, &jobs, sequences).await) });
        }
    }

    /// Removes a result by its sequence number.
    pub(super) fn remove_result(&mut self, sequence: u64) {
        let results = self.streams.results.clone();
        self.tasks.spawn(async move { drop(results.delete_message(sequence).await) });
    }

    /// Cleans up at the end of a run: removes messages that were being published when they were marked, and
    /// messages with a result that a killed server has not removed. Nothing else, because it may be another
    /// submitter's.
    pub(super) async fn finish(&mut self) {
        self.remove_marked();
        let spans = std::mem::take(&mut self.spans);
        let mut tasks = std::mem::take(&mut self.tasks);
        let all = async {
            self.session.flush().await;
            while tasks.join_next().await.is_some() {}
            self.remove_leftovers(&spans).await
        };
        let _ = timeout(CLEANUP_TIMEOUT, all).await;
    }

    async fn remove_leftovers(&self, spans: &BTreeSet<Span>) -> Result<(), Error> {
        if self.taken_over {
            return Ok(());
        }
        let (queue, run) = (&self.queue, &self.run);
        let (jobs, results) = (&self.streams.jobs, &self.streams.results);
        let mut leftover = Vec::new();
        for (_, span) in message_spans(jobs, &queue.subjects(StreamKind::Jobs, Some(run))).await? {
            let result = queue.subject(StreamKind::Results, run, span);
            if spans.contains(&span) || exists(results, &result).await? {
                leftover.push(span);
            }
        }
        let sequences = sequences(jobs, (queue, run), leftover).await?;
        remove(&self.session, jobs, sequences).await.map(drop)
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
