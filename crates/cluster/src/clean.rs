//! Removing what a queue has stored. Nothing else ever does.

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
    delivered::Delivered,
    names::Which,
    remove::{queued, remove as remove_messages, remove_run},
    runtime,
    status::ask_nodes,
    streams::{Streams, get},
};

/// Messages that are removed at a time.
const AT_A_TIME: usize = 64;

/// Between two questions whether nodes still have batches of a run.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What has been removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Batches that waited or were under way.
    pub waiting: u64,
    /// Stored results, and pieces of large messages.
    pub results: u64,
    /// Batches that had been given up.
    pub quarantined: u64,
}

/// Removes one run from a queue, or the whole queue. Nodes that serve it go on; a submitter of the run does not get the
/// results that are gone.
///
/// Batches of the run that nodes have are waited for, so that they leave no results behind; `waiting` is called once if there are any.
///
/// # Errors
/// When the cluster cannot be reached or used, or there is no such queue.
pub fn clean(
    connection: &Connection,
    queue: &Queue,
    run: Option<&RunId>,
    waiting: &mut dyn FnMut(),
) -> Result<Cleaned, Error> {
    runtime::block_on(async {
        let session = Session::open(connection, "runner cluster clean").await?;
        match run {
            Some(run) => {
                let streams = Streams::find(&session, queue).await?;
                clean_run(&session, &streams, (queue, run), waiting).await
            }
            None => remove_queue(&session, queue).await,
        }
    })
}

async fn clean_run(
    session: &Session,
    streams: &Streams,
    (queue, run): (&Queue, &RunId),
    waiting: &mut dyn FnMut(),
) -> Result<Cleaned, Error> {
    // What waits goes first, so that it does not become a result again.
    let waiting = drain(session, &streams.jobs, (queue, run), waiting).await?;
    let results = remove(&streams.results, queue.all(Which::Results, Some(run))).await?;
    let parts = remove(&streams.results, queue.parts(Some(run))).await?;
    let quarantined = purge(&streams.quarantine, queue.all(Which::Quarantine, Some(run))).await?;
    purge(&streams.quarantine, queue.all_attempts(Some(run))).await?;
    purge(&streams.quarantine, queue.claim(run)).await?;
    Ok(Cleaned { waiting, results: results + parts, quarantined })
}

/// Removes a run's batches from the queue, and waits until no node has one; returns how many messages were removed.
///
/// Nodes say which runs they have batches of. A batch that was delivered and that no node has, asked twice, is one of a node that
/// died: it is removed, too.
async fn drain(
    session: &Session,
    jobs: &Stream,
    (queue, run): (&Queue, &RunId),
    waiting: &mut dyn FnMut(),
) -> Result<u64, Error> {
    let (mut removed, mut idle_answers, mut is_told) = (0, 0, false);
    loop {
        // In this order: what is delivered after the first question is not among what the second finds undelivered.
        let up_to = Delivered::ask(jobs, queue).await?.up_to;
        let queued = queued(jobs, (queue, run)).await?;
        let undelivered = queued.iter().copied().filter(|&number| number > up_to);
        removed += remove_messages(session, jobs, undelivered).await?;
        let has_delivered = queued.iter().any(|&number| number <= up_to);
        let nodes = ask_nodes(session, queue).await?;
        if nodes.iter().any(|node| node.runs_held.contains(run.as_str())) {
            idle_answers = 0;
            if !std::mem::replace(&mut is_told, true) {
                waiting();
            }
        } else if has_delivered && idle_answers == 0 {
            idle_answers += 1;
        } else {
            return Ok(removed + remove_run(session, jobs, (queue, run)).await?);
        }
        sleep(ASK_AGAIN_AFTER).await;
    }
}

/// Removes the messages whose subjects match from a stream that has consumers; how many there were.
///
/// When a server of version 2.9 purges some subjects of a stream, be there messages or not, it moves the consumers behind
/// all that is there and forgets what they have: other runs' messages are not delivered then. So there is a purge only
/// where there are no others.
pub(crate) async fn remove(stream: &Stream, filter: String) -> Result<u64, Error> {
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
    let each = subjects.into_iter().map(|(subject, count)| remove_each(stream, subject, count));
    iter(each).buffer_unordered(AT_A_TIME).try_fold(0, async |sum, one| Ok(sum + one)).await
}

/// Removes the messages of one subject, the last one first; how many there still were.
async fn remove_each(jobs: &Stream, subject: String, count: usize) -> Result<u64, Error> {
    for removed in 0..count {
        match jobs.get_last_raw_message_by_subject(&subject).await {
            // One that is gone meanwhile has been run.
            Ok(message) => drop(jobs.delete_message(message.sequence).await),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(removed as u64);
            }
            Err(error) => return Err(Error::server(error)),
        }
    }
    Ok(count as u64)
}

/// Removes the messages whose subjects match; how many there were. Not for streams that have consumers, such as the queue: see [`crate::remove`].
pub(crate) async fn purge(stream: &Stream, filter: String) -> Result<u64, Error> {
    let purged = stream.purge().filter(filter).await.map_err(Error::server)?;
    Ok(purged.purged)
}

async fn remove_queue(session: &Session, queue: &Queue) -> Result<Cleaned, Error> {
    let mut removed = [0; 3];
    let mut is_there = false;
    for (which, count) in [Which::Jobs, Which::Results, Which::Quarantine].into_iter().zip(&mut removed) {
        // A part of the queue may have been deleted before.
        let Some(stream) = get(session, queue, which).await? else { continue };
        is_there = true;
        *count = stream.cached_info().state.messages;
        if let Err(error) = session.jetstream.delete_stream(queue.stream(which)).await {
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
    Ok(Cleaned { waiting, results, quarantined })
}
