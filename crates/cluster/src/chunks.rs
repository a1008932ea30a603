//! Payloads larger than the server's maximum message size.
//!
//! The payload is split into chunks, which are stored first, under subjects of their own in the results
//! stream. Then the message itself is stored, empty, with a header that names the chunks. So storing that one
//! message is still atomic; chunks that were stored without it remain until the run is cleaned.

use async_nats::{
    HeaderMap,
    jetstream::stream::{LastRawMessageError, LastRawMessageErrorKind, Stream},
};
use bytes::{Buf, Bytes};

use crate::{
    Error,
    connect::Session,
    names::{Queue, RunId},
    publish::{StoreResult, with_message_id},
};

/// Header that names the chunks: their group, a colon, their number.
const CHUNKS: &str = "Runner-Parts";

/// A message with a payload of any length that is being stored.
pub(crate) struct ChunkedMessage {
    subject: String,
    headers: HeaderMap,
    /// Payload that is not stored yet. If there are no chunks, the payload of the message itself.
    rest: Bytes,
    /// Name of the group of chunks, if the payload is split.
    group: Option<String>,
    /// Number of chunks that are stored.
    stored_chunks: usize,
}

impl ChunkedMessage {
    pub(crate) fn new(
        session: &Session,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> ChunkedMessage {
        let is_large = payload.len() > session.max_payload();
        let group = is_large.then(|| session.client.new_inbox().replace(['.', '*', '>'], "-"));
        ChunkedMessage { subject, headers, rest: payload, group, stored_chunks: 0 }
    }

    /// Stores the chunks that are not stored yet, and then the message. Stops at the first failure; another
    /// call continues there.
    pub(crate) async fn store(&mut self, session: &Session, queue: &Queue, run: &RunId) -> StoreResult {
        let Some(group) = &self.group else {
            return session.store(&self.subject, self.headers.clone(), self.rest.clone()).await;
        };
        let max = session.max_payload();
        while !self.rest.is_empty() {
            let chunk = self.rest.slice(..self.rest.len().min(max));
            let length = chunk.len();
            let subject = queue.chunk(run, group, self.stored_chunks);
            match session.store(&subject, with_message_id(HeaderMap::new(), subject.clone()), chunk).await {
                StoreResult::Stored(_) => {}
                refused => return refused,
            }
            self.rest.advance(length);
            self.stored_chunks += 1;
        }
        let mut headers = self.headers.clone();
        headers.insert(CHUNKS, format!("{group}:{}", self.stored_chunks));
        session.store(&self.subject, headers, Bytes::new()).await
    }
}

/// Returns whether the message has its whole payload, without chunks.
pub(crate) fn is_whole(headers: &HeaderMap) -> bool {
    headers.get(CHUNKS).is_none()
}

fn load_error(error: &LastRawMessageError) -> Error {
    match error.kind() {
        LastRawMessageErrorKind::NoMessageFound => Error::MissingChunk,
        _ => Error::NoAnswer(error.to_string()),
    }
}

/// Returns the payload of a message, assembled from its chunks if there are any.
///
/// # Errors
/// [`Error::NoAnswer`] if a retry may succeed, [`Error::MissingChunk`] if a chunk is missing.
pub(crate) async fn load(
    results: &Stream,
    queue: &Queue,
    run: &RunId,
    headers: &HeaderMap,
    payload: Bytes,
) -> Result<Bytes, Error> {
    let Some(chunks) = headers.get(CHUNKS) else { return Ok(payload) };
    let (group, count) =
        chunks.as_str().split_once(':').ok_or_else(|| Error::server("malformed chunk header"))?;
    let count: usize = count.parse().map_err(Error::server)?;
    let mut loaded = Vec::new();
    for index in 0..count {
        let subject = queue.chunk(run, group, index);
        let chunk = results.get_last_raw_message_by_subject(&subject).await;
        loaded.extend_from_slice(&chunk.map_err(|error| load_error(&error))?.payload);
    }
    Ok(loaded.into())
}
