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
const SILENCE: Duration = Duration::from_secs(5);

/// While there are none, they are asked again after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// One of them answers by then.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What is known of the nodes.
pub(super) struct Vigil {
    /// When they are to be asked, if jobs wait by then.
    pub(super) ask_at: Instant,
    /// It has been told that there are none.
    unserved: bool,
}

impl Vigil {
    pub(super) fn new() -> Vigil {
        Vigil { ask_at: Instant::now() + SILENCE, unserved: false }
    }

    /// Has nothing to be patient about before now.
    pub(super) fn begin(&mut self) {
        self.ask_at = Instant::now() + SILENCE;
    }
}

impl<J: Job> Coordinator<J> {
    /// There is a node, or a result that one has stored just now.
    pub(super) fn heard_of_nodes(&mut self) {
        self.vigil.begin();
        if std::mem::take(&mut self.vigil.unserved) {
            (self.settings.tell)(SubmitNews::Served(self.settings.queue.clone()));
        }
    }

    /// Asks all nodes for a sign of life, and hears of the first; without a connection there is nobody to ask.
    pub(super) fn look_for_nodes(&mut self) {
        self.vigil.begin();
        let session = self.publisher.session.clone();
        if !session.line.borrow().up {
            return;
        }
        let (ping, events) = (self.settings.queue.ping(), self.publisher.events.clone());
        spawn(&self.publisher.events, async move {
            let answer = timeout(ANSWER_WITHIN, session.client.request(ping, Bytes::new())).await;
            let is_served = match answer {
                Ok(Ok(_)) => true,
                Ok(Err(error)) if error.kind() != RequestErrorKind::NoResponders => return,
                _ => false,
            };
            let _ = events.send(Event::Nodes(is_served));
        });
    }

    /// Has all nodes look at the queue's streams and their consumer, and make again what was deleted.
    pub(super) fn have_nodes_look(&self) {
        let (client, ping) = (self.publisher.session.client.clone(), self.settings.queue.ping());
        spawn(&self.publisher.events, async move { drop(client.publish(ping, Bytes::new()).await) });
    }

    /// Tells once that there is no node, and asks again soon.
    pub(super) fn found_nodes(&mut self, is_served: bool) {
        if is_served {
            return self.heard_of_nodes();
        }
        self.vigil.ask_at = Instant::now() + AGAIN;
        if !self.waiting.is_empty() && !std::mem::replace(&mut self.vigil.unserved, true) {
            (self.settings.tell)(SubmitNews::Unserved(self.settings.queue.clone()));
        }
    }
}
