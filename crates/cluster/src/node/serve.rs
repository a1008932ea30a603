//! The event loop of a node.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use async_nats::{
    Subscriber,
    datetime::DateTime,
    jetstream::{
        AckKind, Message,
        consumer::{PullConsumer, pull::Batch},
    },
};
use futures_util::StreamExt;
use parking_lot::Mutex;
use pool::{Executor, Job};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::sleep_until,
};

use super::{
    NodeNews, NodeSettings, NodeSummary,
    attempts::Isolation,
    cost::{Costs, Rate},
    handle::{Delivery, Disposition, NodeContext},
    heartbeat::open_consumer,
    notify::{notify_link, notify_refusal},
    restore::{CheckSchedule, QueueCheck, ack_wait, created},
    settle::acknowledge,
};
use crate::{
    Error, RunId,
    connect::{LinkState, Session},
    names::{Span, parse_subject},
    streams::Streams,
};

/// Expiry of a pull request; then another one is sent.
const PULL_EXPIRY: Duration = Duration::from_secs(5);

/// Delay after a failed pull request.
const PULL_RETRY_DELAY: Duration = Duration::from_millis(300);

pub(super) struct Node<J: Job> {
    pub(super) shared: Arc<NodeContext<J>>,
    pub(super) streams: Streams,
    pub(super) consumer: PullConsumer,
    pings: Subscriber,
    pub(super) in_flight: HashMap<String, InFlight>,
    pub(super) finished: mpsc::UnboundedReceiver<Finished>,
    finish_sender: mpsc::UnboundedSender<Finished>,
    errors: mpsc::UnboundedReceiver<String>,
    /// Time of the last notification of an error that has not ended.
    pub(super) error_notified_at: Option<Instant>,
    /// Number of messages in a row that have to be retried.
    pub(super) retries_in_row: u32,
    pub(super) stop_retrying: watch::Sender<bool>,
    pub(super) ack_wait: Duration,
    pub(super) check_schedule: CheckSchedule,
    pub(super) check_sender: mpsc::UnboundedSender<QueueCheck>,
    checks: mpsc::UnboundedReceiver<QueueCheck>,
    /// Earliest time of the next pull request.
    pull_at: Instant,
    /// Time of the next heartbeats.
    pub(super) heartbeat_at: Instant,
    /// Number of messages accepted.
    accepted: u64,
    /// Highest sequence number that is known to be delivered. First deliveries are in order.
    pub(super) highest_sequence: u64,
    pub(super) summary: NodeSummary,
    pub(super) rate: Rate,
    pub(super) started_at: Instant,
}

/// A message in flight to this node.
pub(super) struct InFlight {
    /// The latest delivery, which is the one to acknowledge.
    pub(super) delivery: Message,
    /// Creation time of the consumer that delivered it.
    pub(super) consumer: DateTime,
    pub(super) run: RunId,
    pub(super) span: Span,
    pub(super) redelivered: bool,
    /// Distinguishes it from earlier messages with the same subject.
    pub(super) number: u64,
    pub(super) task: AbortHandle,
}

/// Result of handling a message.
pub(super) struct Finished {
    pub(super) subject: String,
    pub(super) number: u64,
    pub(super) disposition: Disposition,
}

impl<J: Job> Node<J> {
    /// Opens the queue and subscribes to pings.
    pub(super) async fn join(
        session: Session,
        settings: NodeSettings,
        pool: Arc<dyn Executor<J>>,
    ) -> Result<Node<J>, Error> {
        let streams = Streams::open(&session, &settings.queue, J::NAME, settings.streams).await?;
        let consumer = open_consumer(&session, &settings, &streams).await?;
        let pings = session.client.subscribe(settings.queue.ping()).await.map_err(Error::server)?;
        let ack_wait = ack_wait(consumer.cached_info());
        let highest_sequence = consumer.cached_info().delivered.stream_sequence;
        let (finish_sender, finished) = mpsc::unbounded_channel();
        let (error_sender, errors) = mpsc::unbounded_channel();
        let (stop_retrying, stop_retrying_receiver) = watch::channel(false);
        let (check_sender, checks) = mpsc::unbounded_channel();
        let shared = NodeContext {
            session,
            settings,
            pool,
            costs: Mutex::new(Costs::new()),
            isolation: Isolation::default(),
            errors: error_sender,
            is_leaving: AtomicBool::new(false),
            stop_retrying: stop_retrying_receiver,
        };
        Ok(Node {
            shared: Arc::new(shared),
            streams,
            consumer,
            pings,
            in_flight: HashMap::new(),
            finished,
            finish_sender,
            errors,
            error_notified_at: None,
            retries_in_row: 0,
            stop_retrying,
            ack_wait,
            check_schedule: CheckSchedule::new(),
            check_sender,
            checks,
            pull_at: Instant::now(),
            heartbeat_at: Instant::now() + ack_wait / 3,
            accepted: 0,
            highest_sequence,
            summary: NodeSummary::default(),
            rate: Rate::default(),
            started_at: Instant::now(),
        })
    }

    /// Serves until the node is requested to leave or fails.
    pub(super) async fn serve(
        mut self,
        notify: &mut dyn FnMut(NodeNews),
        mut leave_requests: watch::Receiver<u32>,
    ) -> Result<NodeSummary, Error> {
        let server = self.shared.session.server.clone();
        notify(NodeNews::Joined { server, ack_wait: self.ack_wait });
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
                    self.notify_error(cause, notify);
                    self.check_schedule.soon();
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
                () = sleep_until(self.check_schedule.at.into()), if last_link.up => self.check_queue(),
                Some(check) = self.checks.recv() => if self.apply_check(&check) {
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
    async fn handle_link(&mut self, previous: LinkState, now: LinkState, notify: &mut dyn FnMut(NodeNews)) {
        if now.number != previous.number || !now.up {
            self.check_schedule.soon();
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
                self.check_queue();
            }
        }
    }

    /// Delays the next pull request after a failure, and checks the queue.
    fn delay_pull(&mut self) {
        self.pull_at = Instant::now() + PULL_RETRY_DELAY;
        self.check_schedule.soon();
    }

    /// Returns how many more messages the node should have in flight.
    fn free_capacity(&self) -> usize {
        let wanted = self.shared.costs.lock().max_in_flight(self.shared.pool.workers());
        wanted.saturating_sub(self.in_flight.len())
    }

    async fn pull(&mut self, notify: &mut dyn FnMut(NodeNews)) -> Option<Batch> {
        match self.consumer.batch().max_messages(self.free_capacity()).expires(PULL_EXPIRY).messages().await {
            Ok(batch) => Some(batch),
            Err(error) => {
                self.notify_error(error.to_string(), notify);
                self.pull_at = Instant::now() + PULL_RETRY_DELAY;
                None
            }
        }
    }

    /// Starts handling a delivered message.
    async fn accept(&mut self, message: Message, notify: &mut dyn FnMut(NodeNews)) {
        let subject = message.subject.to_string();
        let (number, times) = message.info().map_or((0, 1), |info| (info.stream_sequence, info.delivered));
        let redelivered = times > 1 || number <= self.highest_sequence;
        self.highest_sequence = self.highest_sequence.max(number);
        let Some((run, span)) = parse_subject(&subject) else {
            // It would be redelivered after each ack wait, for ever.
            acknowledge(&message, AckKind::Term).await;
            return notify(NodeNews::Nonsense { subject });
        };
        let headers = message.headers.clone().unwrap_or_default();
        let payload = message.payload.clone();
        if let Some(known) = self.in_flight.get_mut(&subject) {
            // It is in flight to this node already, and was redelivered because the connection was lost or
            // the ack wait was changed. Only the latest delivery can be acknowledged.
            (known.delivery, known.consumer) = (message, created(&self.consumer));
            self.check_schedule.soon();
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
