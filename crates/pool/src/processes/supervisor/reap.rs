//! The end of a worker.

use job::{BatchId, Death, DeathCause, Job, Stage};
use sched::{Event, StartFailure};
use sys::clock;
use wire::batch::OutcomesView;

use super::{Supervisor, worker::SupervisedWorker};
use crate::{
    PoolEvent,
    processes::{
        handle::Handle, incoming::Incoming, launch::LaunchError, shared::ProcessShared,
        transaction::Transaction,
    },
};

/// Reports that a worker could not be started.
pub(super) fn give_up<'a, J: Job>(
    shared: &ProcessShared<J>,
    handle: &Handle,
    failure: StartFailure,
    cause: &str,
    transaction: impl FnOnce() -> Transaction<'a, J>,
) {
    let worker = handle.id;
    shared.audience.hear(|| PoolEvent::WorkerStartFailed {
        worker,
        pid: handle.pid(),
        cause: cause.into(),
        at: clock::now(),
    });
    let mut transaction = transaction();
    transaction.state.note_cause(cause);
    transaction.state.workers.remove(&worker);
    transaction.apply(Event::StartFailed { worker, failure });
    transaction.commit();
}

impl<J: Job> Supervisor<'_, J> {
    /// Reports the end of a worker whose process has ended, if there was one.
    pub(super) fn end(&self, worker: SupervisedWorker) {
        let handle = worker.handle.clone();
        match worker.into_launch_error() {
            Some(error) => self.give_up(&handle, &error),
            None => {
                self.timer.enter(Stage::Leave);
                if let Some(death) = reap(&handle) {
                    self.report(&handle, death);
                }
            }
        }
    }

    fn give_up(&self, handle: &Handle, error: &LaunchError) {
        let death = reap(handle);
        let end = death.map_or_else(String::new, |death| format!(" ({death})"));
        // One that we have killed ourselves says nothing by that.
        let failure = error.start_failure(death.filter(|_| !handle.was_killed()));
        let cause = format!("{error}{end}");
        give_up(self.shared, handle, failure, &cause, || self.time.begin_transaction(self.shared));
    }

    pub(super) fn incoming<'a>(&'a self, handle: &'a Handle) -> Incoming<'a, J> {
        Incoming { shared: self.shared, handle, time: self.time }
    }

    fn report(&self, handle: &Handle, death: Death) {
        let worker = handle.id;
        let crash = handle.crash.get();
        let death = crash.map_or(death, |crash| crash.death);
        if handle.is_retired() {
            self.incoming(handle).note_report(Err(format!("the worker exited without a report: {death}")));
        }
        let cause =
            handle.protocol_error().map_or_else(|| death.to_string(), |why| format!("{why} ({death})"));
        self.shared.audience.hear(|| self.gone(handle, death, &cause));
        let mut transaction = self.time.begin_transaction(self.shared);
        let running = transaction.state.running(worker).map(|(batch, index, _)| (batch, index));
        let recovered = transaction.state.saved_outcomes(worker).and_then(RecoveredOutcomes::new);
        transaction.state.workers.remove(&worker);
        transaction.state.note_cause(&cause);
        let memory = transaction.state.ran_out_of_memory(handle, death);
        let kept = recovered.as_ref().map(|recovered| (recovered.batch, recovered.count));
        transaction.state.crash = crash.cloned();
        transaction.apply(Event::Died { worker, running, kept, death, memory });
        transaction.state.crash = None;
        let jobs = transaction.commit();
        if let Some(recovered) = recovered
            && let Some(view) = OutcomesView::of_saved(recovered.batch, &recovered.bytes)
        {
            self.incoming(handle).deliver(&jobs, view.outcomes().skip(recovered.skip));
        }
    }

    /// What there is to say about the worker's end. Takes the lock, and lets it go.
    fn gone(&self, handle: &Handle, death: Death, cause: &str) -> PoolEvent {
        let worker = handle.id;
        let state = self.shared.state.lock();
        let running = state.running(worker).map(|(batch, index, _)| (batch, index));
        let kept = state.saved_outcomes(worker);
        // It may have become ready in the moment in which it was found not to be needed.
        let is_dismissed = state.sched.is_dismissed(worker);
        drop(state);
        let kept = kept.and_then(RecoveredOutcomes::new).map(|recovered| (recovered.batch, recovered.count));
        let in_order = handle.is_retired() && death.cause == DeathCause::Exited(0);
        let left = is_dismissed || (in_order && !handle.was_killed());
        let at = clock::now();
        PoolEvent::WorkerExited { worker, death, left, cause: cause.into(), running, kept, at }
    }
}

/// Reaps a process that has ended; `None` if there was none.
fn reap(handle: &Handle) -> Option<Death> {
    handle.disconnect();
    let process = handle.process.get()?;
    handle.note_processor_time();
    let death = process.reap();
    handle.metrics.note_end();
    death
}

/// Outcomes that a worker had finished and not sent when it died.
struct RecoveredOutcomes {
    batch: BatchId,
    /// How many of them have come back all the same: it died between sending and forgetting them.
    skip: usize,
    /// How many have not.
    count: u64,
    bytes: Vec<u8>,
}

impl RecoveredOutcomes {
    fn new((batch, skip, bytes): (BatchId, u64, Vec<u8>)) -> Option<RecoveredOutcomes> {
        let kept = u64::from(OutcomesView::of_saved(batch, &bytes)?.count);
        let count = kept.checked_sub(skip).filter(|&count| count > 0)?;
        Some(RecoveredOutcomes { batch, skip: usize::try_from(skip).ok()?, count, bytes })
    }
}
