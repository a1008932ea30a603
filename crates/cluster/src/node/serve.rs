//! The node's one loop: what it hears, and what it does about it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{
    Subscriber,
    jetstream::{AckKind, Message, consumer::PullConsumer, consumer::pull::Batch},
};
use futures_util::StreamExt;
use parking_lot::Mutex;
use pool::{Executor, Job};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use super::{
    NodeNews, NodeSettings, NodeSummary,
    cost::{Costs, Rate},
    handle::{Delivery, End, Shared},
};
use crate::{
    Error, RunId,
    clean::purge,
    connect::{Line, Session},
    names::{Span, parse_subject},
    status::NodeStatus,
    streams::{ACK_WAIT, Streams},
};

/// A request for batches is answered by then, or asked anew.
const ASK_FOR: Duration = Duration::from_secs(5);

/// After a request that failed.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// After the queue has been removed, or the server cannot be asked.
const MAKE_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How long an acknowledgement may wait for a connection. If it is lost, the batch comes back, and its result is there.
const ACK_WITHIN: Duration = Duration::from_secs(1);

/// How long results may take to be stored after the last job has ended.
const LAST_WORDS: Duration = Duration::from_millis(1500);

/// What a request brings that is under way when the node leaves.
const LAST_BATCHES: Duration = Duration::from_millis(50);

pub(super) struct Node<J: Job> {
    shared: Arc<Shared<J>>,
    streams: Streams,
    consumer: PullConsumer,
    pings: Subscriber,
    held: HashMap<String, Held>,
    ended: mpsc::UnboundedReceiver<(String, End)>,
    end: mpsc::UnboundedSender<(String, End)>,
    hurry: watch::Sender<bool>,
    ack_wait: Duration,
    /// The highest number of a message that is known to have been delivered: first deliveries are in order.
    highest: u64,
    summary: NodeSummary,
    rate: Rate,
    since: Instant,
}

/// A batch under way.
struct Held {
    /// Its latest delivery, by which it is acknowledged.
    message: Message,
    run: RunId,
    span: Span,
    again: bool,
}

impl<J: Job> Node<J> {
    /// Takes a place at the queue.
    pub(super) async fn join(
        session: Session,
        settings: NodeSettings,
        pool: Arc<dyn Executor<J>>,
    ) -> Result<Node<J>, Error> {
        let streams = Streams::open(&session, &settings.queue, J::NAME, settings.streams).await?;
        let consumer = streams.consumer(&session, settings.ack_wait).await?;
        let pings = session.client.subscribe(settings.queue.ping()).await.map_err(Error::server)?;
        let ack_wait = consumer.cached_info().config.ack_wait;
        let highest = consumer.cached_info().delivered.stream_sequence;
        let (end, ended) = mpsc::unbounded_channel();
        let (hurry, hurried) = watch::channel(false);
        let shared = Shared { session, settings, pool, costs: Mutex::new(Costs::new()), hurry: hurried };
        Ok(Node {
            shared: Arc::new(shared),
            streams,
            consumer,
            pings,
            held: HashMap::new(),
            ended,
            end,
            hurry,
            ack_wait: if ack_wait.is_zero() { ACK_WAIT } else { ack_wait },
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
        let mut known = Line { up: true, ..*line.borrow() };
        let mut progress = interval(self.ack_wait / 3);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut pull, mut ask_at) = (None, Instant::now());
        let result = loop {
            if pull.is_none() && known.up && self.room() > 0 && Instant::now() >= ask_at {
                match self.ask().await {
                    Ok(batch) => pull = Some(batch),
                    Err(error) => {
                        tell(NodeNews::Trouble(error.to_string()));
                        ask_at = Instant::now() + ASK_AGAIN_AFTER;
                    }
                }
            }
            tokio::select! {
                Some((subject, end)) = self.ended.recv() => {
                    if let Err(error) = self.finish(&subject, end, tell).await {
                        break Err(error);
                    }
                }
                message = next(&mut pull) => match message {
                    Some(Ok(message)) => self.take(message, tell).await,
                    None => pull = None,
                    Some(Err(_)) => {
                        pull = None;
                        tokio::select! {
                            found = timeout(ASK_FOR, self.find_again()) => {
                                // Any other error: the server is away, or just back. There will be news of it, or another
                                // try.
                                if let Ok(Err(error @ Error::Version { .. })) = found {
                                    break Err(error);
                                }
                            }
                            _ = asked.changed() => break Ok(()),
                        }
                    }
                },
                () = sleep_until(ask_at.into()), if pull.is_none() && Instant::now() < ask_at => {}
                Ok(()) = line.changed() => {
                    let now = *line.borrow_and_update();
                    if now.number != known.number || !now.up {
                        // What was asked on the old connection nobody will answer.
                        pull = None;
                    }
                    tell_line(known, now, tell);
                    known = now;
                }
                _ = progress.tick() => if known.up { self.show_signs_of_life().await },
                Some(ping) = self.pings.next() => self.answer(ping).await,
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

    async fn ask(&self) -> Result<Batch, Error> {
        let asked = self.consumer.batch().max_messages(self.room()).expires(ASK_FOR).messages();
        asked.await.map_err(Error::server)
    }

    /// The queue may have been removed while we served it.
    async fn find_again(&mut self) -> Result<(), Error> {
        // A server that is removing a stream loses what is put into a new one of that name meanwhile.
        sleep(MAKE_AGAIN_AFTER).await;
        let settings = &self.shared.settings;
        let session = &self.shared.session;
        self.streams = Streams::open(session, &settings.queue, J::NAME, settings.streams).await?;
        self.consumer = self.streams.consumer(&self.shared.session, settings.ack_wait).await?;
        self.highest = self.consumer.cached_info().delivered.stream_sequence;
        Ok(())
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
        let held = Held { message, run: run.clone(), span, again };
        if self.held.insert(subject.clone(), held).is_some() {
            // Ours already, and delivered again because we had been cut off: it is acknowledged by the latest delivery.
            return;
        }
        let delivery =
            Delivery { subject, run, span, headers, payload, again, streams: self.streams.clone() };
        self.summary.redelivered += u64::from(again);
        let (shared, end) = (self.shared.clone(), self.end.clone());
        tokio::spawn(async move {
            let became = shared.handle(&delivery).await;
            let _ = end.send((delivery.subject, became));
        });
    }

    /// Acknowledges a batch, or hands it back.
    async fn finish(&mut self, subject: &str, end: End, tell: &mut dyn FnMut(NodeNews)) -> Result<(), Error> {
        let Some(Held { message, run, span, again }) = self.held.remove(subject) else { return Ok(()) };
        let Span { first, count } = span;
        match end {
            End::HandedBack => {
                self.summary.handed_back += 1;
                acknowledge(&message, AckKind::Nak(None)).await;
                return Ok(());
            }
            End::Failed(error) => {
                self.summary.handed_back += 1;
                acknowledge(&message, AckKind::Nak(None)).await;
                return Err(error);
            }
            End::NotNow => {
                self.summary.handed_back += 1;
                acknowledge(&message, AckKind::Nak(Some(ASK_AGAIN_AFTER))).await;
                return Ok(());
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
        acknowledge(&message, AckKind::Ack).await;
        if again {
            self.forget_attempts(parse_subject(subject));
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

    /// Batches that take longer than the ack wait are not given to others while we are alive.
    async fn show_signs_of_life(&self) {
        for held in self.held.values() {
            acknowledge(&held.message, AckKind::Progress).await;
        }
    }

    async fn answer(&mut self, ping: async_nats::Message) {
        let Some(reply) = ping.reply else { return };
        let settings = &self.shared.settings;
        let now = Instant::now();
        let status = NodeStatus {
            name: settings.name.clone(),
            version: settings.version.clone(),
            workers: self.shared.pool.workers(),
            batches_held: self.held.len(),
            jobs_done: self.summary.jobs,
            jobs_per_second: self.rate.per_second(now, self.since),
            up_s: (now - self.since).as_secs_f64(),
        };
        if let Ok(text) = serde_json::to_vec(&status) {
            let _ = timeout(ACK_WITHIN, self.shared.session.client.publish(reply, text.into())).await;
        }
    }

    /// Finishes what can be finished soon, and hands back the rest.
    async fn leave(
        &mut self,
        mut pull: Option<Batch>,
        tell: &mut dyn FnMut(NodeNews),
        asked: &mut watch::Receiver<u32>,
    ) {
        let grace = if *asked.borrow() == 1 { self.shared.settings.grace } else { Duration::ZERO };
        self.shared.pool.stop(grace);
        while let Ok(Some(Ok(message))) = timeout(LAST_BATCHES, next(&mut pull)).await {
            self.summary.handed_back += 1;
            acknowledge(&message, AckKind::Nak(None)).await;
        }
        drop(pull);
        let give_up = sleep(grace + LAST_WORDS);
        tokio::pin!(give_up);
        while !self.held.is_empty() {
            tokio::select! {
                Some((subject, end)) = self.ended.recv() => {
                    // There is one error to tell, and that is why we leave.
                    let _ = self.finish(&subject, end, tell).await;
                }
                Ok(()) = asked.changed() => self.shared.pool.stop(Duration::ZERO),
                () = &mut give_up => break,
            }
        }
        self.hurry.send_replace(true);
        for (_, held) in self.held.drain() {
            self.summary.handed_back += 1;
            acknowledge(&held.message, AckKind::Nak(None)).await;
        }
        self.shared.session.flush().await;
    }
}

/// The next batch; never, if none has been asked for.
async fn next(pull: &mut Option<Batch>) -> Option<Result<Message, async_nats::Error>> {
    match pull {
        Some(batch) => batch.next().await,
        None => std::future::pending().await,
    }
}

/// Tells the server; that it does not hear is no reason to stop.
async fn acknowledge(message: &Message, kind: AckKind) {
    let _ = timeout(ACK_WITHIN, message.ack_with(kind)).await;
}

fn tell_line(before: Line, now: Line, tell: &mut dyn FnMut(NodeNews)) {
    // The first connection is told of by `Joined`.
    if before.up && !now.up {
        tell(NodeNews::Lost);
    } else if !before.up && now.up {
        tell(NodeNews::Regained);
    } else if before.number > 0 && now.number > before.number {
        tell(NodeNews::Lost);
        tell(NodeNews::Regained);
    }
}
