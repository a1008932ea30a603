//! The coordinator: receives all commands and events of a run. Only its thread changes the state of messages.

use std::{
    sync::{Arc, atomic::Ordering, mpsc::Sender},
    time::{Duration, Instant},
};

use pool::{Job, JobError};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant as TokioInstant, sleep_until},
};

use super::{
    check::{CheckResult, StreamCheck},
    claim::Claim,
    cleanup::Cleanup,
    decode::DecodeTask,
    event::{Checked, Event, ResultMessage},
    finder::Finder,
    gate::StalledMessage,
    listen::Listener,
    liveness::NodeLiveness,
    messages::PendingMessages,
    publish::Publisher,
    settings::SubmitSettings,
    shared::{Command, JobMessage, RunState},
    snapshot::QueueSnapshot,
    stop::Cancellations,
    submit_buffer::SubmitBuffer,
    submit_event::SubmitEvent,
    throttle::ErrorThrottle,
};
use crate::{
    Error, Queue, RunId,
    connect::Session,
    message::{Metadata, version},
    names::{Span, StreamKind},
    resume::ResumeIndex,
    status::message_spans,
    streams::Streams,
};

/// Delay of a flush, in which further jobs are added: a reader of small pieces flushes after each.
const FLUSH_AFTER: Duration = Duration::from_millis(2);

pub(super) struct Coordinator<J: Job> {
    session: Session,
    on_event: fn(SubmitEvent),
    shared: Arc<RunState<J>>,
    events: UnboundedReceiver<Event>,
    known_jobs: u64,
    messages: PendingMessages<J>,
    flush_at: Option<Instant>,
    stalled: Option<StalledMessage>,
    check: StreamCheck,
    cancellations: Cancellations<J>,
    liveness: NodeLiveness,
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
        let SubmitSettings { queue, run, on_event, .. } = settings;
        let claim = Claim::acquire(&session, &streams, (&queue, &run)).await?;
        let (after, known) = read_index(&streams, (&queue, &run)).await?;
        *shared.buffer.lock() = SubmitBuffer::new(known.clone());

        let (event_sender, events): (UnboundedSender<Event>, _) = unbounded_channel();
        let throttle = || ErrorThrottle::new(timeout, session.link.clone(), event_sender.clone());
        let filter = queue.subjects(StreamKind::Results, Some(&run));
        Listener::start(&session, &streams.results, (filter, after), &event_sender, throttle());
        let finder = Finder::new(&streams, queue.clone(), run.clone(), event_sender.clone(), throttle());
        let check = StreamCheck::new(
            (session.clone(), queue.clone()),
            claim,
            streams.identity(),
            timeout,
            event_sender.clone(),
        );
        let publisher = Publisher::new(
            (session.clone(), streams.jobs.clone()),
            (queue.clone(), run.clone()),
            version(J::NAME),
            timeout,
            event_sender.clone(),
        );
        let cleanup = Cleanup::new((session.clone(), streams), (queue.clone(), run.clone()));
        Ok(Coordinator {
            known_jobs: known.stored_jobs(),
            messages: PendingMessages::new(
                (run, known),
                shared.clone(),
                decoder,
                (publisher, finder),
                cleanup,
            ),
            liveness: NodeLiveness::new(session.clone(), queue, event_sender, on_event),
            session,
            on_event,
            shared,
            events,
            flush_at: None,
            stalled: None,
            check,
            cancellations: Cancellations::new(),
        })
    }

    pub(super) fn known_jobs(&self) -> u64 {
        self.known_jobs
    }

    /// Runs until all jobs have outcomes and no more will come.
    pub(super) async fn run(mut self, commands: &mut UnboundedReceiver<Command<J>>) {
        let mut link = self.session.link.clone();
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
                        let event = if now { SubmitEvent::Reconnected } else { SubmitEvent::Disconnected };
                        (self.on_event)(event);
                    }
                }
                () = sleep_until(wake_at) => self.tick(),
            }
            self.messages.remove_marked();
        }
        self.messages.stop_publishing();
        self.messages.clean_up().await;
        // Jobs that are pushed from now on are rejected. Those that were pushed before get an outcome here.
        commands.close();
        while let Ok(command) = commands.try_recv() {
            if let Command::Message(message) = command {
                message.fail(|| JobError::Cancelled);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.messages.is_empty() && self.shared.is_over()
    }

    fn wake_at(&self) -> Instant {
        let stalled = self.stalled.as_ref().map(StalledMessage::deadline);
        let liveness = self.checks_liveness().then_some(self.liveness.ping_at());
        let cancellations = self.cancellations.wake_at();
        let deadlines = self.flush_at.into_iter().chain(stalled).chain(liveness).chain(cancellations);
        deadlines.fold(self.messages.wake_at().min(self.check.at()), Instant::min)
    }

    /// Returns whether nodes should be serving the queue.
    fn checks_liveness(&self) -> bool {
        !self.messages.is_empty() && !self.cancellations.is_stopping()
    }

    fn handle_command(&mut self, command: Command<J>) {
        let messages = &mut self.messages;
        match command {
            Command::Message(message) => self.accept(message),
            Command::Flush => {
                self.flush_at.get_or_insert_with(|| Instant::now() + FLUSH_AFTER);
            }
            Command::CheckEnd => messages.check_job_count(),
            Command::CancelWaiting(sink, done) => self.cancellations.cancel_waiting(messages, sink, done),
            Command::Stop(until) => self.cancellations.stop(messages, until),
            Command::Unreadable(span, cause) => messages.fail_unreadable(span, cause),
            Command::Fail(error) => messages.fail(&error),
        }
    }

    fn handle_event(&mut self, event: Event) {
        let messages = &mut self.messages;
        match event {
            Event::Published(span, sequence) => messages.handle_published(span, sequence),
            Event::Result(found) => self.handle_result(found),
            Event::Loaded(span, loaded) => messages.handle_loaded(span, loaded),
            Event::NotFound(span) => messages.handle_not_found(span, self.cancellations.is_stopping()),
            Event::Queued(span, sequence, digest) => messages.handle_queued(span, sequence, &digest),
            Event::Checked(checked) => self.handle_check(checked),
            Event::CheckStreams => self.check.soon(),
            Event::Snapshot(snapshot) => self.apply_snapshot(&snapshot),
            Event::PingAnswered(is_served) => self.liveness.handle_ping(is_served, !messages.is_empty()),
            Event::ResultsMissed => messages.reconcile_all(),
            Event::ErrorPersists(cause) => (self.on_event)(SubmitEvent::Retrying(cause)),
            Event::Failed(error) => messages.fail(&error),
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
        let has_pending = !self.messages.is_empty();
        self.stalled.take_if(|stalled| !stalled.send_overdue(&self.shared, has_pending, now));
        self.messages.tick(now);
        if self.check.at() <= now {
            self.check.request();
        }
        if self.checks_liveness() && self.liveness.ping_at() <= now {
            self.liveness.ping();
        }
        self.cancellations.tick(&mut self.messages, now);
    }

    /// Accepts a message from the threads that push jobs.
    fn accept(&mut self, message: JobMessage<J>) {
        let broken = self.shared.broken();
        if broken.is_some() || self.cancellations.is_stopping() {
            return message.fail(|| match &broken {
                Some(cause) => JobError::Broken(cause.clone()),
                None => JobError::Cancelled,
            });
        }
        if self.messages.is_empty() {
            self.liveness.reset();
        }
        self.messages.add(message);
    }

    fn handle_result(&mut self, found: ResultMessage) {
        let metadata = Metadata::from_headers(&found.headers);
        if self.messages.register_result(&found, &metadata) {
            self.liveness.note_activity();
            self.messages.handle_result(found, metadata.cost);
        }
    }

    /// Handles the server's answer to whether the queue's streams exist.
    fn handle_check(&mut self, checked: Checked) {
        match self.check.handle(checked) {
            CheckResult::Unchanged => {}
            CheckResult::Replaced => self.messages.reconcile_all(),
            // A run without pending messages does not need the queue now.
            CheckResult::Lost(error) if !self.messages.is_empty() => self.messages.fail(&error),
            CheckResult::Missing | CheckResult::Lost(_) => self.liveness.request_queue_check(),
        }
    }

    fn apply_snapshot(&mut self, snapshot: &QueueSnapshot) {
        let is_outdated = self.messages.note_snapshot();
        self.cancellations.apply_snapshot(&mut self.messages, snapshot);
        if is_outdated {
            return self.messages.reconcile();
        }
        if snapshot.is_missing() && self.messages.has_overdue(snapshot.requested_at) {
            self.liveness.request_queue_check();
        }
        self.messages.find_overdue(snapshot);
        if self.cancellations.has_requests() {
            self.messages.reconcile();
        }
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
