//! Removes messages from the queue by sequence number.
//!
//! Never by purging a subject: on servers up to 2.9.11 that resets the nodes' consumer for the whole stream,
//! because it has no filter. The consumer would skip what it has yet to deliver, and would not redeliver what
//! is in flight: the messages of every other run on the queue would be lost.

use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::{
    Error, Queue, RunId,
    connect::Session,
    names::{Span, StreamKind},
    status::message_spans,
};

/// Number of concurrent requests.
const CONCURRENCY: usize = 64;

/// Copies of a message under the same subject are removed one after the other; more than this are never
/// published.
const MAX_COPIES: usize = 16;

/// Removes messages by their sequence numbers. Returns how many were still stored.
pub(crate) async fn remove(
    session: &Session,
    jobs: &Stream,
    sequences: impl IntoIterator<Item = u64>,
) -> Result<u64, Error> {
    let subject = format!("STREAM.MSG.DELETE.{}", jobs.cached_info().config.name);
    let one = async |sequence: u64| {
        // The client's own function has the server overwrite the message on disk, too.
        let request = json!({"seq": sequence, "no_erase": true});
        let answer: Result<Value, _> = session.jetstream.request(subject.clone(), &request).await;
        answer.map(|answer| answer["success"] == true).map_err(Error::server)
    };
    let mut answers = stream::iter(sequences).map(one).buffer_unordered(CONCURRENCY);
    let mut removed = 0;
    while let Some(answer) = answers.next().await {
        removed += u64::from(answer?);
    }
    Ok(removed)
}

/// Returns the sequence numbers of the messages of these spans that are in the queue.
pub(crate) async fn sequences(
    jobs: &Stream,
    (queue, run): (&Queue, &RunId),
    spans: impl IntoIterator<Item = Span>,
) -> Result<Vec<u64>, Error> {
    let one = async |span| {
        let subject = queue.subject(StreamKind::Jobs, run, span);
        match jobs.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => Ok(Some(message.sequence)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(Error::server(error)),
        }
    };
    let mut answers = stream::iter(spans).map(one).buffer_unordered(CONCURRENCY);
    let mut sequences = Vec::new();
    while let Some(answer) = answers.next().await {
        sequences.extend(answer?);
    }
    Ok(sequences)
}

/// Returns the sequence numbers of a run's messages in the queue; of copies under one subject, that of the
/// last.
pub(crate) async fn queued_sequences(
    jobs: &Stream,
    (queue, run): (&Queue, &RunId),
) -> Result<Vec<u64>, Error> {
    let spans = message_spans(jobs, &queue.subjects(StreamKind::Jobs, Some(run))).await?;
    sequences(jobs, (queue, run), spans.into_iter().map(|(_, span)| span)).await
}

/// Removes all messages of a run from the queue. Returns their number.
pub(crate) async fn remove_run(
    session: &Session,
    jobs: &Stream,
    (queue, run): (&Queue, &RunId),
) -> Result<u64, Error> {
    let mut removed = 0;
    for _ in 0..MAX_COPIES {
        let sequences = queued_sequences(jobs, (queue, run)).await?;
        if sequences.is_empty() {
            break;
        }
        removed += remove(session, jobs, sequences).await?;
    }
    Ok(removed)
}
