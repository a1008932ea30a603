//! Position of the nodes' consumer in the queue.

use async_nats::jetstream::{context::ConsumerInfoErrorKind, stream::Stream};

use crate::{Error, Queue, streams::CONSUMER};

/// Position of the nodes' consumer, as sequence numbers of messages. All zero if there is no consumer,
/// because nothing was delivered then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConsumerPosition {
    /// Last message that was delivered.
    pub(crate) delivered: u64,
    /// Last message up to which all are acknowledged.
    pub(crate) acked: u64,
    /// The consumer does not exist: no node has served the queue yet, or it was deleted.
    pub(crate) is_missing: bool,
}

impl ConsumerPosition {
    /// Requests the position from the server.
    pub(crate) async fn fetch(jobs: &Stream, queue: &Queue) -> Result<ConsumerPosition, Error> {
        let error = match jobs.consumer_info(CONSUMER).await {
            Ok(info) => {
                let delivered = info.delivered.stream_sequence;
                let acked =
                    if info.num_ack_pending == 0 { delivered } else { info.ack_floor.stream_sequence };
                return Ok(ConsumerPosition { delivered, acked, is_missing: false });
            }
            Err(error) => error,
        };
        match error.kind() {
            ConsumerInfoErrorKind::NotFound => {
                Ok(ConsumerPosition { is_missing: true, ..ConsumerPosition::default() })
            }
            ConsumerInfoErrorKind::StreamNotFound => Err(Error::NoQueue { queue: queue.clone() }),
            _ => Err(Error::server(error)),
        }
    }
}
