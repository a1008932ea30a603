//! The event loop of a node.

use std::time::{Duration, Instant};

use async_nats::jetstream::{AckKind, Message, consumer::pull::Batch};
use futures_util::StreamExt;
use pool::Job;
use tokio::{sync::watch, time::sleep_until};

use super::{
    consumer::{acknowledge, created},
    delivery::Delivery,
    in_flight::{Finished, InFlight},
    node_event::NodeEvent,
    notify::{notify_link, notify_refusal},
    state::Node,
    summary::NodeSummary,
};
use crate::{Error, connect::LinkState, names::parse_subject};

/// Expiry of a pull request; then another one is sent.
const PULL_EXPIRY: Duration = Duration::from_secs(5);

/// Delay after a failed pull request.
const PULL_RETRY_DELAY: Duration = Duration::from_millis(300);

impl<J: Job> Node<J> {
    /// Serves until the node is requested to leave or fails.
    pub(super) async fn serve(
        mut self,
        notify: &mut dyn FnMut(NodeEvent),
        mut leave_requests: watch::Receiver<u32>,
    ) -> Result<NodeSummary, Error> {
        let server = self.shared.session.server.clone();
        notify(NodeEvent::Joined { server, ack_wait: self.ack_wait });
        let mut link = self.shared.session.link.clone();
        let mut refused = self.shared.session.refused.clone();
        let mut last_link = LinkState { up: true, ..*link.borrow() };
        let mut pull = None;
        let result = loop {
            if pull.is_none() && last_link.up && self.free_capacity() > 0 && Instant::now() >= self.pull_at {
                pull = self.pull(notify).await;
            }
            tokio::select! {
                Some(finished) = self.finished.recv() => {
                    if let Err(error) = self.finish(finished, notify).await {
                        break Err(error);
                    }
                }
                Some(cause) = self.errors.recv() => {
                    self.error_notifier.notify(cause, notify);
                    self.checks.soon();
                }
                message = next_message(&mut pull) => match message {
                    Some(Ok(message)) => self.accept(message, notify).await,
                    None => pull = None,
                    Some(Err(_)) => {
                        pull = None;
                        self.delay_pull();
                    }
                },
                () = sleep_until(self.pull_at.into()),
                    if pull.is_none() && Instant::now() < self.pull_at => {}
                Ok(()) = link.changed() => {
                    let now = *link.borrow_and_update();
                    let previous = std::mem::replace(&mut last_link, now);
                    if now.number != previous.number || !now.up {
                        // Pull requests of the old connection will not be answered.
                        pull = None;
                    }
                    self.handle_link(previous, now, notify).await;
                }
                Ok(()) = refused.changed() => notify_refusal(&mut refused, &self.shared.session, notify),
                () = sleep_until(self.heartbeat_at.into()) => self.send_heartbeats(last_link).await,
                () = sleep_until(self.checks.at().into()), if last_link.up => self.checks.request(),
                Some(check) = self.check_answers.recv() => if self.apply_check(&check) {
                    tokio::select! {
                        restored = self.restore(notify) => match restored {
                            // Pull requests of the old consumer will not be answered.
                            Ok(is_new) => pull = pull.filter(|_| !is_new),
                            Err(error) => break Err(error),
                        },
                        _ = leave_requests.changed() => break Ok(()),
                    }
                },
                Some(ping) = self.pings.next() => self.handle_ping(ping, last_link).await,
                _ = leave_requests.changed() => break Ok(()),
            }
        };
        self.drain(pull, notify, &mut leave_requests).await;
        result.map(|()| self.summary)
    }

    /// Handles a change of the connection.
    async fn handle_link(&mut self, previous: LinkState, now: LinkState, notify: &mut dyn FnMut(NodeEvent)) {
        if now.number != previous.number || !now.up {
            self.checks.soon();
        }
        notify_link(previous, now, notify);
        // Ack waits went on while there was no connection.
        self.send_heartbeats(now).await;
    }

    /// Answers a ping. A ping without a reply subject announces a change of the queue.
    async fn handle_ping(&mut self, ping: async_nats::Message, link: LinkState) {
        match ping.reply {
            Some(reply) => self.answer_ping(reply).await,
            None => {
                self.send_heartbeats(link).await;
                self.checks.request();
            }
        }
    }

    /// Delays the next pull request after a failure, and checks the queue.
    fn delay_pull(&mut self) {
        self.pull_at = Instant::now() + PULL_RETRY_DELAY;
        self.checks.soon();
    }

    /// Returns how many more messages the node should have in flight.
    fn free_capacity(&self) -> usize {
        let wanted = self.shared.costs.lock().max_in_flight(self.shared.pool.workers());
        wanted.saturating_sub(self.in_flight.len())
    }

    async fn pull(&mut self, notify: &mut dyn FnMut(NodeEvent)) -> Option<Batch> {
        match self.consumer.batch().max_messages(self.free_capacity()).expires(PULL_EXPIRY).messages().await {
            Ok(batch) => Some(batch),
            Err(error) => {
                self.error_notifier.notify(error.to_string(), notify);
                self.pull_at = Instant::now() + PULL_RETRY_DELAY;
                None
            }
        }
    }

    /// Starts handling a delivered message.
    async fn accept(&mut self, message: Message, notify: &mut dyn FnMut(NodeEvent)) {
        let subject = message.subject.to_string();
        let (number, times) = message.info().map_or((0, 1), |info| (info.stream_sequence, info.delivered));
        let redelivered = times > 1 || number <= self.highest_sequence;
        self.highest_sequence = self.highest_sequence.max(number);
        let Some((run, span)) = parse_subject(&subject) else {
            // It would be redelivered after each ack wait, for ever.
            acknowledge(&message, AckKind::Term).await;
            return notify(NodeEvent::InvalidSubject { subject });
        };
        let headers = message.headers.clone().unwrap_or_default();
        let payload = message.payload.clone();
        if let Some(known) = self.in_flight.get_mut(&subject) {
            // It is in flight to this node already, and was redelivered because the connection was lost or
            // the ack wait was changed. Only the latest delivery can be acknowledged.
            (known.delivery, known.consumer) = (message, created(&self.consumer));
            self.checks.soon();
            self.heartbeat_at = Instant::now();
            return;
        }
        let delivery =
            Delivery { run: run.clone(), span, headers, payload, redelivered, streams: self.streams.clone() };
        self.summary.redelivered += u64::from(redelivered);
        let (shared, finish_sender) = (self.shared.clone(), self.finish_sender.clone());
        let handling = tokio::spawn(async move { shared.handle(&delivery).await });
        self.accepted += 1;
        let (consumer, task) = (created(&self.consumer), handling.abort_handle());
        let in_flight =
            InFlight { delivery: message, consumer, run, span, redelivered, number: self.accepted, task };
        let (shared, number) = (self.shared.clone(), in_flight.number);
        self.in_flight.insert(subject.clone(), in_flight);
        tokio::spawn(async move {
            let disposition = match handling.await {
                // The message was dropped with its stream.
                Err(error) if error.is_cancelled() => return,
                result => result.unwrap_or_else(|panic| shared.retry_later(panic.to_string())),
            };
            let _ = finish_sender.send(Finished { subject, number, disposition });
        });
    }
}

/// Receives the next message of a pull request; without a request, waits for ever.
pub(super) async fn next_message(pull: &mut Option<Batch>) -> Option<Result<Message, async_nats::Error>> {
    match pull {
        Some(batch) => batch.next().await,
        None => std::future::pending().await,
    }
}
