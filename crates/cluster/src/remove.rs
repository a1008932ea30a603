//! Removing batches from the queue, message by message.
//!
//! Never by purging a subject: on servers up to 2.9.11 that resets the nodes' consumer for the whole stream, because it has no
//! filter. What it had yet to deliver it would skip, and what is in flight it would not deliver again: the batches of every
//! other run on the queue would be lost.

use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::{
    Error, Queue, RunId,
    connect::Session,
    names::{Span, Which},
    status::batches,
};

/// Requests that are under way at a time.
const AT_A_TIME: usize = 64;

/// Several messages of a batch are removed one after the other; more than these nobody has published.
const MOST_COPIES: usize = 16;

/// Removes messages by their numbers; how many were still there.
pub(crate) async fn remove(
    session: &Session,
    jobs: &Stream,
    numbers: impl IntoIterator<Item = u64>,
) -> Result<u64, Error> {
    let subject = format!("STREAM.MSG.DELETE.{}", jobs.cached_info().config.name);
    let one = async |number: u64| {
        // The client's own call has the message overwritten, too.
        let request = json!({"seq": number, "no_erase": true});
        let answer: Result<Value, _> = session.jetstream.request(subject.clone(), &request).await;
        answer.map(|answer| answer["success"] == true).map_err(Error::server)
    };
    let mut answers = stream::iter(numbers).map(one).buffer_unordered(AT_A_TIME);
    let mut removed = 0;
    while let Some(answer) = answers.next().await {
        removed += u64::from(answer?);
    }
    Ok(removed)
}

/// Where these batches are in the queue, as far as they are there.
pub(crate) async fn numbers(
    jobs: &Stream,
    (queue, run): (&Queue, &RunId),
    spans: impl IntoIterator<Item = Span>,
) -> Result<Vec<u64>, Error> {
    let one = async |span| {
        let subject = queue.subject(Which::Jobs, run, span);
        match jobs.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => Ok(Some(message.sequence)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(Error::server(error)),
        }
    };
    let mut answers = stream::iter(spans).map(one).buffer_unordered(AT_A_TIME);
    let mut numbers = Vec::new();
    while let Some(answer) = answers.next().await {
        numbers.extend(answer?);
    }
    Ok(numbers)
}

/// The numbers of a run's messages in the queue; of several messages of a batch, the last one's.
pub(crate) async fn queued(jobs: &Stream, (queue, run): (&Queue, &RunId)) -> Result<Vec<u64>, Error> {
    let spans = batches(jobs, &queue.all(Which::Jobs, Some(run))).await?;
    numbers(jobs, (queue, run), spans.into_iter().map(|(_, span)| span)).await
}

/// Removes all batches of a run; how many messages there were.
pub(crate) async fn remove_run(
    session: &Session,
    jobs: &Stream,
    (queue, run): (&Queue, &RunId),
) -> Result<u64, Error> {
    let mut removed = 0;
    for _ in 0..MOST_COPIES {
        let numbers = queued(jobs, (queue, run)).await?;
        if numbers.is_empty() {
            break;
        }
        removed += remove(session, jobs, numbers).await?;
    }
    Ok(removed)
}
