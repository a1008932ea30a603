//! The coordinator: the state machine of all pending messages. Only this thread changes their state.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering, mpsc::Sender},
    time::{Duration, Instant},
};

use bytes::Bytes;
use pool::{Job, JobError};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::{Instant as TokioInstant, sleep_until},
};

use super::{
    check::{Checked, StreamCheck},
    claim::Claim,
    decode::DecodeTask,
    gate::{PublishGate, StalledMessage},
    listen::{Finder, Listener, ResultMessage},
    liveness::NodeLiveness,
    news::SubmitNews,
    pending::PendingMessage,
    publish::{PublishRequest, Publisher},
    reconcile::QueueSnapshot,
    results::RESULT_TIMEOUT,
    settings::SubmitSettings,
    shared::{Command, JobMessage, RunState},
    stop::{CancelRequest, Stopping},
    submit_buffer::SubmitBuffer,
    throttle::ErrorThrottle,
};
use crate::{
    Error, Queue, RunId,
    connect::Session,
    message::version,
    names::{Span, StreamKind},
    resume::{ResumeIndex, ResumeState},
    status::message_spans,
    streams::Streams,
};

/// Delay of a flush, in which further jobs are added: a reader of small pieces flushes after each.
const FLUSH_AFTER: Duration = Duration::from_millis(2);

/// Events from the runtime's other tasks.
pub(super) enum Event {
    /// A message is in the queue, under this sequence number.
    Published(Span, u64),
    Result(ResultMessage),
    /// The server has answered whether the queue's streams exist.
    Checked(Checked),
    /// A request was rejected or not answered: a stream may have been deleted.
    CheckStreams,
    /// A result with chunks has been loaded, or cannot be.
    Loaded(Span, Result<Bytes, Error>),
    /// The message has no result.
    NotFound(Span),
    /// A message of an earlier submitter is in the queue, under this sequence number and with this digest.
    Queued(Span, u64, String),
    /// Which messages are in the queue.
    Snapshot(QueueSnapshot),
    /// Whether a node has answered a ping.
    PingAnswered(bool),
    /// The results stream has been created again, or a server has lost some results: events may have been
    /// missed.
    ResultsMissed,
    /// An error has lasted for the connection's timeout, and is retried.
    ErrorPersists(String),
    /// The run failed.
    Failed(Error),
}

pub(super) struct Coordinator<J: Job> {
    pub(super) streams: Streams,
    pub(super) settings: SubmitSettings,
    pub(super) shared: Arc<RunState<J>>,
    pub(super) decoder: Sender<DecodeTask<J>>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) finder: Arc<Finder>,
    pub(super) events: UnboundedReceiver<Event>,
    pub(super) known: ResumeIndex,
    pub(super) known_jobs: u64,
    pub(super) pending: BTreeMap<u64, PendingMessage<J>>,
    /// Holds messages back until a message of the resumed run has been compared.
    pub(super) gate: Option<PublishGate>,
    pub(super) flush_at: Option<Instant>,
    pub(super) stalled: Option<StalledMessage>,
    pub(super) reconcile_at: Instant,
    /// A snapshot of the queue was requested.
    pub(super) is_reconciling: bool,
    /// That snapshot may be older than a reason to reconcile: request another one.
    pub(super) reconcile_again: bool,
    pub(super) check: StreamCheck,
    /// Cancellations that wait for a snapshot of the queue.
    pub(super) cancel_requests: Vec<CancelRequest<J>>,
    pub(super) stopping: Option<Stopping>,
    /// Sequence numbers of messages that are to be removed.
    pub(super) unwanted_sequences: Vec<u64>,
    /// Messages to be removed whose sequence numbers are not known, and that may not be stored.
    pub(super) unwanted_spans: BTreeSet<Span>,
    /// Tasks that remove messages.
    pub(super) removals: JoinSet<()>,
    pub(super) liveness: NodeLiveness,
    pub(super) claim: Claim,
    /// The queued messages belong to another submitter.
    pub(super) taken_over: bool,
}

impl<J: Job> Coordinator<J> {
    /// Claims the run, reads the index of its messages, and starts the tasks that receive results and publish
    /// messages.
    pub(super) async fn open(
        (session, streams): (Session, Streams),
        settings: SubmitSettings,
        timeout: Duration,
        shared: Arc<RunState<J>>,
        decoder: Sender<DecodeTask<J>>,
    ) -> Result<Coordinator<J>, Error> {
        let SubmitSettings { queue, run, .. } = settings.clone();
        let claim = Claim::acquire(&session, &streams, (&queue, &run)).await?;
        let (after, known) = read_index(&streams, (&queue, &run)).await?;
        *shared.buffer.lock() = SubmitBuffer::new(known.clone());

        let (event_sender, events): (UnboundedSender<Event>, _) = unbounded_channel();
        let throttle = || ErrorThrottle::new(timeout, session.link.clone(), event_sender.clone());
        let filter = queue.subjects(StreamKind::Results, Some(&run));
        Listener::start(&session, &streams.results, (filter, after), &event_sender, throttle());
        let finder = Finder::new(&streams, queue.clone(), run.clone(), event_sender.clone(), throttle());
        let check = StreamCheck::new(streams.identity(), timeout, throttle());
        let publisher = Publisher::new(
            (session, streams.jobs.clone()),
            (queue, run),
            version(J::NAME),
            timeout,
            event_sender,
        );
        let known_jobs = known.stored_jobs();
        let gate = known.last().map(|_| PublishGate::default());
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
            pending: BTreeMap::new(),
            gate,
            flush_at: None,
            stalled: None,
            reconcile_at: Instant::now() + RESULT_TIMEOUT,
            is_reconciling: false,
            reconcile_again: false,
            check,
            cancel_requests: Vec::new(),
            stopping: None,
            unwanted_sequences: Vec::new(),
            unwanted_spans: BTreeSet::new(),
            removals: JoinSet::new(),
            liveness: NodeLiveness::new(),
            claim,
            taken_over: false,
        })
    }

    pub(super) fn known_jobs(&self) -> u64 {
        self.known_jobs
    }

    /// Runs until all jobs have outcomes and no more will come.
    pub(super) async fn run(mut self, commands: &mut UnboundedReceiver<Command<J>>) {
        let mut link = self.publisher.session.link.clone();
        let mut is_up = true;
        while !self.is_over() {
            let wake_at = TokioInstant::from_std(self.wake_at());
            tokio::select! {
                // Events come first: results make room for further messages.
                biased;
                Some(event) = self.events.recv() => self.handle_event(event),
                Some(command) = commands.recv() => self.handle_command(command),
                Ok(()) = link.changed() => {
                    let now = link.borrow_and_update().up;
                    self.check.reconnected();
                    if std::mem::replace(&mut is_up, now) != now {
                        (self.settings.tell)(if now { SubmitNews::Regained } else { SubmitNews::Lost });
                    }
                }
                () = sleep_until(wake_at) => self.tick(),
            }
            self.remove_unwanted();
        }
        self.publisher.stop_publishing();
        self.clean_up().await;
        // Jobs that are pushed from now on are rejected. Those that were pushed before get an outcome here.
        commands.close();
        while let Ok(command) = commands.try_recv() {
            if let Command::Message(message) = command {
                message.fail(|| JobError::Cancelled);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.pending.is_empty() && self.shared.is_over()
    }

    fn wake_at(&self) -> Instant {
        let gate = self.gate.as_ref().and_then(|gate| gate.deadline);
        let stopping = self.stopping.as_ref().map(|stopping| stopping.deadline.min(stopping.reconcile_at));
        let liveness = self.checks_liveness().then_some(self.liveness.ping_at);
        let callers = self.cancel_requests.iter().filter_map(CancelRequest::caller_deadline);
        let stalled = self.stalled.as_ref().map(|stalled| stalled.deadline);
        let deadlines = self
            .flush_at
            .into_iter()
            .chain(stalled)
            .chain(gate)
            .chain(stopping)
            .chain(liveness)
            .chain(callers);
        deadlines.fold(self.reconcile_at.min(self.check.at()), Instant::min)
    }

    /// Returns whether nodes should be serving the queue.
    fn checks_liveness(&self) -> bool {
        !self.pending.is_empty() && self.stopping.is_none()
    }

    fn handle_command(&mut self, command: Command<J>) {
        match command {
            Command::Message(message) => self.accept(message),
            Command::Flush => {
                self.flush_at.get_or_insert_with(|| Instant::now() + FLUSH_AFTER);
            }
            Command::CheckEnd => self.check_job_count(),
            Command::CancelWaiting(sink, done) => self.cancel_waiting(sink, done),
            Command::Stop(until) => self.stop(until),
            Command::Unreadable(span, cause) => self.fail_unreadable(span, cause),
            Command::Fail(error) => self.fail(&error),
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Published(span, sequence) => {
                if self.unwanted_spans.remove(&span) {
                    self.unwanted_sequences.push(sequence);
                } else if let Some(pending) = self.pending.get_mut(&span.first) {
                    pending.sequence = Some(sequence);
                    pending.updated_at = Instant::now();
                    pending.message.release_publish_slot();
                }
            }
            Event::Result(found) => self.handle_result(found),
            Event::Loaded(span, Ok(outcomes)) => self.complete(span, outcomes),
            Event::Loaded(span, Err(Error::NoAnswer(_))) => {
                // Looked up again with the overdue messages.
                if let Some(pending) = self.pending.get_mut(&span.first) {
                    pending.has_result = false;
                }
            }
            Event::Loaded(span, Err(error)) => self.fail_unreadable(span, error.to_string()),
            Event::NotFound(span) => self.not_found(span),
            Event::Queued(span, sequence, digest) => self.handle_queued(span, sequence, &digest),
            Event::Checked(checked) => self.checked(checked),
            Event::CheckStreams => self.check.soon(),
            Event::Snapshot(reconcile) => self.apply_snapshot(&reconcile),
            Event::PingAnswered(is_served) => self.handle_ping(is_served),
            Event::ResultsMissed => self.reconcile_all(),
            Event::ErrorPersists(cause) => (self.settings.tell)(SubmitNews::Trouble(cause)),
            Event::Failed(error) => self.fail(&error),
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush_at = None;
            self.shared.flushing.store(false, Ordering::Release);
            let mut buffer = self.shared.buffer.lock();
            self.shared.flush(&mut buffer);
            self.stalled = StalledMessage::new(&buffer, now);
        }
        self.send_stalled(now);
        self.check_gate(now);
        if self.reconcile_at <= now {
            self.reconcile_at = now + RESULT_TIMEOUT;
            self.reconcile_overdue(now);
        }
        if self.check.at() <= now {
            self.check_streams();
        }
        if self.checks_liveness() && self.liveness.ping_at <= now {
            self.ping_nodes();
        }
        self.cancel_requests.iter_mut().for_each(|cancel_requests| cancel_requests.release_caller(now));
        if self.stopping.is_some() {
            self.continue_stopping(now);
        }
    }

    /// Accepts a message from the threads that push jobs.
    fn accept(&mut self, mut message: JobMessage<J>) {
        if self.shared.broken().is_some() || self.stopping.is_some() {
            let broken = self.shared.broken();
            return message.fail(|| match &broken {
                Some(cause) => JobError::Abandoned(cause.clone()),
                None => JobError::Cancelled,
            });
        }
        let span = message.span;
        let known =
            self.known.starting_at(span.first).filter(|(known, _)| *known == span).map(|(_, state)| state);
        if known.is_some() || self.gate.is_some() {
            message.release_publish_slot();
        }
        let pending = PendingMessage {
            digest: std::mem::take(&mut message.digest),
            sequence: None,
            sent: known.is_some(),
            publish_task: None,
            updated_at: Instant::now(),
            publish_count: 0,
            has_result: false,
            message,
        };
        let bytes = pending.message.payload.len();
        if self.pending.is_empty() {
            self.liveness.reset();
        }
        self.pending.insert(span.first, pending);
        match (known, &self.gate) {
            (Some(ResumeState::Stored), _) => self.finder.find(span),
            (Some(ResumeState::Queued), _) => self.finder.find_queued(span),
            (None, None) => self.publish(span.first),
            (None, Some(_)) => self.hold_back(bytes),
        }
    }

    pub(super) fn publish(&mut self, first: u64) {
        let Some(pending) = self.pending.get_mut(&first) else { return };
        let republished = pending.sent;
        pending.publish_count += 1;
        pending.sent = true;
        pending.sequence = None;
        pending.updated_at = Instant::now();
        let PendingMessage { message, digest, publish_count, .. } = pending;
        let (payload, digest) = (message.payload.clone(), digest.clone());
        let outgoing = PublishRequest {
            span: message.span,
            payload,
            digest,
            publish_count: *publish_count,
            republished,
        };
        let publish_task = self.publisher.publish(outgoing);
        pending.publish_task = Some(publish_task);
    }
}

/// Reads which messages of the run are queued or have results, and the last sequence number in the results
/// stream before that.
///
/// The order matters: a result that is stored between two requests is found by the second one, or received by
/// the listener, which starts after the returned number.
async fn read_index(streams: &Streams, (queue, run): (&Queue, &RunId)) -> Result<(u64, ResumeIndex), Error> {
    let after = streams.results.get_info().await.map_err(Error::server)?.state.last_sequence;
    let queued = message_spans(&streams.jobs, &queue.subjects(StreamKind::Jobs, Some(run))).await?;
    let stored = message_spans(&streams.results, &queue.subjects(StreamKind::Results, Some(run))).await?;
    let spans = |list: Vec<(_, Span)>| list.into_iter().map(|(_, span)| span).collect::<Vec<_>>();
    Ok((after, ResumeIndex::new(spans(queued), spans(stored))))
}
