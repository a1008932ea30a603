//! Removes what a queue has stored. Stored results are never removed otherwise.

use std::time::Duration;

use async_nats::jetstream::{
    ErrorCode,
    context::DeleteStreamErrorKind,
    stream::{LastRawMessageErrorKind, Stream},
};
use futures_util::{StreamExt, TryStreamExt, stream::iter};

use tokio::time::sleep;

use crate::{
    Connection, Error, Queue, RunId,
    connect::Session,
    names::StreamKind,
    position::ConsumerPosition,
    remove::{queued_sequences, remove as remove_sequences, remove_run},
    runtime,
    status::ask_nodes,
    streams::{Streams, get},
};

/// Number of concurrent removals.
const CONCURRENCY: usize = 64;

/// Delay between two requests whether nodes still have messages of a run.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Numbers of messages removed by [`clean`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanSummary {
    /// Messages that were queued or in flight.
    pub queued: u64,
    /// Stored results, and chunks of large messages.
    pub results: u64,
    /// Quarantined messages.
    pub quarantined: u64,
}

/// Removes one run from a queue, or the whole queue. Nodes keep serving the queue; a submitter of the run
/// does not get the removed results.
///
/// Waits for messages of the run that are in flight, so that no result is stored afterwards; `waiting` is
/// called once if there are any.
///
/// # Errors
/// If the cluster cannot be reached or used, or the queue does not exist.
pub fn clean(
    connection: &Connection,
    queue: &Queue,
    run: Option<&RunId>,
    notify: &mut dyn FnMut(),
) -> Result<CleanSummary, Error> {
    runtime::block_on(async {
        let session = Session::open(connection, "runner cluster clean").await?;
        match run {
            Some(run) => {
                let streams = Streams::find(&session, queue).await?;
                clean_run(&session, &streams, (queue, run), notify).await
            }
            None => remove_queue(&session, queue).await,
        }
    })
}

async fn clean_run(
    session: &Session,
    streams: &Streams,
    (queue, run): (&Queue, &RunId),
    notify: &mut dyn FnMut(),
) -> Result<CleanSummary, Error> {
    // Queued messages go first, so that they do not produce further results.
    let waiting = drain_run(session, &streams.jobs, (queue, run), notify).await?;
    let results = remove_matching(&streams.results, queue.subjects(StreamKind::Results, Some(run))).await?;
    let chunks = remove_matching(&streams.results, queue.chunks(Some(run))).await?;
    let quarantined = purge(&streams.quarantine, queue.subjects(StreamKind::Quarantine, Some(run))).await?;
    purge(&streams.quarantine, queue.all_attempts(Some(run))).await?;
    purge(&streams.quarantine, queue.claim(run)).await?;
    Ok(CleanSummary { queued: waiting, results: results + chunks, quarantined })
}

/// Removes a run's messages from the queue, and waits until none is in flight. Returns the number of removed
/// messages.
///
/// Nodes report which runs they have messages of. A message that was delivered, but that no node reports in
/// two requests, belongs to a node that died; it is removed, too.
async fn drain_run(
    session: &Session,
    jobs: &Stream,
    (queue, run): (&Queue, &RunId),
    notify: &mut dyn FnMut(),
) -> Result<u64, Error> {
    let (mut removed, mut idle_answers, mut is_notified) = (0, 0, false);
    loop {
        // The order matters: a message that is delivered after the first request is not counted as
        // undelivered by the second.
        let delivered = ConsumerPosition::fetch(jobs, queue).await?.delivered;
        let queued = queued_sequences(jobs, (queue, run)).await?;
        let undelivered = queued.iter().copied().filter(|&number| number > delivered);
        removed += remove_sequences(session, jobs, undelivered).await?;
        let has_delivered = queued.iter().any(|&number| number <= delivered);
        let nodes = ask_nodes(session, queue).await?;
        if nodes.iter().any(|node| node.runs_held.contains(run.as_str())) {
            idle_answers = 0;
            if !std::mem::replace(&mut is_notified, true) {
                notify();
            }
        } else if has_delivered && idle_answers == 0 {
            idle_answers += 1;
        } else {
            return Ok(removed + remove_run(session, jobs, (queue, run)).await?);
        }
        sleep(RETRY_DELAY).await;
    }
}

/// Removes the messages whose subjects match from a stream that has consumers. Returns their number.
///
/// A server of version 2.9 that purges some subjects of a stream, whether they have messages or not, moves
/// the consumers behind all stored messages and forgets their pending ones: messages of other runs would not
/// be delivered. So this purges only if no other messages are stored.
pub(crate) async fn remove_matching(stream: &Stream, filter: String) -> Result<u64, Error> {
    let listed = stream.info_with_subjects(filter.clone()).await.map_err(Error::server)?;
    let subjects: Vec<(String, usize)> = listed.try_collect().await.map_err(Error::server)?;
    let count: u64 = subjects.iter().map(|&(_, count)| count as u64).sum();
    if count == 0 {
        return Ok(0);
    }
    let all = stream.get_info().await.map_err(Error::server)?.state.messages;
    if all == count {
        return purge(stream, filter).await;
    }
    let each = subjects.into_iter().map(|(subject, count)| remove_subject(stream, subject, count));
    iter(each).buffer_unordered(CONCURRENCY).try_fold(0, async |sum, one| Ok(sum + one)).await
}

/// Removes the messages of one subject, the last one first. Returns how many there still were.
async fn remove_subject(jobs: &Stream, subject: String, count: usize) -> Result<u64, Error> {
    for removed in 0..count {
        match jobs.get_last_raw_message_by_subject(&subject).await {
            // A message that is gone meanwhile has been run.
            Ok(message) => drop(jobs.delete_message(message.sequence).await),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(removed as u64);
            }
            Err(error) => return Err(Error::server(error)),
        }
    }
    Ok(count as u64)
}

/// Purges the messages whose subjects match. Returns their number. Not for streams that have consumers, such
/// as the queue: see [`crate::remove`].
pub(crate) async fn purge(stream: &Stream, filter: String) -> Result<u64, Error> {
    let purged = stream.purge().filter(filter).await.map_err(Error::server)?;
    Ok(purged.purged)
}

async fn remove_queue(session: &Session, queue: &Queue) -> Result<CleanSummary, Error> {
    let mut removed = [0; 3];
    let mut is_there = false;
    for (kind, count) in
        [StreamKind::Jobs, StreamKind::Results, StreamKind::Quarantine].into_iter().zip(&mut removed)
    {
        // A stream of the queue may have been deleted before.
        let Some(stream) = get(session, queue, kind).await? else { continue };
        is_there = true;
        *count = stream.cached_info().state.messages;
        if let Err(error) = session.jetstream.delete_stream(queue.stream(kind)).await {
            let is_gone = matches!(error.kind(), DeleteStreamErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::STREAM_NOT_FOUND);
            if !is_gone {
                return Err(Error::server(error));
            }
        }
    }
    if !is_there {
        return Err(Error::NoQueue { queue: queue.clone() });
    }
    let [waiting, results, quarantined] = removed;
    Ok(CleanSummary { queued: waiting, results, quarantined })
}
