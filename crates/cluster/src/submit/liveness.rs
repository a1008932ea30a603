//! Whether anybody works for the run.

use std::time::{Duration, Instant};

use async_nats::client::RequestErrorKind;
use bytes::Bytes;
use pool::Job;
use tokio::time::timeout;

use super::{
    SubmitNews,
    coordinator::{Coordinator, Event},
    guard::spawn,
};

/// When no result has come for so long, the nodes are asked for signs of life.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(5);

/// While there are none, they are asked again after this time.
const PING_RETRY_DELAY: Duration = Duration::from_secs(1);

/// One of them answers by then.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// What is known of the nodes.
pub(super) struct NodeLiveness {
    /// When they are to be asked, if jobs wait by then.
    pub(super) ping_at: Instant,
    /// It has been told that there are none.
    is_unserved: bool,
}

impl NodeLiveness {
    pub(super) fn new() -> NodeLiveness {
        NodeLiveness { ping_at: Instant::now() + SILENCE_TIMEOUT, is_unserved: false }
    }

    /// Has nothing to be patient about before now.
    pub(super) fn reset(&mut self) {
        self.ping_at = Instant::now() + SILENCE_TIMEOUT;
    }
}

impl<J: Job> Coordinator<J> {
    /// There is a node, or a result that one has stored just now.
    pub(super) fn note_node_activity(&mut self) {
        self.liveness.reset();
        if std::mem::take(&mut self.liveness.is_unserved) {
            (self.settings.tell)(SubmitNews::Served(self.settings.queue.clone()));
        }
    }

    /// Asks all nodes for a sign of life, and hears of the first; without a connection there is nobody to ask.
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

    /// Has all nodes look at the queue's streams and their consumer, and make again what was deleted.
    pub(super) fn request_queue_check(&self) {
        let (client, ping) = (self.publisher.session.client.clone(), self.settings.queue.ping());
        spawn(&self.publisher.events, async move { drop(client.publish(ping, Bytes::new()).await) });
    }

    /// Tells once that there is no node, and asks again soon.
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
