//! Stores one message and reports the result.

use std::error::Error as _;

use async_nats::{
    HeaderMap,
    jetstream::{self, ErrorCode, context::PublishErrorKind},
};
use bytes::Bytes;

use crate::connect::Session;

/// The server stores a message only if the last message of its subject has this sequence number; 0 if there
/// must be none.
const EXPECTED_LAST_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";

/// The server stores a message only once per id within the duplicate window.
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// Result of storing a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreResult {
    /// Stored under this sequence number.
    Stored(u64),
    /// The subject has a message already, or a newer one than expected.
    AlreadyExists,
    /// The stream or the server is full.
    Full(String),
    /// Not known to be stored; publish it again.
    Unknown(String),
}

/// Adds a message id, so that a message that is published twice is stored once.
pub(crate) fn with_message_id(mut headers: HeaderMap, id: String) -> HeaderMap {
    headers.insert(MESSAGE_ID, id);
    headers
}

/// Makes the server store the message only if its subject has none yet.
pub(crate) fn expect_first(headers: HeaderMap) -> HeaderMap {
    expect_last(headers, 0)
}

/// Makes the server store the message only if the last one of its subject has this sequence number.
pub(crate) fn expect_last(mut headers: HeaderMap, last: u64) -> HeaderMap {
    headers.insert(EXPECTED_LAST_SEQUENCE, last.to_string());
    headers
}

impl Session {
    /// Publishes once and waits for the acknowledgement, unless the connection is lost meanwhile.
    pub(crate) async fn store(&self, subject: &str, headers: HeaderMap, payload: Bytes) -> StoreResult {
        let mut link = self.link.clone();
        let number = match link.wait_for(|link| link.up).await {
            Ok(link) => link.number,
            Err(_) => return StoreResult::Unknown("the connection is closed".to_owned()),
        };
        let sent = self.jetstream.publish_with_headers(subject.to_owned(), headers, payload).await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => return StoreResult::Unknown(error.to_string()),
        };
        tokio::select! {
            answer = answer.into_future() => match answer {
                Ok(ack) => StoreResult::Stored(ack.sequence),
                Err(error) => store_error(&error),
            },
            _ = link.wait_for(|link| link.number != number) => {
                StoreResult::Unknown("the connection was lost".to_owned())
            }
        }
    }
}

fn store_error(error: &jetstream::context::PublishError) -> StoreResult {
    if error.kind() == PublishErrorKind::WrongLastSequence {
        return StoreResult::AlreadyExists;
    }
    let refusal = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    match refusal {
        Some(refusal) if is_full(refusal.error_code()) => {
            // The server uses the same code for a limit that is reached and for a disk that fails.
            let full = if refusal.to_string().contains("maximum") { "the stream is full, " } else { "" };
            StoreResult::Full(format!("{full}{refusal}"))
        }
        _ => StoreResult::Unknown(error.to_string()),
    }
}

fn is_full(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::STREAM_STORE_FAILED
            | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
            | ErrorCode::INSUFFICIENT_RESOURCES
            | ErrorCode::STORAGE_RESOURCES_EXCEEDED
    )
}
