//! Payloads that are larger than the server takes in one message.
//!
//! Their pieces are stored first, under a name of their own, among the results; then comes the message itself, empty, with a
//! header that names the pieces. So there is still one message that decides, and what somebody has stored in vain is
//! garbage until the run is cleaned.

use async_nats::{HeaderMap, jetstream::stream::Stream};
use bytes::Bytes;

use crate::{
    Error,
    connect::Session,
    names::{Queue, RunId},
};

/// Names the pieces: their group, a colon, their number.
const PARTS: &str = "Runner-Parts";

/// Makes a payload small enough, if it is not, and tells the headers.
pub(crate) async fn store(
    session: &Session,
    queue: &Queue,
    run: &RunId,
    payload: Bytes,
    headers: &mut HeaderMap,
) -> Result<Bytes, Error> {
    let most = session.most_bytes();
    if payload.len() <= most {
        return Ok(payload);
    }
    let group = session.client.new_inbox().replace(['.', '*', '>'], "-");
    let mut number = 0;
    let mut rest = payload;
    while !rest.is_empty() {
        let piece = rest.split_to(rest.len().min(most));
        let subject = queue.part(run, &group, number);
        session
            .jetstream
            .publish(subject, piece)
            .await
            .map_err(Error::server)?
            .await
            .map_err(Error::server)?;
        number += 1;
    }
    headers.insert(PARTS, format!("{group}:{number}"));
    Ok(Bytes::new())
}

/// Whether a message's payload is all there is.
pub(crate) fn is_whole(headers: &HeaderMap) -> bool {
    headers.get(PARTS).is_none()
}

/// The payload, put together again if it was in pieces.
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
        let piece = results.get_last_raw_message_by_subject(&subject).await.map_err(Error::server)?;
        whole.extend_from_slice(&piece.payload);
    }
    Ok(whole.into())
}
