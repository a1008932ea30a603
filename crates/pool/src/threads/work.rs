//! Main loop of a thread: claims jobs, runs them, waits for more.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use job::{Job, JobError};
use parking_lot::{Condvar, MutexGuard};

use super::{
    hints::{CLOSED, DUE},
    queue::{Entry, Head},
    shared::ThreadShared,
    sizing::{CLAIM_WORK, Cost},
    state::{LockedState, MAX_DELAY},
};
use crate::{
    WorkerReport,
    counts::OutcomeCounts,
    run::{finish_context, run_here, start_context},
};

/// Time for which a thread without work polls before it parks.
const POLL_TIME: Duration = Duration::from_micros(50);

/// If a thread has waited for less than this, including the time to wake it, polling would have found its
/// jobs.
const POLLING_PAYS_BELOW: Duration = Duration::from_micros(100);

/// The number of jobs between two clock readings doubles until the jobs take at least this time.
const STRIDE_WORK: Duration = Duration::from_micros(10);

/// State of one thread.
struct ThreadWorker<J: Job> {
    shared: Arc<ThreadShared<J>>,
    slot: usize,
    started_at: Instant,
    condvar: Arc<Condvar>,
    outcomes: Arc<OutcomeCounts>,
    /// Claimed jobs that have not been started.
    claim: VecDeque<Entry<J>>,
}

/// Result of running a claim.
struct ClaimResult<J: Job> {
    jobs: usize,
    /// Present if some jobs were not run. Otherwise the target has been dropped: not later, because the
    /// thread must not keep a sink alive while it waits, and not under the lock, because dropping it calls
    /// user code.
    rest: Option<Head<J>>,
    busy: Duration,
}

/// Runs jobs until the pool is closed and has no more jobs.
pub(super) fn serve<J: Job>(shared: &Arc<ThreadShared<J>>, slot: usize) {
    let started_at = Instant::now();
    let mut context = match start_context::<J::Context>(shared.args.clone()) {
        Ok(context) => context,
        Err(cause) => return ThreadShared::break_down(shared, cause.into()),
    };
    let (condvar, claim) = (Arc::default(), VecDeque::new());
    let outcomes = shared.with_state(|state| {
        state.threads.note_started();
        state.outcomes[slot].clone()
    });
    let mut worker = ThreadWorker { shared: shared.clone(), slot, started_at, condvar, outcomes, claim };
    let mut ran = None;
    while let Some(head) = worker.claim(ran.take()) {
        ran = Some(worker.run(head, &mut context));
    }
    let report = finish_context(context);
    shared.with_state(|state| {
        let worker = state.stats[slot].worker;
        state.reports.push(WorkerReport { worker, report });
    });
}

impl<J: Job> ThreadWorker<J> {
    /// Records the last claim and makes the next one. Returns `None` when the pool is closed and has no more
    /// jobs.
    fn claim(&mut self, ran: Option<ClaimResult<J>>) -> Option<Head<J>> {
        let shared = self.shared.clone();
        ThreadShared::change_waiting(&shared, |state| {
            if let Some(ran) = ran {
                self.account(state, ran);
            }
            let mut waited = WaitState::default();
            loop {
                if state.is_due() || (waited.for_max_delay && !state.queue.is_empty()) {
                    if let Some(since) = waited.since {
                        state.threads.polling_pays_off = since.elapsed() < POLLING_PAYS_BELOW;
                    }
                    return self.take(state);
                }
                if state.closed && state.queue.is_empty() {
                    state.threads.searching -= 1;
                    return None;
                }
                self.wait(state, &mut waited);
            }
        })
    }

    /// Records the end of a claim; the thread is searching from now on.
    fn account(&mut self, state: &mut LockedState<J>, ClaimResult { jobs, rest, busy }: ClaimResult<J>) {
        state.threads.running -= 1;
        state.threads.searching += 1;
        let stats = &mut state.stats[self.slot];
        stats.jobs += jobs as u64;
        stats.batches += 1;
        stats.busy += busy;
        stats.lifetime = self.started_at.elapsed();
        if let Some(head) = rest {
            state.queue.put_back(head, std::mem::take(&mut self.claim));
        }
    }

    fn take(&mut self, state: &mut LockedState<J>) -> Option<Head<J>> {
        let cost = state.queue.next_cost()?;
        let (queued, threads) = (state.queue.first_len(), state.threads.max);
        let size = cost.claim_size(queued, threads);
        let limit = Cost::claim_limit(queued, threads).max(size);
        let head = state.queue.take(size, limit, &mut self.claim);
        state.threads.searching -= 1;
        state.threads.running += 1;
        head
    }

    /// Polls or parks until there may be jobs to claim.
    fn wait(&self, state: &mut MutexGuard<'_, LockedState<J>>, waited: &mut WaitState) {
        let since = *waited.since.get_or_insert_with(Instant::now);
        if !waited.polled && state.threads.may_poll() {
            waited.polled = true;
            state.threads.polling += 1;
            self.shared.publish(state);
            let hints = &self.shared.hints;
            let poll = || self.shared.poller.poll(POLL_TIME, || hints.any(DUE | CLOSED));
            MutexGuard::unlocked(state, poll);
            state.threads.polling -= 1;
            waited.for_max_delay = since.elapsed() >= POLL_TIME;
            return;
        }
        let timed = !state.queue.is_empty() && !state.threads.has_timed_waiter();
        state.threads.park(self.slot, &self.condvar, timed);
        self.shared.publish(state);
        if timed {
            waited.for_max_delay = self.condvar.wait_for(state, MAX_DELAY).timed_out();
            state.threads.unpark(self.slot);
        } else {
            while state.threads.is_parked(self.slot) {
                self.condvar.wait(state);
            }
        }
    }

    /// Runs the claimed jobs until [`CLAIM_WORK`] has passed. The remaining jobs go back to the queue and the
    /// outcomes are passed on, so that neither waits for jobs that take longer than expected.
    fn run(&mut self, head: Head<J>, context: &mut J::Context) -> ClaimResult<J> {
        let (start, count) = (Instant::now(), self.claim.len());
        let shared = &*self.shared;
        let outcomes = &*self.outcomes;
        let mut outcome = |job, unsupported| {
            let outcome = match shared.is_stopped() {
                true => Err(JobError::Cancelled),
                false => run_here(job, unsupported, context),
            };
            outcomes.add_as_only_writer::<J>(&outcome);
            outcome
        };
        let (mut done, mut stride, mut now) = (head.target.room_for(count), 1, start);
        while !self.claim.is_empty() && now - start <= CLAIM_WORK {
            let jobs = self.claim.drain(..stride.min(self.claim.len()));
            head.target.resolve(jobs, &mut outcome, &mut done);
            let before = std::mem::replace(&mut now, Instant::now());
            if now - before < STRIDE_WORK {
                stride *= 2;
            }
        }
        let jobs = count - self.claim.len();
        head.target.cost.record(now - start, jobs);
        head.target.hand_over(done);
        let rest = Some(head).filter(|_| !self.claim.is_empty());
        ClaimResult { jobs, rest, busy: start.elapsed() }
    }
}

/// Progress of a thread's waiting since its last claim.
#[derive(Default)]
struct WaitState {
    since: Option<Instant>,
    polled: bool,
    /// The time for which jobs that are not due are left to other threads has passed.
    for_max_delay: bool,
}
