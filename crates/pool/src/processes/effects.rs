//! Effects of the scheduler's actions: prepared under the lock, carried out without it.

use std::{io, sync::Arc};

use job::{BatchId, Crashed, Denied, Job, JobError, JobRange, OutOfMemory, TimedOut, WorkerId};
use nix::sys::signal::Signal;
use sched::{Action, Verdict};
use sys::{clock::now, shared_page::Running};
use wire::{
    Message,
    batch::{self, BatchFlags},
};

use super::{
    block::Slice,
    handle::Handle,
    shared::{PoolState, ProcessShared},
    supervisor::Request,
};
use crate::{PoolEvent, Resolved, thread_group::RunningGuard};

/// An action together with everything needed to carry it out without the lock.
pub(crate) enum Effect<J: Job> {
    /// Starts a worker, and the supervisor if there is none. The guard keeps the pool from counting as ended
    /// until then.
    Start(Arc<Handle>, RunningGuard),
    Send {
        to: Arc<Handle>,
        /// Number of the batch among all that are sent to the worker.
        sequence: u64,
        batch: BatchId,
        jobs: Vec<Slice<J>>,
        timed: bool,
    },
    /// The received outcomes belong to these jobs. Carried out by the caller of the transaction, which has
    /// received them.
    Deliver(Vec<Slice<J>>),
    Fail {
        jobs: Vec<Slice<J>>,
        failure: JobError<J::Error>,
    },
    Halt(Arc<Handle>),
    Recall(Arc<Handle>, BatchId),
    Retire(Arc<Handle>),
    Terminate(Arc<Handle>),
    Kill(Arc<Handle>),
    /// Starts the clock thread, which also counts as running until then.
    StartClock(RunningGuard),
}

/// Turns an action into an effect and updates the state accordingly.
pub(crate) fn prepare<J: Job>(
    state: &mut PoolState<J>,
    action: Action,
    shared: &ProcessShared<J>,
) -> Option<Effect<J>> {
    match action {
        Action::Start(worker) => {
            let handle = Arc::new(Handle::new(worker, state.sched.is_paused()));
            state.metrics.push(handle.metrics.clone());
            state.workers.insert(worker, handle.clone());
            Some(Effect::Start(handle, shared.threads.expect_thread()))
        }
        Action::Send { worker, batch, jobs, timed } => {
            state.plan_collection_of(&jobs, shared);
            let to = state.workers.get(&worker)?.clone();
            let sequence = to.next_sequence();
            Some(Effect::Send { to, sequence, batch, jobs: state.slices(&jobs), timed })
        }
        Action::Deliver(jobs) => Some(Effect::Deliver(take_slices(state, &jobs))),
        Action::Resolve { jobs, verdict } => {
            let failure = failure(verdict, state);
            Some(Effect::Fail { jobs: take_slices(state, &[jobs]), failure })
        }
        Action::Halt(worker) => for_worker(state, worker, Effect::Halt),
        Action::Recall { worker, below } => for_worker(state, worker, |handle| Effect::Recall(handle, below)),
        Action::Retire(worker) => for_worker(state, worker, Effect::Retire),
        Action::Terminate(worker) => for_worker(state, worker, Effect::Terminate),
        Action::Kill(worker) => for_worker(state, worker, Effect::Kill),
        Action::WakeAt(moment) => {
            if state.wake_at.is_none_or(|earlier| moment < earlier) {
                state.wake_at = Some(moment);
                shared.clock_wakeup.notify_all();
            }
            let start = !std::mem::replace(&mut state.clock_is_running, true);
            start.then(|| Effect::StartClock(shared.threads.expect_thread()))
        }
    }
}

fn for_worker<J: Job>(
    state: &PoolState<J>,
    worker: WorkerId,
    effect: impl FnOnce(Arc<Handle>) -> Effect<J>,
) -> Option<Effect<J>> {
    state.workers.get(&worker).cloned().map(effect)
}

fn take_slices<J: Job>(state: &mut PoolState<J>, jobs: &[JobRange]) -> Vec<Slice<J>> {
    jobs.iter().flat_map(|&range| state.blocks.take_resolved(range)).collect()
}

fn failure<J: Job>(verdict: Verdict, state: &PoolState<J>) -> JobError<J::Error> {
    match verdict {
        Verdict::Crashed { death, attempts, earlier } => {
            Crashed::new(death, attempts).with_earlier(earlier).with_program(state.crash.clone()).into()
        }
        Verdict::Memory { death, attempts, earlier } => {
            OutOfMemory::new(death, attempts).with_earlier(earlier).into()
        }
        Verdict::Denied { death, attempts, earlier } => {
            Denied::new(death, attempts).with_earlier(earlier).into()
        }
        Verdict::TimedOut { limit, attempts, earlier } => {
            TimedOut::new(limit, attempts).with_earlier(earlier).into()
        }
        Verdict::Cancelled => JobError::Cancelled,
        Verdict::Abandoned => JobError::Broken(state.broken_cause()),
    }
}

/// Work that is left to the caller after the effects were carried out.
pub(crate) struct FollowUp<J: Job> {
    /// Jobs whose outcomes only the caller has.
    pub(crate) to_deliver: Vec<Slice<J>>,
    /// Jobs that recalled workers are running. The scheduler is informed of them in another transaction.
    pub(crate) recalled: Vec<(WorkerId, Running)>,
}

/// A thread of the pool that could not be started.
pub(crate) enum FailedThread {
    /// The supervisor, which was to start this worker.
    Supervisor(Arc<Handle>, io::Error),
    Clock(io::Error),
}

/// Carries out effects in order. Calls `report_failure` for each thread that cannot be started, before the
/// next effect.
pub(crate) fn carry_out<J: Job>(
    shared: &Arc<ProcessShared<J>>,
    effects: Vec<Effect<J>>,
    report_failure: impl Fn(&Arc<ProcessShared<J>>, FailedThread),
) -> FollowUp<J> {
    let (mut to_deliver, mut recalled) = (Vec::new(), Vec::new());
    for effect in effects {
        match effect {
            Effect::Start(handle, _guard) => {
                let (worker, at) = (handle.id, handle.metrics.started);
                shared.observers.notify(|| PoolEvent::WorkerStarting { worker, at });
                if let Err(error) = ProcessShared::request(shared, Request::Start(handle.clone())) {
                    report_failure(shared, FailedThread::Supervisor(handle, error));
                }
            }
            Effect::Send { to, sequence, batch, jobs, timed } => {
                if !shared.spawn_config.sandbox.settings().is_off() {
                    to.grant_files(jobs.iter().map(|slice| &slice.block.files));
                }
                to.send_batch(sequence, message(shared, &to, batch, &jobs, timed));
            }
            Effect::Deliver(jobs) => to_deliver.extend(jobs),
            Effect::Fail { jobs, failure } => fail(shared, &jobs, &failure),
            Effect::Halt(handle) => handle.halt(),
            Effect::Recall(handle, below) => {
                let worker = handle.id;
                shared.observers.notify(|| PoolEvent::BatchesRecalled {
                    worker,
                    keep_below: below,
                    at: now(),
                });
                recalled.extend(handle.recall(below).map(|running| (worker, running)));
            }
            Effect::Retire(handle) => handle.retire(),
            Effect::Terminate(handle) => handle.signal(Signal::SIGTERM),
            Effect::Kill(handle) => handle.kill(),
            Effect::StartClock(_guard) => {
                if let Err(error) = ProcessShared::start_clock(shared) {
                    report_failure(shared, FailedThread::Clock(error));
                }
            }
        }
    }
    FollowUp { to_deliver, recalled }
}

/// Builds the message of a batch and passes it to the observer.
fn message<J: Job>(
    shared: &ProcessShared<J>,
    to: &Handle,
    batch: BatchId,
    jobs: &[Slice<J>],
    timed: bool,
) -> Message {
    let slices: Vec<&[u8]> = jobs.iter().map(Slice::bytes).collect();
    let count: usize = jobs.iter().map(Slice::count).sum();
    let flags = BatchFlags { starts: timed, durations: shared.observers.needs_durations(batch) };
    let message = batch::encode_jobs(batch, flags, u32::try_from(count).unwrap_or(u32::MAX), &slices);
    // Before it is sent, so that the observer does not see its outcomes first.
    shared.observers.notify(|| {
        let (mut numbers, mut ids) = (Vec::new(), Vec::new());
        jobs.iter().for_each(|slice| slice.add_job_numbers(&mut numbers));
        jobs.iter().for_each(|slice| slice.add_job_ids(&mut ids));
        let bytes = message.len() as u64;
        PoolEvent::BatchSent { worker: to.id, batch, jobs: numbers, ids, bytes, at: now() }
    });
    message
}

fn fail<J: Job>(shared: &ProcessShared<J>, jobs: &[Slice<J>], failure: &JobError<J::Error>) {
    for slice in jobs {
        shared.outcome_counts.add_failed(slice.count(), failure);
        let resolved = slice.tags().iter().map(|&tag| Resolved { tag, outcome: Err(clone_failure(failure)) });
        slice.resolve(resolved.collect());
    }
}

/// Returns a copy of a failure that does not contain the job's own error, whose type may not be `Clone`.
fn clone_failure<E>(failure: &JobError<E>) -> JobError<E> {
    match failure {
        JobError::Crashed(crashed) => JobError::Crashed(crashed.clone()),
        JobError::OutOfMemory(exhausted) => JobError::OutOfMemory(exhausted.clone()),
        JobError::Denied(denied) => JobError::Denied(denied.clone()),
        JobError::TimedOut(timed_out) => JobError::TimedOut(timed_out.clone()),
        JobError::Broken(cause) => JobError::Broken(cause.clone()),
        _ => JobError::Cancelled,
    }
}
