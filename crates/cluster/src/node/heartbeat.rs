//! Heartbeats: the node extends the ack wait of its messages and answers pings.

use std::time::{Duration, Instant};

use async_nats::{
    Subject,
    jetstream::{AckKind, consumer::PullConsumer},
};
use pool::Job;
use tokio::time::{sleep, timeout};

use super::{NodeSettings, restore::ack_wait, serve::Node, settle::ACK_TIMEOUT};
use crate::{
    Error,
    connect::{LinkState, Session},
    status::NodeStatus,
    streams::{ACK_WAIT, Streams},
};

/// Time for the other nodes to receive an announcement.
const ANNOUNCE_DELAY: Duration = Duration::from_millis(50);

impl<J: Job> Node<J> {
    /// Extends the ack wait of all messages in flight, so that they are not redelivered while their jobs run.
    pub(super) async fn send_heartbeats(&mut self, link: LinkState) {
        self.heartbeat_at = Instant::now() + self.ack_wait / 3;
        if link.up {
            for message in self.in_flight.values() {
                self.settle(&message.delivery, message.consumer, AckKind::Progress).await;
            }
        }
    }

    pub(super) async fn answer_ping(&mut self, reply: Subject) {
        let settings = &self.shared.settings;
        let now = Instant::now();
        let status = NodeStatus {
            name: settings.name.clone(),
            version: settings.version.clone(),
            workers: self.shared.pool.workers(),
            batches_held: self.in_flight.len(),
            runs_held: self.in_flight.values().map(|message| message.run.to_string()).collect(),
            jobs_done: self.summary.jobs,
            jobs_per_second: self.rate.per_second(now, self.started_at),
            up_s: (now - self.started_at).as_secs_f64(),
        };
        if let Ok(text) = serde_json::to_vec(&status) {
            let _ = timeout(ACK_TIMEOUT, self.shared.session.client.publish(reply, text.into())).await;
        }
    }
}

/// Opens the nodes' consumer and sets its ack wait if the settings have one.
pub(super) async fn open_consumer(
    session: &Session,
    settings: &NodeSettings,
    streams: &Streams,
) -> Result<PullConsumer, Error> {
    let consumer = streams.consumer(session, settings.ack_wait.unwrap_or(ACK_WAIT)).await?;
    let Some(wanted) = settings.ack_wait.filter(|&wait| wait != ack_wait(consumer.cached_info())) else {
        return Ok(consumer);
    };
    // Announced before and after the change: on the first ping the other nodes send heartbeats, so that no
    // message expires under a shorter ack wait; on the second they read the new one.
    let announce = || session.client.publish(settings.queue.ping(), "".into());
    announce().await.map_err(Error::server)?;
    session.flush().await;
    sleep(ANNOUNCE_DELAY).await;
    let consumer = streams.set_ack_wait(session, &consumer, wanted).await?;
    announce().await.map_err(Error::server)?;
    Ok(consumer)
}
