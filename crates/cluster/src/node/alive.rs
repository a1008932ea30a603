//! What a node does to be known as alive: to the server, for as long as the ack wait is, and to who asks.

use std::time::{Duration, Instant};

use async_nats::{
    Subject,
    jetstream::{AckKind, consumer::PullConsumer},
};
use pool::Job;
use tokio::time::{sleep, timeout};

use super::{
    NodeSettings,
    restore::ack_wait,
    serve::{ACK_WITHIN, Node},
};
use crate::{
    Error,
    connect::{Line, Session},
    status::NodeStatus,
    streams::{ACK_WAIT, Streams},
};

/// What is announced to nodes they have heard by then.
const HEARD_WITHIN: Duration = Duration::from_millis(50);

impl<J: Job> Node<J> {
    /// Batches that take longer than the ack wait are not given to others while we are alive.
    pub(super) async fn show_signs_of_life(&mut self, line: Line) {
        self.alive_at = Instant::now() + self.ack_wait / 3;
        if line.up {
            for held in self.held.values() {
                self.settle(&held.message, held.consumer, AckKind::Progress).await;
            }
        }
    }

    pub(super) async fn answer(&mut self, reply: Subject) {
        let settings = &self.shared.settings;
        let now = Instant::now();
        let status = NodeStatus {
            name: settings.name.clone(),
            version: settings.version.clone(),
            workers: self.shared.pool.workers(),
            batches_held: self.held.len(),
            runs_held: self.held.values().map(|held| held.run.to_string()).collect(),
            jobs_done: self.summary.jobs,
            jobs_per_second: self.rate.per_second(now, self.since),
            up_s: (now - self.since).as_secs_f64(),
        };
        if let Ok(text) = serde_json::to_vec(&status) {
            let _ = timeout(ACK_WITHIN, self.shared.session.client.publish(reply, text.into())).await;
        }
    }
}

/// The nodes' common consumer, with the ack wait that this node is to set, if any.
pub(super) async fn consumer(
    session: &Session,
    settings: &NodeSettings,
    streams: &Streams,
) -> Result<PullConsumer, Error> {
    let consumer = streams.consumer(session, settings.ack_wait.unwrap_or(ACK_WAIT)).await?;
    let Some(wanted) = settings.ack_wait.filter(|&wait| wait != ack_wait(consumer.cached_info())) else {
        return Ok(consumer);
    };
    // The others show signs of life before it counts, and learn of it when it does.
    let announce = || session.client.publish(settings.queue.ping(), "".into());
    announce().await.map_err(Error::server)?;
    session.flush().await;
    sleep(HEARD_WITHIN).await;
    let consumer = streams.set_ack_wait(session, &consumer, wanted).await?;
    announce().await.map_err(Error::server)?;
    Ok(consumer)
}
