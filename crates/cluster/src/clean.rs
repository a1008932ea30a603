//! Removing what a queue has stored. Nothing else ever does.

use async_nats::jetstream::{ErrorCode, context::DeleteStreamErrorKind, stream::Stream};

use crate::{Connection, Error, Queue, RunId, connect::Session, names::Which, runtime, streams::Streams};

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
/// # Errors
/// When the cluster cannot be reached or used, or there is no such queue.
pub fn clean(connection: &Connection, queue: &Queue, run: Option<&RunId>) -> Result<Cleaned, Error> {
    runtime::block_on(async {
        let session = Session::open(connection, "runner cluster clean").await?;
        let streams = Streams::find(&session, queue).await?;
        match run {
            Some(run) => clean_run(&streams, queue, run).await,
            None => remove(&session, &streams).await,
        }
    })
}

async fn clean_run(streams: &Streams, queue: &Queue, run: &RunId) -> Result<Cleaned, Error> {
    // What waits goes first, so that it does not become a result again.
    let waiting = purge(&streams.jobs, queue.all(Which::Jobs, Some(run))).await?;
    let results = purge(&streams.results, queue.all(Which::Results, Some(run))).await?;
    let parts = purge(&streams.results, queue.parts(Some(run))).await?;
    let quarantined = purge(&streams.quarantine, queue.all(Which::Quarantine, Some(run))).await?;
    purge(&streams.quarantine, queue.all_attempts(Some(run))).await?;
    Ok(Cleaned { waiting, results: results + parts, quarantined })
}

/// Removes the messages whose subjects match; how many there were.
pub(crate) async fn purge(stream: &Stream, filter: String) -> Result<u64, Error> {
    let purged = stream.purge().filter(filter).await.map_err(Error::server)?;
    Ok(purged.purged)
}

async fn remove(session: &Session, streams: &Streams) -> Result<Cleaned, Error> {
    let mut removed = [0; 3];
    for (stream, count) in
        [&streams.jobs, &streams.results, &streams.quarantine].into_iter().zip(&mut removed)
    {
        *count = stream.cached_info().state.messages;
        if let Err(error) = session.jetstream.delete_stream(&stream.cached_info().config.name).await {
            let is_gone = matches!(error.kind(), DeleteStreamErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::STREAM_NOT_FOUND);
            if !is_gone {
                return Err(Error::server(error));
            }
        }
    }
    let [waiting, results, quarantined] = removed;
    Ok(Cleaned { waiting, results, quarantined })
}
