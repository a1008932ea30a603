//! How far the nodes' consumer is with the queue.

use async_nats::jetstream::{context::ConsumerInfoErrorKind, stream::Stream};

use crate::{Error, Queue, streams::CONSUMER};

/// Positions of the nodes' consumer, by sequence numbers of messages. All zero without a consumer: nothing was delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// The last message that any node was given.
    pub(crate) up_to: u64,
    /// The last of those that have all been acknowledged.
    pub(crate) acked: u64,
    /// There is no consumer: no node has served the queue yet, or somebody deleted it.
    pub(crate) has_no_consumer: bool,
}

impl Delivered {
    /// Asks the server.
    pub(crate) async fn ask(jobs: &Stream, queue: &Queue) -> Result<Delivered, Error> {
        let error = match jobs.consumer_info(CONSUMER).await {
            Ok(info) => {
                let up_to = info.delivered.stream_sequence;
                let acked = if info.num_ack_pending == 0 { up_to } else { info.ack_floor.stream_sequence };
                return Ok(Delivered { up_to, acked, has_no_consumer: false });
            }
            Err(error) => error,
        };
        match error.kind() {
            ConsumerInfoErrorKind::NotFound => {
                Ok(Delivered { has_no_consumer: true, ..Delivered::default() })
            }
            ConsumerInfoErrorKind::StreamNotFound => Err(Error::NoQueue { queue: queue.clone() }),
            _ => Err(Error::server(error)),
        }
    }
}
