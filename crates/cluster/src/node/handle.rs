//! Handles one message: runs its jobs and stores their outcomes.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use async_nats::HeaderMap;
use bytes::Bytes;
use parking_lot::Mutex;
use pool::{
    Executor, Job, JobError,
    error::Lost,
    future::Outcome,
    settings::JobOptions,
    stream::{Resolved, Sink},
};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use wire::CodecKind;

use super::{
    attempts::{AttemptStart, Attempts},
    cost::Costs,
    delivery::Delivery,
    settings::NodeSettings,
    sink::{MessageSink, RunResult},
};
use crate::{
    Error, RunId,
    chunks::{self, ChunkedMessage},
    connect::Session,
    message::{Metadata, is_republished, push_bytes, quarantine_cause, take_job, version},
    names::{Span, StreamKind},
    outcome::encode,
    publish::{StoreResult, expect_first},
    submit::sizing::MAX_JOBS,
};

/// Delay between two attempts to store a result.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// State shared by all messages of a node.
pub(super) struct NodeContext<J: Job> {
    pub(super) session: Session,
    pub(super) settings: NodeSettings,
    pub(super) pool: Arc<dyn Executor<J>>,
    pub(super) costs: Mutex<Costs>,
    /// Counts attempts, and decides which messages may run at the same time.
    pub(super) attempts: Attempts,
    /// Errors that are retried, for notifications.
    pub(super) errors: mpsc::UnboundedSender<String>,
    /// No message is started any more.
    pub(super) is_leaving: AtomicBool,
    /// Storing is not retried any more.
    pub(super) stop_retrying: watch::Receiver<bool>,
}

/// Result of handling a message.
pub(super) enum Disposition {
    /// The result was stored.
    Done { cost: f64 },
    /// Another node had stored the result.
    Late,
    /// The message was quarantined.
    QuarantinedMessage { deliveries: u64 },
    /// Not run; another node should run it.
    HandedBack,
    /// The server did not answer, or this node cannot run it; to be retried after a delay.
    Retry,
    /// Its jobs cannot be read, for this reason, which was stored in place of a result.
    Incomplete(String),
    /// Not a message of this protocol version and job type; it was moved to quarantine.
    Foreign,
    /// It has to wait for other messages of this node.
    Busy,
    /// The node has to stop.
    Failed(Error),
}

impl<J: Job> NodeContext<J> {
    /// Handles a message; the caller acknowledges it.
    pub(super) async fn handle(&self, delivery: &Delivery) -> Disposition {
        let metadata = Metadata::from_headers(&delivery.headers);
        // The streams have the right version, so this message was not published by a submitter. An error
        // would end every node in turn.
        if metadata.version != version(J::NAME) || delivery.span.count > MAX_JOBS {
            return self.set_aside(delivery).await;
        }
        if (delivery.redelivered || is_republished(&delivery.headers)) && self.has_result(delivery).await {
            return Disposition::Late;
        }
        let attempts_before = match self.attempts.before(delivery).await {
            Ok(attempts_before) if attempts_before >= self.attempts.max() => {
                return self.quarantine(delivery, attempts_before, &metadata.digest).await;
            }
            Ok(attempts_before) => attempts_before,
            Err(error) => return self.retry_later(error.to_string()),
        };
        // An attempt begins when the jobs have been loaded.
        let payload = match self.load(delivery).await {
            Ok(payload) => payload,
            Err(error @ Error::NoAnswer(_)) => return self.retry_later(error.to_string()),
            Err(error) => return self.store_failure(delivery, &metadata.digest, &error).await,
        };
        let attempt = match self.attempts.begin(delivery, attempts_before, &self.is_leaving).await {
            AttemptStart::Start(attempt) => attempt,
            AttemptStart::Busy => return Disposition::Busy,
            AttemptStart::Unavailable(cause) => return self.retry_later(cause),
            AttemptStart::Leaving => return Disposition::HandedBack,
        };
        let is_last_attempt = attempts_before + 1 >= self.attempts.max();
        let disposition = self.run_and_store(delivery, payload, &metadata.digest, is_last_attempt).await;
        if matches!(disposition, Disposition::HandedBack | Disposition::Failed(_)) {
            self.attempts.retract(delivery, attempt).await;
        }
        disposition
    }

    /// Runs the jobs and stores the result. A message that this node cannot run, but that another one may,
    /// goes back to the queue, which counts as an attempt; on the last attempt the result says what was
    /// missing.
    async fn run_and_store(
        &self,
        delivery: &Delivery,
        payload: Bytes,
        digest: &str,
        is_last_attempt: bool,
    ) -> Disposition {
        match self.run(payload, delivery.span).await {
            Ok(RunResult::Stopped) => Disposition::HandedBack,
            Ok(RunResult::Broken(cause)) => Disposition::Failed(Error::Pool(cause)),
            Ok(RunResult::MissingHere(cause, _)) if !is_last_attempt => self.retry_later(cause),
            Ok(RunResult::Outcomes(outcomes) | RunResult::MissingHere(_, outcomes)) => {
                let stats = || self.pool.worker_stats();
                let cost = self.costs.lock().message_cost(delivery.span.count, stats, Instant::now());
                match self.store(delivery, digest, Some(cost), outcomes.into()).await {
                    Some(StoreResult::AlreadyExists) => Disposition::Late,
                    Some(_) => Disposition::Done { cost },
                    None => Disposition::HandedBack,
                }
            }
            Err(error) => self.retry_later(error.to_string()),
        }
    }

    /// Reports an error, and has the message retried by this node or another one.
    pub(super) fn retry_later(&self, cause: String) -> Disposition {
        self.notify_error(cause);
        Disposition::Retry
    }

    /// Reports an error that is retried; the node notifies of it once per interval.
    fn notify_error(&self, cause: String) {
        // The receiver is gone only when the node has left.
        let _ = self.errors.send(cause);
    }

    async fn has_result(&self, delivery: &Delivery) -> bool {
        let subject = self.settings.queue.subject(StreamKind::Results, &delivery.run, delivery.span);
        delivery.streams.results.get_last_raw_message_by_subject(&subject).await.is_ok()
    }

    /// Loads the encoded jobs.
    async fn load(&self, delivery: &Delivery) -> Result<Bytes, Error> {
        let (queue, payload) = (&self.settings.queue, delivery.payload.clone());
        chunks::load(&delivery.streams.results, queue, &delivery.run, &delivery.headers, payload).await
    }

    /// Runs the jobs. They are pushed from a blocking thread, because pushing may wait for the pool.
    async fn run(&self, payload: Bytes, span: Span) -> Result<RunResult, Error> {
        let count = usize::try_from(span.count).map_err(Error::server)?;
        let (sink, ran) = MessageSink::new(count);
        let pool = self.pool.clone();
        let pushing = tokio::task::spawn_blocking(move || push_jobs::<J>(&*pool, &sink, &payload, count));
        pushing.await.map_err(Error::server)?;
        // The sink is dropped without a result only with the pool.
        Ok(ran.await.unwrap_or(RunResult::Stopped))
    }

    /// Stores a result, retrying until `stop_retrying` is set; `None` if that happens first.
    async fn store(
        &self,
        delivery: &Delivery,
        digest: &str,
        cost: Option<f64>,
        outcomes: Bytes,
    ) -> Option<StoreResult> {
        let metadata = Metadata { cost, ..self.metadata(digest) };
        let subject = self.settings.queue.subject(StreamKind::Results, &delivery.run, delivery.span);
        self.until_stored(&subject, &delivery.run, metadata.to_headers(), outcomes).await
    }

    fn metadata(&self, digest: &str) -> Metadata {
        let (version, node) = (version(J::NAME), Some(self.settings.name.clone()));
        Metadata { version, digest: digest.to_owned(), node, ..Metadata::default() }
    }

    /// Stores the reason why the jobs cannot be run in place of a result: no node could run them, and the
    /// submitter waits.
    async fn store_failure(&self, delivery: &Delivery, digest: &str, error: &Error) -> Disposition {
        let cause = error.to_string();
        let metadata = Metadata { failure: Some(cause.clone()), ..self.metadata(digest) };
        let subject = self.settings.queue.subject(StreamKind::Results, &delivery.run, delivery.span);
        match self.until_stored(&subject, &delivery.run, metadata.to_headers(), Bytes::new()).await {
            Some(StoreResult::AlreadyExists) => Disposition::Late,
            Some(_) => Disposition::Incomplete(cause),
            None => Disposition::HandedBack,
        }
    }

    async fn until_stored(
        &self,
        subject: &str,
        run: &RunId,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Option<StoreResult> {
        let mut stop_retrying = self.stop_retrying.clone();
        let mut message =
            ChunkedMessage::new(&self.session, subject.to_owned(), expect_first(headers), payload);
        loop {
            tokio::select! {
                stored = message.store(&self.session, &self.settings.queue, run) => match stored {
                    StoreResult::Stored(_) | StoreResult::AlreadyExists => return Some(stored),
                    StoreResult::Full(cause) | StoreResult::Unknown(cause) => self.notify_error(cause),
                },
                _ = stop_retrying.wait_for(|&stop_retrying| stop_retrying) => return None,
            }
            tokio::select! {
                () = sleep(RETRY_DELAY) => {}
                _ = stop_retrying.wait_for(|&stop_retrying| stop_retrying) => return None,
            }
        }
    }

    /// Moves a message that is not of a submitter to quarantine. It gets no result, because nothing could
    /// read one.
    async fn set_aside(&self, delivery: &Delivery) -> Disposition {
        match self.store_in_quarantine(delivery).await {
            Some(_) => Disposition::Foreign,
            None => Disposition::HandedBack,
        }
    }

    /// Stores an unchanged copy of the message in the quarantine stream.
    async fn store_in_quarantine(&self, delivery: &Delivery) -> Option<StoreResult> {
        let subject = self.settings.queue.subject(StreamKind::Quarantine, &delivery.run, delivery.span);
        self.until_stored(&subject, &delivery.run, delivery.headers.clone(), delivery.payload.clone()).await
    }

    /// Quarantines a message: stores a copy, and a result in which each of its jobs is lost with the cause.
    /// Every step can be repeated by this node or another one, if a node dies in between.
    async fn quarantine(&self, delivery: &Delivery, deliveries: u64, digest: &str) -> Disposition {
        let Delivery { run, span, .. } = delivery;
        if self.store_in_quarantine(delivery).await.is_none() {
            return Disposition::HandedBack;
        }
        let cause = quarantine_cause(&self.settings.queue, run, *span, deliveries);
        let attempts = u32::try_from(deliveries).unwrap_or(u32::MAX);
        let outcome: Outcome<J> = Err(Lost::new(attempts, cause).into());
        let (mut one, mut all) = (Vec::new(), Vec::new());
        let _ = encode::<J>(&outcome, &mut one);
        (0..span.count).for_each(|_| push_bytes(&one, &mut all));
        match self.store(delivery, digest, None, all.into()).await {
            Some(StoreResult::AlreadyExists) => Disposition::Late,
            Some(_) => Disposition::QuarantinedMessage { deliveries },
            None => Disposition::HandedBack,
        }
    }
}

/// Decodes the jobs of a message and pushes them to the pool.
fn push_jobs<J: Job>(pool: &dyn Executor<J>, sink: &Arc<MessageSink>, mut payload: &[u8], count: usize) {
    let mut submitter = pool.submitter(sink.clone());
    for tag in 0..count as u64 {
        let job = match take_job(&mut payload) {
            Some((limit, bytes)) => CodecKind::Bincode
                .decode::<J>(bytes)
                .map(|job| (limit, job))
                .map_err(|error| error.to_string()),
            None => Err("the message ends before its last job".to_owned()),
        };
        match job {
            Ok((limit, job)) => submitter.push(tag, job, JobOptions::new().time_limit(limit)),
            Err(error) => {
                let outcome = Err(JobError::Codec(error.into()));
                Sink::<J>::resolve(&**sink, vec![Resolved { tag, outcome }]);
            }
        }
    }
}
