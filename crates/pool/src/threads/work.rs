//! The loop of a thread: claim jobs, run them, wait for others.

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
    shared::Shared,
    sizing::{CLAIM_WORK, Cost},
    state::{MAX_DELAY, State},
};
use crate::{
    WorkerReport,
    run::{finish_context, run_here, start_context},
};

/// Time for which a thread without work polls before it parks.
const POLL_TIME: Duration = Duration::from_micros(50);

/// When a thread has waited for less than this, including the time to wake it, polling would have found its
/// jobs.
const POLLING_PAYS: Duration = Duration::from_micros(100);

/// The number of jobs between two clock readings doubles until they take this long.
const STRIDE_WORK: Duration = Duration::from_micros(10);

/// State of one thread.
struct Worker<J: Job> {
    shared: Arc<Shared<J>>,
    slot: usize,
    born: Instant,
    condvar: Arc<Condvar>,
    /// Claimed jobs that have not been started.
    claim: VecDeque<Entry<J>>,
}

/// Result of running a claim.
struct Ran<J: Job> {
    jobs: usize,
    /// Present if jobs are left that were not run. Without any, the target has been dropped: not later,
    /// because a sink must not outlive its outcomes while the thread waits, and not under the lock, because
    /// that calls user code.
    rest: Option<Head<J>>,
    busy: Duration,
}

/// Runs jobs until the pool is closed and has no more.
pub(super) fn serve<J: Job>(shared: &Arc<Shared<J>>, slot: usize) {
    let born = Instant::now();
    let mut context = match start_context::<J::Context>(shared.args.clone()) {
        Ok(context) => context,
        Err(cause) => return Shared::break_down(shared, cause.into()),
    };
    let (condvar, claim) = (Arc::default(), VecDeque::new());
    let mut worker = Worker { shared: shared.clone(), slot, born, condvar, claim };
    let mut ran = None;
    shared.look(|state| state.threads.note_started());
    while let Some(head) = worker.claim(ran.take()) {
        ran = Some(worker.run(head, &mut context));
    }
    let report = finish_context(context);
    shared.look(|state| {
        let worker = state.figures[slot].worker;
        state.reports.push(WorkerReport { worker, report });
    });
}

impl<J: Job> Worker<J> {
    /// Records the last claim and makes the next one; `None` when the pool is closed and has no more jobs.
    fn claim(&mut self, ran: Option<Ran<J>>) -> Option<Head<J>> {
        let shared = self.shared.clone();
        Shared::change_waiting(&shared, |state| {
            if let Some(ran) = ran {
                self.account(state, ran);
            }
            let mut waited = WaitResult::default();
            loop {
                if state.is_due() || (waited.for_max_delay && !state.queue.is_empty()) {
                    if let Some(since) = waited.since {
                        state.threads.polling_pays_off = since.elapsed() < POLLING_PAYS;
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
    fn account(&mut self, state: &mut State<J>, Ran { jobs, rest, busy }: Ran<J>) {
        state.threads.running -= 1;
        state.threads.searching += 1;
        let figures = &mut state.figures[self.slot];
        figures.jobs += jobs as u64;
        figures.batches += 1;
        figures.busy += busy;
        figures.life = self.born.elapsed();
        if let Some(head) = rest {
            state.queue.put_back(head, std::mem::take(&mut self.claim));
        }
    }

    fn take(&mut self, state: &mut State<J>) -> Option<Head<J>> {
        let cost = state.queue.next_cost()?;
        let (queued, threads) = (state.queue.len(), state.threads.max);
        let size = cost.claim_size(queued, threads);
        let limit = Cost::claim_limit(queued, threads).max(size);
        let head = state.queue.take(size, limit, &mut self.claim);
        state.threads.searching -= 1;
        state.threads.running += 1;
        head
    }

    /// Polls or parks until there may be jobs to claim.
    fn wait(&self, state: &mut MutexGuard<'_, State<J>>, waited: &mut WaitResult) {
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

    /// Runs the claimed jobs until [`CLAIM_WORK`] has passed. The others go back to the queue, and outcomes
    /// are handed over, so that neither waits for jobs that take longer than expected.
    fn run(&mut self, head: Head<J>, context: &mut J::Context) -> Ran<J> {
        let (start, count) = (Instant::now(), self.claim.len());
        let shared = &*self.shared;
        let mut outcome = |job, options| match shared.is_stopped() {
            true => Err(JobError::Cancelled),
            false => run_here(job, options, context),
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
        Ran { jobs, rest, busy: start.elapsed() }
    }
}

/// How a thread has waited since its last claim.
#[derive(Default)]
struct WaitResult {
    since: Option<Instant>,
    polled: bool,
    /// The time for which jobs that are not due are left to others has passed.
    for_max_delay: bool,
}
