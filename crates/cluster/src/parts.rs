//! Payloads that are larger than the server takes in one message.
//!
//! Their pieces are stored first, under a name of their own, among the results; then comes the message itself, empty, with a
//! header that names the pieces. So there is still one message that decides, and what somebody has stored in vain is
//! garbage until the run is cleaned.

use async_nats::{
    HeaderMap,
    jetstream::stream::{LastRawMessageError, LastRawMessageErrorKind, Stream},
};
use bytes::{Buf, Bytes};

use crate::{
    Error,
    connect::Session,
    names::{Queue, RunId},
    publish::{Stored, with_id},
};

/// Names the pieces: their group, a colon, their number.
const PARTS: &str = "Runner-Parts";

/// A message with a payload of any length, on its way.
pub(crate) struct Parcel {
    subject: String,
    headers: HeaderMap,
    /// What has not been stored yet, and what is to stand in the message itself if it is not too long.
    rest: Bytes,
    /// The name of the pieces, if there are any.
    group: Option<String>,
    /// How many of them are stored.
    pieces: usize,
}

impl Parcel {
    pub(crate) fn new(session: &Session, subject: String, headers: HeaderMap, payload: Bytes) -> Parcel {
        let is_long = payload.len() > session.most_bytes();
        let group = is_long.then(|| session.client.new_inbox().replace(['.', '*', '>'], "-"));
        Parcel { subject, headers, rest: payload, group, pieces: 0 }
    }

    /// Stores what is not stored yet, until something is refused or not answered: then it can be tried again.
    pub(crate) async fn store(&mut self, session: &Session, queue: &Queue, run: &RunId) -> Stored {
        let Some(group) = &self.group else {
            return session.store(&self.subject, self.headers.clone(), self.rest.clone()).await;
        };
        let most = session.most_bytes();
        while !self.rest.is_empty() {
            let piece = self.rest.slice(..self.rest.len().min(most));
            let length = piece.len();
            let subject = queue.part(run, group, self.pieces);
            match session.store(&subject, with_id(HeaderMap::new(), subject.clone()), piece).await {
                Stored::Here(_) => {}
                refused => return refused,
            }
            self.rest.advance(length);
            self.pieces += 1;
        }
        let mut headers = self.headers.clone();
        headers.insert(PARTS, format!("{group}:{}", self.pieces));
        session.store(&self.subject, headers, Bytes::new()).await
    }
}

/// Whether a message's payload is all there is.
pub(crate) fn is_whole(headers: &HeaderMap) -> bool {
    headers.get(PARTS).is_none()
}

fn not_loaded(error: &LastRawMessageError) -> Error {
    match error.kind() {
        LastRawMessageErrorKind::NoMessageFound => Error::MissingPiece,
        _ => Error::NoAnswer(error.to_string()),
    }
}

/// The payload, put together again if it was in pieces.
///
/// # Errors
/// [`Error::NoAnswer`] if it may help to ask again.
pub(crate) async fn load(
    results: &Stream,
    queue: &Queue,
    run: &RunId,
    headers: &HeaderMap,
    payload: Bytes,
) -> Result<Bytes, Error> {
    let Some(named) = headers.get(PARTS) else { return Ok(payload) };
    let (group, count) = named.as_str().split_once(':').ok_or_else(|| Error::server("nameless pieces"))?;
    let count: usize = count.parse().map_err(Error::server)?;
    let mut whole = Vec::new();
    for number in 0..count {
        let subject = queue.part(run, group, number);
        let piece = results.get_last_raw_message_by_subject(&subject).await;
        whole.extend_from_slice(&piece.map_err(|error| not_loaded(&error))?.payload);
    }
    Ok(whole.into())
}
