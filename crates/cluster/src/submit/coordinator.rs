//! The one place that decides what becomes of a batch.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering, mpsc::Sender},
    time::{Duration, Instant},
};

use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use pool::{Failure, Job};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant as TokioInstant, sleep_until},
};

use super::{
    SubmitNews, SubmitSettings,
    decode::Decode,
    inlet::Gather,
    listen::{Finder, Found, Listener},
    publish::Publisher,
    shared::{Batch, Command, Shared},
    withdraw::{delivered, withdraw},
};
use crate::{
    Error,
    batch::{Label, digest, version},
    connect::Session,
    names::{Span, Which},
    parts,
    spans::{Known, Place},
    status::batches,
    streams::Streams,
};

/// A flush waits for so long for more jobs: a reader of small pieces flushes after each.
const FLUSH_AFTER: Duration = Duration::from_millis(2);

/// A batch that has heard of nothing for so long is looked for.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// As many are looked for at a time.
const LOOK_FOR: usize = 16;

/// Nothing is published before the first batch has been compared with its result, unless no further job comes for so
/// long, or so many bytes have come: a wrong input must not spoil a run, and a right one must not wait for ever.
const HOLD_FOR: Duration = Duration::from_millis(500);
const HOLD_BYTES: usize = 16 << 20;

/// While a run is being stopped, how often the nodes are looked at.
const POLL: Duration = Duration::from_millis(100);

/// What the coordinator hears from the runtime's other tasks.
pub(super) enum Event {
    /// A batch is in the queue, under this number.
    Published(Span, u64),
    Result(Found),
    /// A large result is whole now.
    Complete(Span, Result<Bytes, Error>),
    /// There is no such result.
    NotFound(Span),
    /// The run cannot go on.
    Failed(Error),
}

pub(super) struct Coordinator<J: Job> {
    streams: Streams,
    settings: SubmitSettings,
    shared: Arc<Shared<J>>,
    decoder: Sender<Decode<J>>,
    publisher: Arc<Publisher>,
    finder: Arc<Finder>,
    events: UnboundedReceiver<Event>,
    known: Known,
    known_jobs: u64,
    waiting: BTreeMap<u64, Waiting<J>>,
    /// Batches that are not published before another one has been compared.
    held: Option<Held>,
    flush_at: Option<Instant>,
    look_at: Instant,
    stopping: Option<Stopping>,
}

/// A batch without outcomes.
struct Waiting<J: Job> {
    batch: Batch<J>,
    digest: String,
    /// Its number in the queue, once it is known to be there.
    sequence: Option<u64>,
    /// It is in the queue, or on its way there.
    sent: bool,
    since: Instant,
    times: u32,
    /// Its result is here, and being put together.
    found: bool,
}

struct Held {
    bytes: usize,
    until: Instant,
}

struct Stopping {
    until: Instant,
    poll_at: Instant,
    /// How often in a row the nodes had nothing.
    idle: u32,
}

impl<J: Job> Coordinator<J> {
    /// Finds out what is known of the run. In this order: what becomes a result between two questions is found by the
    /// second, or heard of later.
    pub(super) async fn make(
        (session, streams): (Session, Streams),
        settings: SubmitSettings,
        timeout: Duration,
        shared: Arc<Shared<J>>,
        decoder: Sender<Decode<J>>,
    ) -> Result<Coordinator<J>, Error> {
        let SubmitSettings { queue, run, .. } = settings.clone();
        let after = streams.results.get_info().await.map_err(Error::server)?.state.last_sequence;
        let queued = batches(&streams.jobs, &queue.all(Which::Jobs, Some(&run))).await?;
        let stored = batches(&streams.results, &queue.all(Which::Results, Some(&run))).await?;
        let spans = |list: Vec<(_, Span)>| list.into_iter().map(|(_, span)| span).collect::<Vec<_>>();
        let known = Known::new(spans(queued), spans(stored));
        *shared.gather.lock() = Gather::new(known.clone());

        let (tell, events): (UnboundedSender<Event>, _) = unbounded_channel();
        let filter = queue.all(Which::Results, Some(&run));
        let listener = Listener {
            session: session.clone(),
            results: streams.results.clone(),
            filter,
            after,
            events: tell.clone(),
        };
        tokio::spawn(listener.listen());
        let finder = Finder::new(streams.results.clone(), queue.clone(), run.clone(), tell.clone());
        let publisher = Publisher::new(session, (queue, run), version(J::NAME), timeout, tell);
        let known_jobs = known.stored_jobs();
        let held = (known_jobs > 0).then(|| Held { bytes: 0, until: Instant::now() + HOLD_FOR });
        Ok(Coordinator {
            streams,
            settings,
            shared,
            decoder,
            publisher,
            finder,
            events,
            known,
            known_jobs,
            waiting: BTreeMap::new(),
            held,
            flush_at: None,
            look_at: Instant::now() + LOOK_AFTER,
            stopping: None,
        })
    }

    pub(super) fn known_jobs(&self) -> u64 {
        self.known_jobs
    }

    /// Decides until all jobs have their outcomes and no more will come.
    pub(super) async fn run(mut self, mut commands: UnboundedReceiver<Command<J>>) {
        let mut line = self.publisher.session.line.clone();
        let mut is_up = true;
        while !self.is_over() {
            let wake_at = TokioInstant::from_std(self.wake_at());
            tokio::select! {
                // What has come back makes room for what is to go.
                biased;
                Some(event) = self.events.recv() => self.hear(event).await,
                Some(command) = commands.recv() => self.obey(command).await,
                Ok(()) = line.changed() => {
                    let now = line.borrow_and_update().up;
                    if std::mem::replace(&mut is_up, now) != now {
                        (self.settings.tell)(if now { SubmitNews::Regained } else { SubmitNews::Lost });
                    }
                }
                () = sleep_until(wake_at) => self.tick().await,
            }
        }
        self.publisher.withdraw();
        self.publisher.session.flush().await;
        // What was on its way when the rest was taken back, and what a server that was killed has forgotten to remove: nobody
        // waits for it any more.
        withdraw(&self.streams.jobs, self.all_batches()).await;
        // Whoever pushes jobs from now on is refused; what came in between has to be told.
        commands.close();
        while let Ok(command) = commands.try_recv() {
            if let Command::Batch(batch) = command {
                batch.fail(&self.shared, || Failure::Cancelled);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.shared.is_over()
    }

    fn wake_at(&self) -> Instant {
        let held = self.held.as_ref().map(|held| held.until);
        let stopping = self.stopping.as_ref().map(|stopping| stopping.until.min(stopping.poll_at));
        self.flush_at.into_iter().chain(held).chain(stopping).fold(self.look_at, Instant::min)
    }

    fn all_batches(&self) -> String {
        self.settings.queue.all(Which::Jobs, Some(&self.settings.run))
    }

    async fn obey(&mut self, command: Command<J>) {
        match command {
            Command::Batch(batch) => self.take(batch),
            Command::Flush => {
                self.flush_at.get_or_insert_with(|| Instant::now() + FLUSH_AFTER);
            }
            Command::Look => self.look_at_the_end().await,
            Command::CancelWaiting => self.cancel_waiting().await,
            Command::Stop(until) => self.stop(until).await,
            Command::Unreadable(span, cause) => {
                let run = self.settings.run.clone();
                self.fail(&Error::Unreadable { run, first: span.first, last: span.last(), cause }).await;
            }
        }
    }

    async fn hear(&mut self, event: Event) {
        match event {
            Event::Published(span, sequence) => {
                if let Some(waiting) = self.waiting.get_mut(&span.first) {
                    waiting.sequence = Some(sequence);
                    waiting.since = Instant::now();
                }
            }
            Event::Result(found) => self.found(found).await,
            Event::Complete(span, Ok(outcomes)) => self.complete(span, outcomes),
            Event::Complete(span, Err(_)) => {
                // Later again, as what has not been heard of.
                if let Some(waiting) = self.waiting.get_mut(&span.first) {
                    waiting.found = false;
                }
            }
            Event::NotFound(span) => self.not_found(span).await,
            Event::Failed(error) => self.fail(&error).await,
        }
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush_at = None;
            self.shared.flushing.store(false, Ordering::Release);
            self.shared.gather.lock().send_off(&self.shared);
        }
        if self.held.as_ref().is_some_and(|held| held.until <= now) {
            self.release();
        }
        if self.look_at <= now {
            self.look_at = now + LOOK_AFTER;
            self.look_for_the_silent(now);
        }
        if self.stopping.is_some() {
            self.go_on_stopping(now).await;
        }
    }

    /// Takes a batch from those who push jobs.
    fn take(&mut self, batch: Batch<J>) {
        if self.shared.broken().is_some() || self.stopping.is_some() {
            let broken = self.shared.broken();
            return batch.fail(&self.shared, || match &broken {
                Some(cause) => Failure::Abandoned(cause.clone()),
                None => Failure::Cancelled,
            });
        }
        let span = batch.span;
        let known =
            self.known.starting_at(span.first).filter(|(known, _)| *known == span).map(|(_, place)| place);
        let waiting = Waiting {
            digest: digest(&batch.payload),
            sequence: None,
            sent: known.is_some(),
            since: Instant::now(),
            times: 0,
            found: false,
            batch,
        };
        let bytes = waiting.batch.payload.len();
        self.waiting.insert(span.first, waiting);
        match (known, &mut self.held) {
            (Some(Place::Stored), _) => self.finder.find(span),
            // Its result will be heard of.
            (Some(Place::Queued), _) => {}
            (None, None) => self.publish(span.first),
            (None, Some(held)) => {
                held.bytes += bytes;
                held.until = Instant::now() + HOLD_FOR;
                if held.bytes > HOLD_BYTES {
                    self.release();
                }
            }
        }
    }

    fn publish(&mut self, first: u64) {
        let Some(waiting) = self.waiting.get_mut(&first) else { return };
        waiting.times += 1;
        waiting.sent = true;
        waiting.since = Instant::now();
        let Waiting { batch, digest, times, .. } = waiting;
        self.publisher.publish(batch.span, batch.payload.clone(), digest.clone(), *times);
    }

    /// Publishes what has been held back.
    fn release(&mut self) {
        if self.held.take().is_some() {
            let unsent = self.waiting.iter().filter(|(_, waiting)| !waiting.sent).map(|(&first, _)| first);
            unsent.collect::<Vec<_>>().into_iter().for_each(|first| self.publish(first));
        }
    }

    /// A result is there. Of several for the same jobs the first counts, and one that nobody waits for is another's.
    async fn found(&mut self, found: Found) {
        let span = found.span;
        let Some(waiting) = self.waiting.get_mut(&span.first).filter(|waiting| waiting.batch.span == span)
        else {
            // For jobs that have not been pushed yet: it is looked up when they are.
            self.known.has_result(span);
            return;
        };
        let label = Label::read(&found.headers);
        if label.digest != waiting.digest {
            let error = Error::OtherJobs { run: self.settings.run.clone(), job: span.first };
            return self.fail(&error).await;
        }
        if std::mem::replace(&mut waiting.found, true) {
            return;
        }
        self.publisher.note_progress();
        if let Some(seconds) = label.cost {
            self.shared.note_cost(span.count, seconds);
        }
        match parts::is_whole(&found.headers) {
            true => self.complete(span, found.payload),
            false => self.finder.complete(found),
        }
        self.release();
    }

    fn complete(&mut self, span: Span, outcomes: Bytes) {
        if let Some(Waiting { batch, .. }) = self.waiting.remove(&span.first) {
            self.known.forget(span.first);
            // The decoder goes on for as long as we do.
            let _ = self.decoder.send(Decode { batch, outcomes });
        }
    }

    /// A batch has no result. If it is not in the queue either, it is published again.
    async fn not_found(&mut self, span: Span) {
        if !self.waiting.get(&span.first).is_some_and(|waiting| waiting.sent && !waiting.found) {
            return;
        }
        let subject = self.settings.queue.subject(Which::Jobs, &self.settings.run, span);
        let is_lost = match self.streams.jobs.get_last_raw_message_by_subject(&subject).await {
            Err(error) => error.kind() == LastRawMessageErrorKind::NoMessageFound,
            // In the queue, behind the place where the nodes are, and none of them has it: a server that was killed has kept
            // the acknowledgement and lost the result.
            Ok(queued) => delivered(&self.streams.jobs)
                .await
                .is_some_and(|nodes| nodes.in_flight == 0 && queued.sequence <= nodes.up_to),
        };
        if let Some(waiting) = self.waiting.get_mut(&span.first) {
            waiting.since = Instant::now();
            if is_lost && self.stopping.is_none() {
                // Between two questions it may have become a result, which is heard of then: publishing it again costs
                // a node's look.
                self.publish(span.first);
            }
        }
    }

    /// Looks for batches that nothing has been heard of for long. Somebody may have removed them, or a server has lost
    /// what it had not written to its disk.
    fn look_for_the_silent(&mut self, now: Instant) {
        let is_silent =
            |waiting: &&Waiting<J>| waiting.sent && !waiting.found && now - waiting.since > LOOK_AFTER;
        let in_queue = |waiting: &&Waiting<J>| waiting.sequence.is_some() || waiting.times == 0;
        let silent = self.waiting.values().filter(is_silent).filter(in_queue).take(LOOK_FOR);
        silent.for_each(|waiting| self.finder.find(waiting.batch.span));
    }

    /// No more jobs will come: have there been as many as the run is known to have?
    async fn look_at_the_end(&mut self) {
        if !self.shared.is_closed() || self.shared.is_stopped() || self.shared.broken().is_some() {
            return;
        }
        let read = self.shared.gather.lock().taken();
        if let Some(last) = self.known.last().filter(|&last| last >= read) {
            let run = self.settings.run.clone();
            self.fail(&Error::TooFewJobs { run, last, read }).await;
        }
    }

    /// Cancels what no node has been given.
    async fn cancel_waiting(&mut self) {
        let gathered = {
            let mut gather = self.shared.gather.lock();
            (!gather.is_empty()).then(|| gather.take())
        };
        if let Some(batch) = gathered {
            batch.fail(&self.shared, || Failure::Cancelled);
        }
        let delivered = delivered(&self.streams.jobs).await;
        withdraw(&self.streams.jobs, self.all_batches()).await;
        let up_to = delivered.map_or(0, |delivered| delivered.up_to);
        let is_waiting = |waiting: &Waiting<J>| {
            !waiting.found
                && (!waiting.sent
                    || waiting.times > 0 && waiting.sequence.is_none_or(|number| number > up_to))
        };
        self.cancel(is_waiting);
    }

    fn cancel(&mut self, is_meant: impl Fn(&Waiting<J>) -> bool) {
        let meant = self.waiting.iter().filter(|(_, waiting)| is_meant(waiting)).map(|(&first, _)| first);
        for first in meant.collect::<Vec<_>>() {
            if let Some(waiting) = self.waiting.remove(&first) {
                waiting.batch.fail(&self.shared, || Failure::Cancelled);
            }
        }
    }

    async fn stop(&mut self, until: Instant) {
        self.publisher.withdraw();
        let first_time = self.stopping.is_none();
        let now = Instant::now();
        let earlier = self.stopping.as_ref().map_or(until, |stopping| stopping.until);
        self.stopping = Some(Stopping { until: until.min(earlier), poll_at: now + POLL, idle: 0 });
        if first_time && until > now {
            self.cancel_waiting().await;
        } else if first_time {
            withdraw(&self.streams.jobs, self.all_batches()).await;
        }
        self.go_on_stopping(now).await;
    }

    /// Waits for the results of what nodes have, until the time is over or they have nothing.
    async fn go_on_stopping(&mut self, now: Instant) {
        let Some(stopping) = &mut self.stopping else { return };
        if stopping.poll_at <= now && stopping.until > now {
            stopping.poll_at = now + POLL;
            let in_flight = delivered(&self.streams.jobs).await.map_or(1, |delivered| delivered.in_flight);
            stopping.idle = if in_flight == 0 { stopping.idle + 1 } else { 0 };
        }
        if stopping.until <= now || stopping.idle > 1 {
            let gathered = self.shared.gather.lock().take();
            if gathered.span.count > 0 {
                gathered.fail(&self.shared, || Failure::Cancelled);
            }
            self.cancel(|_| true);
            // What there is to be told has been.
            stopping_is_over(self.stopping.as_mut(), now);
        }
    }

    /// The run cannot go on: all that is left shares the reason, and does not use the cluster any more.
    async fn fail(&mut self, error: &Error) {
        let cause = self.shared.break_down(error);
        self.publisher.withdraw();
        let gathered = self.shared.gather.lock().take();
        let left = std::mem::take(&mut self.waiting).into_values().map(|waiting| waiting.batch);
        for batch in left.chain((gathered.span.count > 0).then_some(gathered)) {
            batch.fail(&self.shared, || Failure::Abandoned(cause.clone()));
        }
        withdraw(&self.streams.jobs, self.all_batches()).await;
    }
}

/// After the end there is nothing to be woken for soon.
fn stopping_is_over(stopping: Option<&mut Stopping>, now: Instant) {
    if let Some(stopping) = stopping {
        stopping.idle = 0;
        stopping.until = now + Duration::from_secs(1 << 30);
        stopping.poll_at = now + POLL;
    }
}
