//! Checks that nodes serve the queue.

use std::time::{Duration, Instant};

use async_nats::client::RequestErrorKind;
use bytes::Bytes;
use tokio::{sync::mpsc::UnboundedSender, time::timeout};

use super::{event::Event, guard::spawn, submit_event::SubmitEvent};
use crate::{Queue, connect::Session};

/// Time without results after which the nodes are pinged.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(5);

/// Delay between pings while no node answers.
const PING_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Timeout of a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Checks that nodes serve the queue, and reports it when none does.
pub(super) struct NodeLiveness {
    session: Session,
    queue: Queue,
    events: UnboundedSender<Event>,
    on_event: fn(SubmitEvent),
    ping_at: Instant,
    /// `Unserved` has been reported.
    is_unserved: bool,
}

impl NodeLiveness {
    pub(super) fn new(
        session: Session,
        queue: Queue,
        events: UnboundedSender<Event>,
        on_event: fn(SubmitEvent),
    ) -> NodeLiveness {
        let ping_at = Instant::now() + SILENCE_TIMEOUT;
        NodeLiveness { session, queue, events, on_event, ping_at, is_unserved: false }
    }

    /// Returns when to ping, if messages are pending then.
    pub(super) fn ping_at(&self) -> Instant {
        self.ping_at
    }

    /// Restarts the timeout.
    pub(super) fn reset(&mut self) {
        self.ping_at = Instant::now() + SILENCE_TIMEOUT;
    }

    /// Notes that a node has answered or stored a result.
    pub(super) fn note_activity(&mut self) {
        self.reset();
        if std::mem::take(&mut self.is_unserved) {
            (self.on_event)(SubmitEvent::Served(self.queue.clone()));
        }
    }

    /// Pings all nodes and waits for the first answer. Does nothing without a connection.
    pub(super) fn ping(&mut self) {
        self.reset();
        let session = self.session.clone();
        if !session.link.borrow().up {
            return;
        }
        let (ping, events) = (self.queue.ping(), self.events.clone());
        spawn(&self.events, async move {
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
        let (client, ping) = (self.session.client.clone(), self.queue.ping());
        spawn(&self.events, async move { drop(client.publish(ping, Bytes::new()).await) });
    }

    /// Handles the result of a ping: if messages are pending, reports once that no node answers, and pings
    /// again soon.
    pub(super) fn handle_ping(&mut self, is_served: bool, has_pending: bool) {
        if is_served {
            return self.note_activity();
        }
        self.ping_at = Instant::now() + PING_RETRY_DELAY;
        if has_pending && !std::mem::replace(&mut self.is_unserved, true) {
            (self.on_event)(SubmitEvent::Unserved(self.queue.clone()));
        }
    }
}
