//! The one place that decides what becomes of a batch.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering, mpsc::Sender},
    time::{Duration, Instant},
};

use bytes::Bytes;
use pool::{Job, JobError};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{AbortHandle, JoinSet},
    time::{Instant as TokioInstant, sleep_until},
};

use super::{
    SubmitNews, SubmitSettings,
    check::{Checked, StreamCheck},
    claim::Claim,
    decode::Decode,
    ending::{Cancelling, Stopping},
    guard::spawn,
    held::{Held, Starving},
    listen::{Finder, Found, Listener},
    publish::{Outgoing, Publisher},
    results::LOOK_AFTER,
    shared::{Batch, Command, Shared},
    submitter::Gather,
    survey::Survey,
    trouble::Trouble,
    vigil::Vigil,
};
use crate::{
    Error,
    batch::version,
    connect::Session,
    names::{Span, Which},
    spans::{Known, Place},
    status::batches,
    streams::Streams,
};

/// A flush waits for so long for more jobs: a reader of small pieces flushes after each.
const FLUSH_AFTER: Duration = Duration::from_millis(2);

/// What the coordinator hears from the runtime's other tasks.
pub(super) enum Event {
    /// A batch is in the queue, under this number.
    Published(Span, u64),
    Result(Found),
    /// The server was asked for the queue's streams.
    Checked(Checked),
    /// Something was refused or not answered: a stream may have been deleted.
    Suspect,
    /// A large result is whole now.
    Complete(Span, Result<Bytes, Error>),
    /// There is no such result.
    NotFound(Span),
    /// A batch of an earlier submitter is in the queue, under this number, and of jobs with this digest.
    Queued(Span, u64, String),
    /// Where the batches are.
    Surveyed(Survey),
    /// Whether a node gives signs of life.
    Nodes(bool),
    /// The results have been made anew, or a server has lost some: news of others may have been missed.
    Doubt,
    /// Something has failed for long, and is tried on.
    Trouble(String),
    /// The run cannot go on.
    Failed(Error),
}

pub(super) struct Coordinator<J: Job> {
    pub(super) streams: Streams,
    pub(super) settings: SubmitSettings,
    pub(super) shared: Arc<Shared<J>>,
    pub(super) decoder: Sender<Decode<J>>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) finder: Arc<Finder>,
    pub(super) events: UnboundedReceiver<Event>,
    pub(super) known: Known,
    pub(super) known_jobs: u64,
    pub(super) waiting: BTreeMap<u64, Waiting<J>>,
    /// Batches that are not published before another one has been compared.
    pub(super) held: Option<Held>,
    pub(super) flush_at: Option<Instant>,
    pub(super) starving: Option<Starving>,
    pub(super) look_at: Instant,
    /// It has been asked where the batches are.
    pub(super) is_surveying: bool,
    /// The answer to that may be older than a reason to doubt: ask once more.
    pub(super) survey_again: bool,
    pub(super) check: StreamCheck,
    /// What is to be cancelled as soon as it is known that no node has it.
    pub(super) cancelling: Vec<Cancelling<J>>,
    pub(super) stopping: Option<Stopping>,
    /// Messages of batches that nobody waits for.
    pub(super) unwanted: Vec<u64>,
    /// Such batches whose messages are not known, and may not be there.
    pub(super) orphans: BTreeSet<Span>,
    /// What is being removed.
    pub(super) removals: JoinSet<()>,
    pub(super) vigil: Vigil,
    pub(super) claim: Claim,
    /// What is queued is another submitter's.
    pub(super) taken_over: bool,
}

/// A batch without outcomes.
pub(super) struct Waiting<J: Job> {
    pub(super) batch: Batch<J>,
    pub(super) digest: String,
    /// Its number in the queue, once it is known to be there.
    pub(super) sequence: Option<u64>,
    /// It is in the queue, or on its way there.
    pub(super) sent: bool,
    /// On its way there.
    pub(super) publishing: Option<AbortHandle>,
    pub(super) since: Instant,
    pub(super) times: u32,
    /// Its result is here, and being put together.
    pub(super) found: bool,
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
        let claim = Claim::take(&session, &streams, (&queue, &run)).await?;
        let after = streams.results.get_info().await.map_err(Error::server)?.state.last_sequence;
        let queued = batches(&streams.jobs, &queue.all(Which::Jobs, Some(&run))).await?;
        let stored = batches(&streams.results, &queue.all(Which::Results, Some(&run))).await?;
        let spans = |list: Vec<(_, Span)>| list.into_iter().map(|(_, span)| span).collect::<Vec<_>>();
        let known = Known::new(spans(queued), spans(stored));
        *shared.gather.lock() = Gather::new(known.clone());

        let (tell, events): (UnboundedSender<Event>, _) = unbounded_channel();
        let trouble = || Trouble::new(timeout, session.line.clone(), tell.clone());
        let filter = queue.all(Which::Results, Some(&run));
        let listener = Listener {
            session: session.clone(),
            results: streams.results.clone(),
            created: streams.results.cached_info().created,
            filter,
            after,
            events: tell.clone(),
            trouble: trouble(),
        };
        spawn(&tell, listener.listen());
        let finder = Finder::new(&streams, queue.clone(), run.clone(), tell.clone(), trouble());
        let check = StreamCheck::new(streams.identity(), timeout, trouble());
        let publisher =
            Publisher::new((session, streams.jobs.clone()), (queue, run), version(J::NAME), timeout, tell);
        let known_jobs = known.stored_jobs();
        let held = known.last().map(|_| Held::default());
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
            starving: None,
            look_at: Instant::now() + LOOK_AFTER,
            is_surveying: false,
            survey_again: false,
            check,
            cancelling: Vec::new(),
            stopping: None,
            unwanted: Vec::new(),
            orphans: BTreeSet::new(),
            removals: JoinSet::new(),
            vigil: Vigil::new(),
            claim,
            taken_over: false,
        })
    }

    pub(super) fn known_jobs(&self) -> u64 {
        self.known_jobs
    }

    /// Decides until all jobs have their outcomes and no more will come.
    pub(super) async fn run(mut self, commands: &mut UnboundedReceiver<Command<J>>) {
        let mut line = self.publisher.session.line.clone();
        let mut is_up = true;
        while !self.is_over() {
            let wake_at = TokioInstant::from_std(self.wake_at());
            tokio::select! {
                // What has come back makes room for what is to go.
                biased;
                Some(event) = self.events.recv() => self.hear(event),
                Some(command) = commands.recv() => self.obey(command),
                Ok(()) = line.changed() => {
                    let now = line.borrow_and_update().up;
                    self.check.reconnected();
                    if std::mem::replace(&mut is_up, now) != now {
                        (self.settings.tell)(if now { SubmitNews::Regained } else { SubmitNews::Lost });
                    }
                }
                () = sleep_until(wake_at) => self.tick(),
            }
            self.remove_unwanted();
        }
        self.publisher.withdraw();
        self.clean_up().await;
        // Whoever pushes jobs from now on is refused; what came in between has to be told.
        commands.close();
        while let Ok(command) = commands.try_recv() {
            if let Command::Batch(batch) = command {
                batch.fail(|| JobError::Cancelled);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.shared.is_over()
    }

    fn wake_at(&self) -> Instant {
        let held = self.held.as_ref().and_then(|held| held.until);
        let stopping = self.stopping.as_ref().map(|stopping| stopping.until.min(stopping.look_at));
        let vigil = self.keeps_vigil().then_some(self.vigil.ask_at);
        let patience = self.cancelling.iter().filter_map(Cancelling::patient_until);
        let starving = self.starving.as_ref().map(|starving| starving.until);
        let times = self
            .flush_at
            .into_iter()
            .chain(starving)
            .chain(held)
            .chain(stopping)
            .chain(vigil)
            .chain(patience);
        times.fold(self.look_at.min(self.check.at()), Instant::min)
    }

    /// Whether somebody should be at work.
    fn keeps_vigil(&self) -> bool {
        !self.waiting.is_empty() && self.stopping.is_none()
    }

    fn obey(&mut self, command: Command<J>) {
        match command {
            Command::Batch(batch) => self.take(batch),
            Command::Flush => {
                self.flush_at.get_or_insert_with(|| Instant::now() + FLUSH_AFTER);
            }
            Command::Look => self.look_at_the_end(),
            Command::CancelWaiting(sink, done) => self.cancel_waiting(sink, done),
            Command::Stop(until) => self.stop(until),
            Command::Unreadable(span, cause) => self.unreadable(span, cause),
            Command::Fail(error) => self.fail(&error),
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Published(span, sequence) => {
                if self.orphans.remove(&span) {
                    self.unwanted.push(sequence);
                } else if let Some(waiting) = self.waiting.get_mut(&span.first) {
                    waiting.sequence = Some(sequence);
                    waiting.since = Instant::now();
                    waiting.batch.leave_publisher();
                }
            }
            Event::Result(found) => self.found(found),
            Event::Complete(span, Ok(outcomes)) => self.complete(span, outcomes),
            Event::Complete(span, Err(Error::NoAnswer(_))) => {
                // Later again, as what has not been heard of.
                if let Some(waiting) = self.waiting.get_mut(&span.first) {
                    waiting.found = false;
                }
            }
            Event::Complete(span, Err(error)) => self.unreadable(span, error.to_string()),
            Event::NotFound(span) => self.not_found(span),
            Event::Queued(span, sequence, digest) => self.queued(span, sequence, &digest),
            Event::Checked(checked) => self.checked(checked),
            Event::Suspect => self.check.soon(),
            Event::Surveyed(survey) => self.surveyed(&survey),
            Event::Nodes(is_served) => self.found_nodes(is_served),
            Event::Doubt => self.doubt(),
            Event::Trouble(cause) => (self.settings.tell)(SubmitNews::Trouble(cause)),
            Event::Failed(error) => self.fail(&error),
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush_at = None;
            self.shared.flushing.store(false, Ordering::Release);
            let mut gather = self.shared.gather.lock();
            gather.send_off(&self.shared);
            self.starving = Starving::of(&gather, now);
        }
        self.feed_the_starving(now);
        self.hold_on(now);
        if self.look_at <= now {
            self.look_at = now + LOOK_AFTER;
            self.look_for_the_silent(now);
        }
        if self.check.at() <= now {
            self.check_streams();
        }
        if self.keeps_vigil() && self.vigil.ask_at <= now {
            self.look_for_nodes();
        }
        self.cancelling.iter_mut().for_each(|cancelling| cancelling.lose_patience(now));
        if self.stopping.is_some() {
            self.go_on_stopping(now);
        }
    }

    /// Takes a batch from those who push jobs.
    fn take(&mut self, mut batch: Batch<J>) {
        if self.shared.broken().is_some() || self.stopping.is_some() {
            let broken = self.shared.broken();
            return batch.fail(|| match &broken {
                Some(cause) => JobError::Abandoned(cause.clone()),
                None => JobError::Cancelled,
            });
        }
        let span = batch.span;
        let known =
            self.known.starting_at(span.first).filter(|(known, _)| *known == span).map(|(_, place)| place);
        if known.is_some() || self.held.is_some() {
            batch.leave_publisher();
        }
        let waiting = Waiting {
            digest: std::mem::take(&mut batch.digest),
            sequence: None,
            sent: known.is_some(),
            publishing: None,
            since: Instant::now(),
            times: 0,
            found: false,
            batch,
        };
        let bytes = waiting.batch.payload.len();
        if self.waiting.is_empty() {
            self.vigil.begin();
        }
        self.waiting.insert(span.first, waiting);
        match (known, &self.held) {
            (Some(Place::Stored), _) => self.finder.find(span),
            (Some(Place::Queued), _) => self.finder.follow(span),
            (None, None) => self.publish(span.first),
            (None, Some(_)) => self.hold(bytes),
        }
    }

    pub(super) fn publish(&mut self, first: u64) {
        let Some(waiting) = self.waiting.get_mut(&first) else { return };
        let again = waiting.sent;
        waiting.times += 1;
        waiting.sent = true;
        waiting.sequence = None;
        waiting.since = Instant::now();
        let Waiting { batch, digest, times, .. } = waiting;
        let (payload, digest) = (batch.payload.clone(), digest.clone());
        let outgoing = Outgoing { span: batch.span, payload, digest, time: *times, again };
        let publishing = self.publisher.publish(outgoing);
        waiting.publishing = Some(publishing);
    }
}
