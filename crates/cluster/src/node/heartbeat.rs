//! Heartbeats: the node extends the ack wait of its messages and answers pings.

use std::time::Instant;

use async_nats::{Subject, jetstream::AckKind};
use pool::Job;
use tokio::time::timeout;

use super::{consumer::ACK_TIMEOUT, state::Node};
use crate::{connect::LinkState, status::NodeStatus};

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
