//! The node's one loop: what it hears, and what it does about it.

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
    time::{sleep_until, timeout},
};

use super::{
    NodeNews, NodeSettings, NodeSummary,
    alive::consumer,
    attempts::Floor,
    cost::{Costs, Rate},
    handle::{Delivery, End, Shared},
    restore::{Look, Looks, ack_wait, created},
    tell::{tell_line, tell_refusal},
};
use crate::{
    Error, RunId,
    clean::purge,
    connect::{Line, Session},
    names::{Span, parse_subject},
    streams::Streams,
};

/// A request for batches is answered by then, or asked anew.
const ASK_FOR: Duration = Duration::from_secs(5);

/// After a request that failed.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// A batch that cannot be begun or ended now is given to somebody again after this time, doubled with each further one.
const PUT_OFF_FOR: Duration = Duration::from_secs(1);

/// That makes 16 seconds.
const MOST_DOUBLINGS: u32 = 4;

/// How long an acknowledgement may wait for a connection. If it is lost, the batch comes back, and its result is there.
pub(super) const ACK_WITHIN: Duration = Duration::from_secs(1);

pub(super) struct Node<J: Job> {
    pub(super) shared: Arc<Shared<J>>,
    pub(super) streams: Streams,
    pub(super) consumer: PullConsumer,
    pings: Subscriber,
    pub(super) held: HashMap<String, Held>,
    pub(super) ended: mpsc::UnboundedReceiver<Ended>,
    end: mpsc::UnboundedSender<Ended>,
    troubles: mpsc::UnboundedReceiver<String>,
    /// When a trouble was told that has not ended.
    pub(super) told: Option<Instant>,
    /// How many batches in a row had to be put off.
    put_off: u32,
    pub(super) hurry: watch::Sender<bool>,
    pub(super) ack_wait: Duration,
    pub(super) looks: Looks,
    pub(super) look: mpsc::UnboundedSender<Look>,
    looked: mpsc::UnboundedReceiver<Look>,
    /// When to ask for batches, at the earliest.
    ask_at: Instant,
    /// When to say again that we are alive.
    pub(super) alive_at: Instant,
    /// How many batches have been taken on.
    taken: u64,
    /// The highest number of a message that is known to have been delivered: first deliveries are in order.
    pub(super) highest: u64,
    pub(super) summary: NodeSummary,
    pub(super) rate: Rate,
    pub(super) since: Instant,
}

/// A batch under way.
pub(super) struct Held {
    /// Its latest delivery, by which it is acknowledged.
    pub(super) message: Message,
    /// When the consumer was created that has delivered it.
    pub(super) consumer: DateTime,
    pub(super) run: RunId,
    span: Span,
    again: bool,
    /// Tells it from earlier ones of the same name.
    number: u64,
    pub(super) task: AbortHandle,
}

/// What became of a batch that was held.
pub(super) struct Ended {
    subject: String,
    number: u64,
    end: End,
}

impl<J: Job> Node<J> {
    /// Takes a place at the queue.
    pub(super) async fn join(
        session: Session,
        settings: NodeSettings,
        pool: Arc<dyn Executor<J>>,
    ) -> Result<Node<J>, Error> {
        let streams = Streams::open(&session, &settings.queue, J::NAME, settings.streams).await?;
        let consumer = consumer(&session, &settings, &streams).await?;
        let pings = session.client.subscribe(settings.queue.ping()).await.map_err(Error::server)?;
        let ack_wait = ack_wait(consumer.cached_info());
        let highest = consumer.cached_info().delivered.stream_sequence;
        let (end, ended) = mpsc::unbounded_channel();
        let (trouble, troubles) = mpsc::unbounded_channel();
        let (hurry, hurried) = watch::channel(false);
        let (look, looked) = mpsc::unbounded_channel();
        let shared = Shared {
            session,
            settings,
            pool,
            costs: Mutex::new(Costs::new()),
            floor: Floor::default(),
            troubles: trouble,
            is_leaving: AtomicBool::new(false),
            hurry: hurried,
        };
        Ok(Node {
            shared: Arc::new(shared),
            streams,
            consumer,
            pings,
            held: HashMap::new(),
            ended,
            end,
            troubles,
            told: None,
            put_off: 0,
            hurry,
            ack_wait,
            looks: Looks::new(),
            look,
            looked,
            ask_at: Instant::now(),
            alive_at: Instant::now() + ack_wait / 3,
            taken: 0,
            highest,
            summary: NodeSummary::default(),
            rate: Rate::default(),
            since: Instant::now(),
        })
    }

    /// Serves until somebody asks it to leave, or it cannot go on.
    pub(super) async fn serve(
        mut self,
        tell: &mut dyn FnMut(NodeNews),
        mut asked: watch::Receiver<u32>,
    ) -> Result<NodeSummary, Error> {
        let server = self.shared.session.server.clone();
        tell(NodeNews::Joined { server, ack_wait: self.ack_wait });
        let mut line = self.shared.session.line.clone();
        let mut refused = self.shared.session.refused.clone();
        let mut known = Line { up: true, ..*line.borrow() };
        let mut pull = None;
        let result = loop {
            if pull.is_none() && known.up && self.room() > 0 && Instant::now() >= self.ask_at {
                pull = self.ask(tell).await;
            }
            tokio::select! {
                Some(ended) = self.ended.recv() => {
                    if let Err(error) = self.finish(ended, tell).await {
                        break Err(error);
                    }
                }
                Some(cause) = self.troubles.recv() => {
                    self.tell_trouble(cause, tell);
                    self.looks.soon();
                }
                message = next(&mut pull) => match message {
                    Some(Ok(message)) => self.take(message, tell).await,
                    None => pull = None,
                    Some(Err(_)) => {
                        pull = None;
                        self.ask_at = Instant::now() + ASK_AGAIN_AFTER;
                        self.looks.soon();
                    }
                },
                () = sleep_until(self.ask_at.into()), if pull.is_none() && Instant::now() < self.ask_at => {}
                Ok(()) = line.changed() => {
                    let now = *line.borrow_and_update();
                    if now.number != known.number || !now.up {
                        // What was asked on the old connection nobody will answer.
                        pull = None;
                        self.looks.soon();
                    }
                    tell_line(known, now, tell);
                    known = now;
                    // Ack waits went on.
                    self.show_signs_of_life(known).await;
                }
                Ok(()) = refused.changed() => tell_refusal(&mut refused, &self.shared.session, tell),
                () = sleep_until(self.alive_at.into()) => self.show_signs_of_life(known).await,
                () = sleep_until(self.looks.at.into()), if known.up => self.look(),
                Some(look) = self.looked.recv() => if self.looked(&look) {
                    tokio::select! {
                        restored = self.restore(tell) => match restored {
                            // What was asked of the old consumer nobody will answer.
                            Ok(is_new) => pull = pull.filter(|_| !is_new),
                            Err(error) => break Err(error),
                        },
                        _ = asked.changed() => break Ok(()),
                    }
                },
                Some(ping) = self.pings.next() => match ping.reply {
                    Some(reply) => self.answer(reply).await,
                    None => {
                        self.show_signs_of_life(known).await;
                        self.look();
                    }
                },
                _ = asked.changed() => break Ok(()),
            }
        };
        self.leave(pull, tell, &mut asked).await;
        result.map(|()| self.summary)
    }

    fn room(&self) -> usize {
        let wanted = self.shared.costs.lock().batches_to_hold(self.shared.pool.workers());
        wanted.saturating_sub(self.held.len())
    }

    async fn ask(&mut self, tell: &mut dyn FnMut(NodeNews)) -> Option<Batch> {
        match self.consumer.batch().max_messages(self.room()).expires(ASK_FOR).messages().await {
            Ok(batch) => Some(batch),
            Err(error) => {
                self.tell_trouble(error.to_string(), tell);
                self.ask_at = Instant::now() + ASK_AGAIN_AFTER;
                None
            }
        }
    }

    /// Takes a batch on.
    async fn take(&mut self, message: Message, tell: &mut dyn FnMut(NodeNews)) {
        let subject = message.subject.to_string();
        let (number, times) = message.info().map_or((0, 1), |info| (info.stream_sequence, info.delivered));
        let again = times > 1 || number <= self.highest;
        self.highest = self.highest.max(number);
        let Some((run, span)) = parse_subject(&subject) else {
            // It would come back after each ack wait, for ever.
            acknowledge(&message, AckKind::Term).await;
            return tell(NodeNews::Nonsense { subject });
        };
        let headers = message.headers.clone().unwrap_or_default();
        let payload = message.payload.clone();
        if let Some(held) = self.held.get_mut(&subject) {
            // Ours already, and delivered again because we had been cut off, or the ack wait is another one: it is
            // acknowledged by the latest delivery.
            (held.message, held.consumer) = (message, created(&self.consumer));
            self.looks.soon();
            self.alive_at = Instant::now();
            return;
        }
        let delivery =
            Delivery { run: run.clone(), span, headers, payload, again, streams: self.streams.clone() };
        self.summary.redelivered += u64::from(again);
        let (shared, end) = (self.shared.clone(), self.end.clone());
        let handling = tokio::spawn(async move { shared.handle(&delivery).await });
        self.taken += 1;
        let (consumer, task) = (created(&self.consumer), handling.abort_handle());
        let held = Held { message, consumer, run, span, again, number: self.taken, task };
        let (shared, number) = (self.shared.clone(), held.number);
        self.held.insert(subject.clone(), held);
        tokio::spawn(async move {
            let became = match handling.await {
                // Nobody waits for it any more.
                Err(error) if error.is_cancelled() => return,
                became => became.unwrap_or_else(|panic| shared.not_now(panic.to_string())),
            };
            let _ = end.send(Ended { subject, number, end: became });
        });
    }

    /// Acknowledges a batch, or hands it back.
    pub(super) async fn finish(&mut self, ended: Ended, tell: &mut dyn FnMut(NodeNews)) -> Result<(), Error> {
        let Ended { subject, number, end } = ended;
        // It may be that of a queue that is gone.
        if self.held.get(&subject).is_none_or(|held| held.number != number) {
            return Ok(());
        }
        let Some(Held { message, consumer, run, span, again, .. }) = self.held.remove(&subject) else {
            return Ok(());
        };
        let Span { first, count } = span;
        match end {
            End::HandedBack => {
                self.summary.handed_back += 1;
                self.settle(&message, consumer, AckKind::Nak(None)).await;
                return Ok(());
            }
            // At once it would come back at once.
            End::NotYet => {
                self.settle(&message, consumer, AckKind::Nak(Some(PUT_OFF_FOR))).await;
                return Ok(());
            }
            End::NotNow => {
                let delay = PUT_OFF_FOR * (1 << self.put_off.min(MOST_DOUBLINGS));
                self.put_off += 1;
                self.settle(&message, consumer, AckKind::Nak(Some(delay))).await;
                return Ok(());
            }
            End::Failed(error) => {
                self.summary.handed_back += 1;
                self.settle(&message, consumer, AckKind::Nak(None)).await;
                return Err(error);
            }
            End::Incomplete(cause) => {
                self.summary.quarantined += 1;
                tell(NodeNews::Incomplete { run, first, count, cause });
            }
            End::Foreign => {
                self.summary.quarantined += 1;
                tell(NodeNews::Foreign { run, first, count });
            }
            End::Late => self.summary.late += 1,
            End::Quarantined { deliveries } => {
                self.summary.quarantined += 1;
                tell(NodeNews::Quarantined { run, first, count, deliveries });
            }
            End::Done { cost } => {
                self.summary.jobs += count;
                self.summary.batches += 1;
                self.rate.add(count, Instant::now());
                tell(NodeNews::Done { run, first, count, cost });
            }
        }
        (self.put_off, self.told) = (0, None);
        self.settle(&message, consumer, AckKind::Ack).await;
        if again || self.shared.notes_the_first() {
            self.forget_attempts(parse_subject(&subject));
        }
        Ok(())
    }

    /// It does not matter any more how often a batch has been begun.
    fn forget_attempts(&self, batch: Option<(RunId, Span)>) {
        let Some((run, span)) = batch else { return };
        let (stream, subject) =
            (self.streams.quarantine.clone(), self.shared.settings.queue.attempts(&run, span));
        tokio::spawn(async move { drop(purge(&stream, subject).await) });
    }
}

/// The next batch; never, if none has been asked for.
pub(super) async fn next(pull: &mut Option<Batch>) -> Option<Result<Message, async_nats::Error>> {
    match pull {
        Some(batch) => batch.next().await,
        None => std::future::pending().await,
    }
}

/// Tells the server; that it does not hear is no reason to stop.
pub(super) async fn acknowledge(message: &Message, kind: AckKind) {
    let _ = timeout(ACK_WITHIN, message.ack_with(kind)).await;
}
