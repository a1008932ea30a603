//! Reaping of workers, and the events that follow.

use std::sync::Arc;

use job::{Death, DeathCause, Job, Stage};
use sched::Event;
use sys::clock;

use super::worker::SupervisedWorker;
use crate::{
    PoolEvent,
    processes::{
        collect::SavedBatch,
        handle::Handle,
        incoming::{Incoming, TimeAccount},
        launch::LaunchError,
        shared::ProcessShared,
        transaction::report_start_failure,
    },
};

/// Reaps workers and reports their ends on the thread of the supervisor.
pub(super) struct Reaper<'a, J: Job> {
    pub(super) shared: &'a Arc<ProcessShared<J>>,
    pub(super) time: &'a TimeAccount<'a>,
}

impl<J: Job> Reaper<'_, J> {
    /// Reaps a worker whose process has exited, if there was one, and reports its death or its failed start.
    pub(super) fn reap(&self, worker: SupervisedWorker) {
        let handle = worker.handle.clone();
        match worker.into_launch_error() {
            Some(error) => self.report_failed_launch(&handle, &error),
            None => {
                self.time.enter(Stage::Exit);
                if let Some(death) = reap(&handle) {
                    self.report_death(&handle, death);
                }
            }
        }
    }

    fn report_failed_launch(&self, handle: &Handle, error: &LaunchError) {
        let death = reap(handle);
        let end = death.map_or_else(String::new, |death| format!(" ({death})"));
        // A kill by this pool implies nothing for the next attempt.
        let failure = error.start_failure(death.filter(|_| !handle.was_killed()));
        let cause = format!("{error}{end}");
        report_start_failure(self.shared, handle, failure, &cause, || {
            self.time.begin_transaction(self.shared)
        });
    }

    fn incoming<'a>(&'a self, handle: &'a Handle) -> Incoming<'a, J> {
        Incoming { shared: self.shared, handle, time: self.time }
    }

    fn report_death(&self, handle: &Handle, death: Death) {
        let worker = handle.id;
        let crash = handle.crash.get();
        let death = crash.map_or(death, |crash| crash.death);
        if handle.is_retired() {
            self.incoming(handle).note_report(Err(format!("the worker exited without a report: {death}")));
        }
        let cause =
            handle.protocol_error().map_or_else(|| death.to_string(), |why| format!("{why} ({death})"));
        self.shared.observers.notify(|| self.exit_event(handle, death, &cause));
        let mut transaction = self.time.begin_transaction(self.shared);
        let running = transaction.state.running(worker).map(|(batch, index, _)| (batch, index));
        let recovered = SavedBatch::read(&transaction.state, worker);
        transaction.state.workers.remove(&worker);
        transaction.state.note_cause(&cause);
        let memory = transaction.state.ran_out_of_memory(handle, death);
        let kept = recovered.as_ref().map(|recovered| (recovered.batch, recovered.count));
        transaction.state.crash = crash.cloned();
        transaction.apply(Event::Died { worker, running, recovered: kept, death, out_of_memory: memory });
        transaction.state.crash = None;
        let jobs = transaction.commit();
        if let Some(recovered) = recovered {
            recovered.deliver(&self.incoming(handle), &jobs);
        }
    }

    /// Returns the event of the worker's exit. Takes the lock and releases it.
    fn exit_event(&self, handle: &Handle, death: Death, cause: &str) -> PoolEvent {
        let worker = handle.id;
        let state = self.shared.state.lock();
        let running = state.running(worker).map(|(batch, index, _)| (batch, index));
        let kept = SavedBatch::read_unsent(&state, worker);
        // The worker may have become ready at the moment at which the scheduler dismissed it.
        let is_dismissed = state.sched.is_dismissed(worker);
        drop(state);
        let kept = kept.map(|unsent| (unsent.batch, unsent.count));
        let in_order = handle.is_retired() && death.cause == DeathCause::Exited(0);
        let left = is_dismissed || (in_order && !handle.was_killed());
        let at = clock::now();
        PoolEvent::WorkerExited {
            worker,
            death,
            expected: left,
            cause: cause.into(),
            running,
            recovered: kept,
            at,
        }
    }
}

/// Reaps a process that has exited; returns `None` if there was none.
fn reap(handle: &Handle) -> Option<Death> {
    handle.disconnect();
    let process = handle.process.get()?;
    handle.note_processor_time();
    let death = process.reap();
    handle.metrics.note_end();
    death
}
