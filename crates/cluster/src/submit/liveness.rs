//! Checks that nodes serve the queue.

use std::time::{Duration, Instant};

use async_nats::client::RequestErrorKind;
use bytes::Bytes;
use pool::Job;
use tokio::time::timeout;

use super::{
    coordinator::{Coordinator, Event},
    guard::spawn,
    news::SubmitNews,
};

/// Time without results after which the nodes are pinged.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(5);

/// Delay between pings while no node answers.
const PING_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Timeout of a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// State of the check.
pub(super) struct NodeLiveness {
    /// When to ping, if messages are pending then.
    pub(super) ping_at: Instant,
    /// `Unserved` has been reported.
    is_unserved: bool,
}

impl NodeLiveness {
    pub(super) fn new() -> NodeLiveness {
        NodeLiveness { ping_at: Instant::now() + SILENCE_TIMEOUT, is_unserved: false }
    }

    /// Restarts the timeout.
    pub(super) fn reset(&mut self) {
        self.ping_at = Instant::now() + SILENCE_TIMEOUT;
    }
}

impl<J: Job> Coordinator<J> {
    /// Notes that a node has answered or stored a result.
    pub(super) fn note_node_activity(&mut self) {
        self.liveness.reset();
        if std::mem::take(&mut self.liveness.is_unserved) {
            (self.settings.tell)(SubmitNews::Served(self.settings.queue.clone()));
        }
    }

    /// Pings all nodes and waits for the first answer. Does nothing without a connection.
    pub(super) fn ping_nodes(&mut self) {
        self.liveness.reset();
        let session = self.publisher.session.clone();
        if !session.link.borrow().up {
            return;
        }
        let (ping, events) = (self.settings.queue.ping(), self.publisher.events.clone());
        spawn(&self.publisher.events, async move {
            let answer = timeout(PING_TIMEOUT, session.client.request(ping, Bytes::new())).await;
            let is_served = match answer {
                Ok(Ok(_)) => true,
                Ok(Err(error)) if error.kind() != RequestErrorKind::NoResponders => return,
                _ => false,
            };
            let _ = events.send(Event::PingAnswered(is_served));
        });
    }

    /// Requests all nodes to check the queue's streams and their consumer, and to create again what was
    /// deleted.
    pub(super) fn request_queue_check(&self) {
        let (client, ping) = (self.publisher.session.client.clone(), self.settings.queue.ping());
        spawn(&self.publisher.events, async move { drop(client.publish(ping, Bytes::new()).await) });
    }

    /// Handles the result of a ping: reports once that no node answers, and pings again soon.
    pub(super) fn handle_ping(&mut self, is_served: bool) {
        if is_served {
            return self.note_node_activity();
        }
        self.liveness.ping_at = Instant::now() + PING_RETRY_DELAY;
        if !self.pending.is_empty() && !std::mem::replace(&mut self.liveness.is_unserved, true) {
            (self.settings.tell)(SubmitNews::Unserved(self.settings.queue.clone()));
        }
    }
}
