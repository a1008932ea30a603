//! Taking back what no node has been given.

use std::time::Duration;

use async_nats::jetstream::stream::Stream;
use tokio::time::timeout;

use crate::{clean::remove, streams::CONSUMER};

/// A server that takes longer is not waited for: a resumed run finds out what is there.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// What the nodes' consumer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delivered {
    /// The number of the last message that any node was given.
    pub(super) up_to: u64,
    /// Batches that nodes have.
    pub(super) in_flight: usize,
}

/// How far the nodes are; `None` if the server does not say. Without any node nothing has been delivered.
pub(super) async fn delivered(jobs: &Stream) -> Option<Delivered> {
    let info = timeout(ANSWER_WITHIN, jobs.consumer_info(CONSUMER)).await.ok()?;
    match info {
        Ok(info) => {
            Some(Delivered { up_to: info.delivered.stream_sequence, in_flight: info.num_ack_pending })
        }
        Err(error) => {
            use async_nats::jetstream::context::ConsumerInfoErrorKind::NotFound;
            matches!(error.kind(), NotFound).then(Delivered::default)
        }
    }
}

/// Removes a run's batches from the queue. Those that nodes have are still run, and their results stored.
pub(super) async fn withdraw(jobs: &Stream, filter: String) {
    let _ = timeout(ANSWER_WITHIN, remove(jobs, filter)).await;
}
