//! Storing one message, told what became of it.

use std::error::Error as _;

use async_nats::{
    HeaderMap,
    jetstream::{self, ErrorCode, context::PublishErrorKind},
};
use bytes::Bytes;

use crate::connect::Session;

/// A message is stored only if the last one of its subject has this number; 0 if there must be none.
const EXPECTED_LAST: &str = "Nats-Expected-Last-Subject-Sequence";

/// A message that is published again under the same id is stored once, for a while.
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is in the stream, under this number.
    Here(u64),
    /// There is one under this subject already, or a further one.
    Before,
    /// The stream, or the server, is full.
    Full(String),
    /// Not known, or not now; it has to be published again.
    Unknown(String),
}

/// So that a message which was published twice is stored once.
pub(crate) fn with_id(mut headers: HeaderMap, id: String) -> HeaderMap {
    headers.insert(MESSAGE_ID, id);
    headers
}

/// So that the first message of a subject is the only one.
pub(crate) fn as_first(headers: HeaderMap) -> HeaderMap {
    as_next(headers, 0)
}

/// So that nobody else has stored a message of the subject since this one.
pub(crate) fn as_next(mut headers: HeaderMap, last: u64) -> HeaderMap {
    headers.insert(EXPECTED_LAST, last.to_string());
    headers
}

impl Session {
    /// Publishes once, and waits for the answer, but not on a connection that is gone.
    pub(crate) async fn store(&self, subject: &str, headers: HeaderMap, payload: Bytes) -> Stored {
        let mut line = self.line.clone();
        let number = match line.wait_for(|line| line.up).await {
            Ok(line) => line.number,
            Err(_) => return Stored::Unknown("the connection is closed".to_owned()),
        };
        let sent = self.jetstream.publish_with_headers(subject.to_owned(), headers, payload).await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => return Stored::Unknown(error.to_string()),
        };
        tokio::select! {
            answer = answer.into_future() => match answer {
                Ok(ack) => Stored::Here(ack.sequence),
                Err(error) => refused(&error),
            },
            _ = line.wait_for(|line| line.number != number) => {
                Stored::Unknown("the connection was lost".to_owned())
            }
        }
    }
}

fn refused(error: &jetstream::context::PublishError) -> Stored {
    if error.kind() == PublishErrorKind::WrongLastSequence {
        return Stored::Before;
    }
    let refusal = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    match refusal {
        Some(refusal) if is_full(refusal.error_code()) => {
            // The same code stands for a limit that is reached and for a disk that fails.
            let full = if refusal.to_string().contains("maximum") { "it is full, " } else { "" };
            Stored::Full(format!("{full}{refusal}"))
        }
        _ => Stored::Unknown(error.to_string()),
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
