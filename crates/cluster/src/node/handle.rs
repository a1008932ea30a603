//! What a node does with one batch, from its delivery to its acknowledgement.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::HeaderMap;
use bytes::Bytes;
use parking_lot::Mutex;
use pool::{Executor, Job, JobError, JobOptions, Outcome, Resolved, Sink};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use wire::CodecKind;

use super::{
    NodeSettings,
    attempts::{Begun, Floor},
    cost::Costs,
    sink::{BatchSink, Ran},
};
use crate::{
    Error, RunId,
    batch::{Label, is_again, push_bytes, quarantine_message, take_job, version},
    connect::Session,
    names::{Span, Which},
    parts::{self, Parcel},
    publish::{Stored, as_first},
    streams::Streams,
    submit::sizing::MOST_JOBS,
    verdict::encode,
};

/// Between two attempts to store a result.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// What all batches of a node share.
pub(super) struct Shared<J: Job> {
    pub(super) session: Session,
    pub(super) settings: NodeSettings,
    pub(super) pool: Arc<dyn Executor<J>>,
    pub(super) costs: Mutex<Costs>,
    /// Where batches run.
    pub(super) floor: Floor,
    /// What fails and is tried again.
    pub(super) troubles: mpsc::UnboundedSender<String>,
    /// Nothing more is begun.
    pub(super) is_leaving: AtomicBool,
    /// Nothing more is tried again.
    pub(super) hurry: watch::Receiver<bool>,
}

/// A batch as it was delivered.
pub(super) struct Delivery {
    pub(super) run: RunId,
    pub(super) span: Span,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
    /// It may have been delivered before.
    pub(super) again: bool,
    pub(super) streams: Streams,
}

/// What became of a batch.
pub(super) enum End {
    /// Its result is stored.
    Done { cost: f64 },
    /// Somebody else had stored its result.
    Late,
    /// It has been given up.
    Quarantined { deliveries: u64 },
    /// Somebody else is to run it.
    HandedBack,
    /// The server could not be asked about it: it is tried again in a while.
    NotNow,
    /// Its jobs cannot be put together, for this reason; that is stored in place of a result.
    Incomplete(String),
    /// It is not of this protocol and type of jobs, or no batch at all; it has been set aside.
    Foreign,
    /// Its turn has not come here.
    NotYet,
    /// The node cannot go on.
    Failed(Error),
}

impl<J: Job> Shared<J> {
    /// Does everything with a batch but the acknowledging.
    pub(super) async fn handle(&self, batch: &Delivery) -> End {
        let label = Label::read(&batch.headers);
        // The streams are of our version: somebody has put it there who is no submitter, and it would end each node in turn.
        if label.version != version(J::NAME) || batch.span.count > MOST_JOBS {
            return self.set_aside(batch).await;
        }
        if (batch.again || is_again(&batch.headers)) && self.has_result(batch).await {
            return End::Late;
        }
        let before = match self.attempts_before(batch).await {
            Ok(before) if before >= self.most_attempts() => {
                return self.quarantine(batch, before, &label.digest).await;
            }
            Ok(before) => before,
            Err(error) => return self.not_now(error.to_string()),
        };
        // An attempt begins when the jobs are there.
        let payload = match self.load(batch).await {
            Ok(payload) => payload,
            Err(error @ Error::NoAnswer(_)) => return self.not_now(error.to_string()),
            Err(error) => return self.give_up(batch, &label.digest, &error).await,
        };
        let attempt = match self.begin(batch, before).await {
            Begun::Yes(attempt) => attempt,
            Begun::NotYet => return End::NotYet,
            Begun::NotNow(cause) => return self.not_now(cause),
            Begun::Never => return End::HandedBack,
        };
        let is_last = before + 1 >= self.most_attempts();
        let end = self.finish(batch, payload, &label.digest, is_last).await;
        if matches!(end, End::HandedBack | End::Failed(_)) {
            self.take_back(batch, attempt).await;
        }
        end
    }

    /// Runs a batch and stores its result. One that this node cannot run, but another one maybe, goes back to the queue, which
    /// counts as an attempt; on the last one the result says what was missing.
    async fn finish(&self, batch: &Delivery, payload: Bytes, digest: &str, is_last: bool) -> End {
        match self.run(payload, batch.span).await {
            Ok(Ran::Stopped) => End::HandedBack,
            Ok(Ran::Broken(cause)) => End::Failed(Error::Pool(cause)),
            Ok(Ran::Lacking(cause, _)) if !is_last => self.not_now(cause),
            Ok(Ran::Outcomes(outcomes) | Ran::Lacking(_, outcomes)) => {
                let figures = || self.pool.worker_stats();
                let cost = self.costs.lock().of_batch(batch.span.count, figures, Instant::now());
                match self.store(batch, digest, Some(cost), outcomes.into()).await {
                    Some(Stored::Before) => End::Late,
                    Some(_) => End::Done { cost },
                    None => End::HandedBack,
                }
            }
            Err(error) => self.not_now(error.to_string()),
        }
    }

    /// What failed is tried again, here or elsewhere.
    pub(super) fn not_now(&self, cause: String) -> End {
        self.tell_trouble(cause);
        End::NotNow
    }

    /// Tells that something failed and is tried again; the node says so once in a while.
    fn tell_trouble(&self, cause: String) {
        // Nobody listens any more only when the node has left.
        let _ = self.troubles.send(cause);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Acquire)
    }

    async fn has_result(&self, batch: &Delivery) -> bool {
        let subject = self.settings.queue.subject(Which::Results, &batch.run, batch.span);
        batch.streams.results.get_last_raw_message_by_subject(&subject).await.is_ok()
    }

    /// The batch's jobs.
    async fn load(&self, batch: &Delivery) -> Result<Bytes, Error> {
        let (queue, payload) = (&self.settings.queue, batch.payload.clone());
        parts::load(&batch.streams.results, queue, &batch.run, &batch.headers, payload).await
    }

    /// Runs the jobs, on a thread that may take its time to hand them over.
    async fn run(&self, payload: Bytes, span: Span) -> Result<Ran, Error> {
        let count = usize::try_from(span.count).map_err(Error::server)?;
        let (sink, ran) = BatchSink::new(count);
        let pool = self.pool.clone();
        let feeding = tokio::task::spawn_blocking(move || feed::<J>(&*pool, &sink, &payload, count));
        feeding.await.map_err(Error::server)?;
        // It is dropped only with the pool, which then has no more to say.
        Ok(ran.await.unwrap_or(Ran::Stopped))
    }

    /// Stores a result, however long it takes; nothing if the node is in a hurry.
    async fn store(
        &self,
        batch: &Delivery,
        digest: &str,
        cost: Option<f64>,
        outcomes: Bytes,
    ) -> Option<Stored> {
        let label = Label { cost, ..self.label(digest) };
        let subject = self.settings.queue.subject(Which::Results, &batch.run, batch.span);
        self.until_stored(&subject, &batch.run, label.headers(), outcomes).await
    }

    fn label(&self, digest: &str) -> Label {
        let (version, node) = (version(J::NAME), Some(self.settings.name.clone()));
        Label { version, digest: digest.to_owned(), node, ..Label::default() }
    }

    /// Stores the reason why a batch cannot be run in place of its result: no node could run it, and its submitter waits.
    async fn give_up(&self, batch: &Delivery, digest: &str, error: &Error) -> End {
        let cause = error.to_string();
        let label = Label { failure: Some(cause.clone()), ..self.label(digest) };
        let subject = self.settings.queue.subject(Which::Results, &batch.run, batch.span);
        match self.until_stored(&subject, &batch.run, label.headers(), Bytes::new()).await {
            Some(Stored::Before) => End::Late,
            Some(_) => End::Incomplete(cause),
            None => End::HandedBack,
        }
    }

    async fn until_stored(
        &self,
        subject: &str,
        run: &RunId,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Option<Stored> {
        let mut hurry = self.hurry.clone();
        let mut parcel = Parcel::new(&self.session, subject.to_owned(), as_first(headers), payload);
        loop {
            tokio::select! {
                stored = parcel.store(&self.session, &self.settings.queue, run) => match stored {
                    Stored::Here(_) | Stored::Before => return Some(stored),
                    Stored::Full(cause) | Stored::Unknown(cause) => self.tell_trouble(cause),
                },
                _ = hurry.wait_for(|&hurry| hurry) => return None,
            }
            tokio::select! {
                () = sleep(RETRY_AFTER) => {}
                _ = hurry.wait_for(|&hurry| hurry) => return None,
            }
        }
    }

    /// Keeps what is no batch of ours for whoever wants to know what it is. It gets no result: nobody could read one.
    async fn set_aside(&self, batch: &Delivery) -> End {
        match self.keep(batch).await {
            Some(_) => End::Foreign,
            None => End::HandedBack,
        }
    }

    /// Stores a batch as it is among those that were given up.
    async fn keep(&self, batch: &Delivery) -> Option<Stored> {
        let subject = self.settings.queue.subject(Which::Quarantine, &batch.run, batch.span);
        self.until_stored(&subject, &batch.run, batch.headers.clone(), batch.payload.clone()).await
    }

    /// Gives a batch up: keeps it for whoever wants to know why, and gives each of its jobs an outcome that says so. All of
    /// it can be repeated, by this node or another one, if somebody dies in between.
    async fn quarantine(&self, batch: &Delivery, deliveries: u64, digest: &str) -> End {
        let Delivery { run, span, .. } = batch;
        if self.keep(batch).await.is_none() {
            return End::HandedBack;
        }
        let cause = quarantine_message(&self.settings.queue, run, *span, deliveries).into();
        let attempts = u32::try_from(deliveries).unwrap_or(u32::MAX);
        let outcome: Outcome<J> = Err(JobError::Lost { attempts, cause });
        let (mut one, mut all) = (Vec::new(), Vec::new());
        let _ = encode::<J>(&outcome, &mut one);
        (0..span.count).for_each(|_| push_bytes(&one, &mut all));
        match self.store(batch, digest, None, all.into()).await {
            Some(Stored::Before) => End::Late,
            Some(_) => End::Quarantined { deliveries },
            None => End::HandedBack,
        }
    }
}

/// Hands the jobs of a batch to the pool.
fn feed<J: Job>(pool: &dyn Executor<J>, sink: &Arc<BatchSink>, mut payload: &[u8], count: usize) {
    let mut submitter = pool.submitter(sink.clone());
    for tag in 0..count as u64 {
        let job = match take_job(&mut payload) {
            Some((limit, bytes)) => CodecKind::Bincode
                .decode::<J>(bytes)
                .map(|job| (limit, job))
                .map_err(|error| error.to_string()),
            None => Err("the batch ends before its last job".to_owned()),
        };
        match job {
            Ok((limit, job)) => submitter.push(tag, job, JobOptions { time_limit: limit }),
            Err(error) => {
                Sink::<J>::resolve(&**sink, vec![Resolved { tag, outcome: Err(JobError::Codec(error)) }]);
            }
        }
    }
}
