//! The state of a node, owned by its event loop.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use async_nats::{Subscriber, jetstream::consumer::PullConsumer};
use parking_lot::Mutex;
use pool::{Executor, Job};
use tokio::sync::{mpsc, watch};

use super::{
    attempts::Attempts,
    check::{QueueCheck, QueueChecks},
    consumer::{ack_wait, open_consumer},
    cost::{Costs, Rate},
    handle::NodeContext,
    in_flight::{Finished, InFlight},
    notify::ErrorNotifier,
    settings::NodeSettings,
    summary::NodeSummary,
};
use crate::{Error, connect::Session, streams::Streams};

pub(super) struct Node<J: Job> {
    pub(super) shared: Arc<NodeContext<J>>,
    pub(super) streams: Streams,
    pub(super) consumer: PullConsumer,
    pub(super) pings: Subscriber,
    pub(super) in_flight: HashMap<String, InFlight>,
    pub(super) finished: mpsc::UnboundedReceiver<Finished>,
    pub(super) finish_sender: mpsc::UnboundedSender<Finished>,
    pub(super) errors: mpsc::UnboundedReceiver<String>,
    pub(super) error_notifier: ErrorNotifier,
    /// Number of messages in a row that have to be retried.
    pub(super) retries_in_row: u32,
    pub(super) stop_retrying: watch::Sender<bool>,
    pub(super) ack_wait: Duration,
    pub(super) checks: QueueChecks,
    pub(super) check_answers: mpsc::UnboundedReceiver<QueueCheck>,
    /// Earliest time of the next pull request.
    pub(super) pull_at: Instant,
    /// Time of the next heartbeats.
    pub(super) heartbeat_at: Instant,
    /// Number of messages accepted.
    pub(super) accepted: u64,
    /// Highest sequence number that is known to be delivered. First deliveries are in order.
    pub(super) highest_sequence: u64,
    pub(super) summary: NodeSummary,
    pub(super) rate: Rate,
    pub(super) started_at: Instant,
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
        let (check_sender, check_answers) = mpsc::unbounded_channel();
        let checks = QueueChecks::new(session.clone(), settings.queue.clone(), check_sender);
        let shared = NodeContext {
            attempts: Attempts::new(session.clone(), &settings),
            session,
            settings,
            pool,
            costs: Mutex::new(Costs::new()),
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
            error_notifier: ErrorNotifier::default(),
            retries_in_row: 0,
            stop_retrying,
            ack_wait,
            checks,
            check_answers,
            pull_at: Instant::now(),
            heartbeat_at: Instant::now() + ack_wait / 3,
            accepted: 0,
            highest_sequence,
            summary: NodeSummary::default(),
            rate: Rate::default(),
            started_at: Instant::now(),
        })
    }
}
