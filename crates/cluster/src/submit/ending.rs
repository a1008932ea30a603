//! How a run ends: when there is nothing more to do, when somebody stops it, and when it cannot go on.

use std::{
    sync::{Arc, mpsc::SyncSender},
    time::{Duration, Instant},
};

use pool::{Job, JobError, Sink};

use super::{
    coordinator::{Coordinator, Waiting},
    results::LOOK_AFTER,
    shared::Batch,
    survey::{Place, Survey},
};
use crate::Error;

/// How long somebody waits who has asked for jobs to be cancelled.
const CANCEL_WITHIN: Duration = Duration::from_secs(2);

/// While a run is being stopped, how soon it is asked again where its batches are; then half as often each time.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A run that is being stopped.
pub(super) struct Stopping {
    pub(super) until: Instant,
    pub(super) look_at: Instant,
    pause: Duration,
}

/// What no node has been given by now is to be cancelled.
pub(super) struct Cancelling<J: Job> {
    asked: Instant,
    /// Of these jobs only.
    sink: Option<Arc<dyn Sink<J>>>,
    /// Somebody who waits for that.
    done: Option<SyncSender<()>>,
}

impl<J: Job> Cancelling<J> {
    fn means(&self, waiting: &Waiting<J>) -> bool {
        self.sink.as_ref().is_none_or(|sink| waiting.batch.is_only_of(sink))
    }

    pub(super) fn patient_until(&self) -> Option<Instant> {
        self.done.as_ref().map(|_| self.asked + CANCEL_WITHIN)
    }

    /// Lets go whoever has waited for long.
    pub(super) fn lose_patience(&mut self, now: Instant) {
        if self.patient_until().is_some_and(|until| until <= now) {
            self.done = None;
        }
    }
}

impl<J: Job> Coordinator<J> {
    /// No more jobs will come: have there been as many as the run is known to have?
    pub(super) fn look_at_the_end(&mut self) {
        if !self.shared.is_closed() || self.shared.is_stopped() || self.shared.broken().is_some() {
            return;
        }
        let read = self.shared.gather.lock().taken();
        if let Some(last) = self.known.last().filter(|&last| last >= read) {
            let run = self.settings.run.clone();
            self.fail(&Error::TooFewJobs { run, last, read });
        }
    }

    /// Cancels what no node has been given, of one sink or of all: what is not in the queue at once, and the rest when it is
    /// known what that is. A batch that several sinks have jobs in is cancelled with all.
    pub(super) fn cancel_waiting(&mut self, sink: Option<Arc<dyn Sink<J>>>, done: Option<SyncSender<()>>) {
        if let Some(batch) = self.gathered(sink.as_ref()) {
            batch.fail(|| JobError::Cancelled);
        }
        let cancelling = Cancelling { asked: Instant::now(), sink, done };
        self.cancel(|waiting| {
            cancelling.means(waiting) && !waiting.found && (!waiting.sent || waiting.is_on_its_way())
        });
        self.cancelling.push(cancelling);
        self.survey();
    }

    /// Jobs that have gathered, whether they make a batch or not.
    fn gathered(&self, of: Option<&Arc<dyn Sink<J>>>) -> Option<Batch<J>> {
        let mut gather = self.shared.gather.lock();
        gather.is_only_of(of).then(|| gather.take(&self.shared))
    }

    fn cancel(&mut self, is_meant: impl Fn(&Waiting<J>) -> bool) {
        let meant = self.waiting.iter().filter(|(_, waiting)| is_meant(waiting)).map(|(&first, _)| first);
        meant.collect::<Vec<_>>().into_iter().for_each(|first| self.cancel_one(first));
    }

    pub(super) fn cancel_one(&mut self, first: u64) {
        if let Some(waiting) = self.waiting.remove(&first) {
            waiting.publishing.as_ref().inspect(|publishing| publishing.abort());
            self.take_back(&waiting);
            waiting.batch.fail(|| JobError::Cancelled);
        }
    }

    pub(super) fn stop(&mut self, until: Instant) {
        let now = Instant::now();
        self.publisher.withdraw();
        match &mut self.stopping {
            Some(stopping) => stopping.until = stopping.until.min(until),
            None => {
                self.stopping =
                    Some(Stopping { until, look_at: now + LOOK_AGAIN_AFTER, pause: LOOK_AGAIN_AFTER });
                // Of what an earlier submitter has left in the queue, too.
                self.orphans.extend(self.known.queued());
                self.cancel_waiting(None, None);
            }
        }
        self.go_on_stopping(now);
    }

    /// Waits for the results of what nodes have, until the time is over.
    pub(super) fn go_on_stopping(&mut self, now: Instant) {
        let Some(stopping) = &mut self.stopping else { return };
        if stopping.until <= now {
            // After the end there is nothing to be woken for soon.
            stopping.until = now + Duration::from_secs(1 << 30);
            stopping.look_at = stopping.until;
            self.cancel(|_| true);
        } else if stopping.look_at <= now {
            stopping.pause = (stopping.pause * 2).min(LOOK_AFTER);
            stopping.look_at = now + stopping.pause;
            self.survey();
        }
    }

    /// Cancels what waits in the queue, where that has been asked for.
    pub(super) fn cancel_by(&mut self, survey: &Survey) {
        let is_answered = |cancelling: &mut Cancelling<J>| cancelling.asked <= survey.asked;
        for cancelling in self.cancelling.extract_if(.., is_answered).collect::<Vec<_>>() {
            self.cancel(|waiting| {
                let is_older = waiting.is_published() && waiting.since <= cancelling.asked;
                is_older && cancelling.means(waiting) && survey.place(waiting) == Place::Waits
            });
        }
        if self.stopping.is_some() {
            self.stop_by(survey);
        }
    }

    /// While the run is being stopped nothing begins that no node has; and what is not in the queue is looked for: it has a
    /// result that has not been heard of, or it will not get one any more.
    fn stop_by(&mut self, survey: &Survey) {
        let is_meant = |waiting: &Waiting<J>| waiting.is_published() && waiting.since <= survey.asked;
        self.cancel(|waiting| is_meant(waiting) && survey.place(waiting) == Place::Waits);
        for waiting in self.waiting.values().filter(|waiting| is_meant(waiting)) {
            if survey.place(waiting) == Place::Gone {
                self.finder.find(waiting.batch.span);
            }
        }
    }

    /// The run cannot go on: all that is left shares the reason. What this submitter has put into the queue is taken back, and
    /// nothing else: it may be that the jobs were another run's.
    pub(super) fn fail(&mut self, error: &Error) {
        self.taken_over |= matches!(error, Error::TakenOver { .. });
        let cause = self.shared.break_down(error);
        self.publisher.withdraw();
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            if waiting.times > 0 {
                self.take_back(&waiting);
            }
            waiting.batch.fail(|| JobError::Abandoned(cause.clone()));
        }
        if let Some(batch) = self.gathered(None) {
            batch.fail(|| JobError::Abandoned(cause.clone()));
        }
    }
}
