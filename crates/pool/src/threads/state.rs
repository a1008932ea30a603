//! State of a pool under its lock: the queue, and the number of threads in each condition.
//!
//! # When threads are woken
//!
//! A thread without work is *searching*: it polls for a moment if cores are idle, and parks if nothing came.
//! A parked thread counts as searching again from the moment at which it is selected to be woken. Every
//! change of the state that leaves jobs in the queue (jobs were added, or a claim left some) wakes up to two
//! threads if fewer are searching than the queued work is worth, and their claims wake others. So threads
//! wake in a tree, as many as there is work for. New threads are started when none is parked.
//!
//! Queued jobs are not *due* while a thread runs and their expected work is less than waking another one
//! costs: the running thread will claim them together with those that are added meanwhile. As it may be in a
//! long job, another thread parks with a timeout of [`MAX_DELAY`] and then claims what is left. Jobs are due
//! at once when a caller waits for one of them. Short jobs are not due either while as many threads run as
//! there are cores.
//!
//! Invariant: when the lock is released and jobs are queued, some thread is searching, or is parked with a
//! timeout if the jobs are not due, or all threads are running jobs or being started.

use std::{sync::Arc, time::Duration};

use job::{Job, WorkerStats};
use parking_lot::Condvar;

use super::{
    hints::{ALL_IDLE, CLOSED, DUE, HAS_IDLE_THREADS, HAS_SPARE_CORE, PENDING},
    priorities::Queue,
    queue::{Chunk, Target},
};
use crate::{
    SubmitError, WorkerReport,
    counts::OutcomeCounts,
    pressure::{Gate, Granted, Load},
};

/// Longest time for which jobs that are not due are left to the threads that run.
pub(super) const MAX_DELAY: Duration = Duration::from_micros(100);

/// Maximum number of threads that poll at a time.
const MAX_POLLERS: usize = 2;

/// State guarded by a pool's lock.
pub(super) struct LockedState<J: Job> {
    pub(super) queue: Queue<J>,
    /// A caller waits for a job in the queue.
    pub(super) urgent: bool,
    /// The ticket of the next job that is submitted.
    pub(super) next_ticket: u64,
    /// Slots of the next submitted jobs, and the ticket after the last of them.
    pub(super) open_slots: Option<(Arc<Target<J>>, u64)>,
    pub(super) threads: Threads,
    pub(super) stats: Vec<WorkerStats>,
    /// Number of jobs that were ever submitted.
    pub(super) submitted: u64,
    /// Jobs that had to be admitted and were queued since the gate was last updated.
    pub(super) admitted: Load,
    /// Outcomes of the jobs that each thread has run; the thread is the only writer.
    pub(super) outcomes: Vec<Arc<OutcomeCounts>>,
    pub(super) reports: Vec<WorkerReport<J>>,
    pub(super) closed: bool,
    pub(super) broken: Option<Arc<str>>,
}

/// Number of threads in each condition.
#[derive(Default)]
pub(super) struct Threads {
    /// All that were started; none ends before the pool is closed.
    pub(super) started: usize,
    /// Maximum of `started`.
    pub(super) max: usize,
    /// Number of cores that threads may use.
    pub(super) cores: usize,
    /// Those that are creating their context, which may take a long time.
    pub(super) starting: usize,
    pub(super) running: usize,
    pub(super) searching: usize,
    /// Those of the searching ones that poll.
    pub(super) polling: usize,
    /// Whether the last thread that ran out of jobs got others soon enough for polling to find them.
    pub(super) polling_pays_off: bool,
    /// A stack: the thread that parked last is woken first, because its memory may still be in a cache.
    parked: Vec<Parked>,
    timed_waiters: usize,
}

struct Parked {
    slot: usize,
    condvar: Arc<Condvar>,
    timed: bool,
}

/// A thread to be woken.
pub(super) enum Wakeup {
    Parked(Arc<Condvar>),
    Start,
}

impl Threads {
    /// Returns whether a thread may poll: there is a core for each running thread, the caller and this one.
    pub(super) fn may_poll(&self) -> bool {
        self.polling_pays_off && self.polling < MAX_POLLERS && self.running + self.polling + 1 < self.cores
    }

    /// Number of threads that run nothing, including those that could be started.
    fn idle(&self) -> usize {
        self.max - self.running
    }

    /// Returns whether all started threads are parked without a timeout.
    #[cfg(test)]
    pub(super) fn are_parked(&self) -> bool {
        self.parked.len() == self.started && self.timed_waiters == 0
    }

    pub(super) fn has_timed_waiter(&self) -> bool {
        self.timed_waiters > 0
    }

    /// Records that a searching thread parks on its condition variable.
    pub(super) fn park(&mut self, slot: usize, condvar: &Arc<Condvar>, timed: bool) {
        self.searching -= 1;
        self.timed_waiters += usize::from(timed);
        self.parked.push(Parked { slot, condvar: condvar.clone(), timed });
    }

    pub(super) fn is_parked(&self, slot: usize) -> bool {
        self.parked.iter().any(|parked| parked.slot == slot)
    }

    /// Records that a thread is searching again, unless it was woken before.
    pub(super) fn unpark(&mut self, slot: usize) {
        if let Some(index) = self.parked.iter().position(|parked| parked.slot == slot) {
            let parked = self.parked.remove(index);
            self.note_wakeup(&parked);
        }
    }

    /// Wakes or starts a thread if fewer than `wanted` are searching. Those that are parked with a timeout
    /// suffice for jobs that are not due.
    fn wake(&mut self, wanted: usize, due: bool) -> Option<Wakeup> {
        let searching = self.searching + if due { 0 } else { self.timed_waiters };
        if searching >= wanted {
            return None;
        }
        if let Some(parked) = self.parked.pop() {
            self.note_wakeup(&parked);
            return Some(Wakeup::Parked(parked.condvar));
        }
        (searching + self.starting < wanted && self.started < self.max).then(|| {
            self.started += 1;
            self.starting += 1;
            Wakeup::Start
        })
    }

    /// Records that a thread has created its context.
    pub(super) fn note_started(&mut self) {
        self.starting -= 1;
        self.searching += 1;
    }

    /// Records that a thread could not be started.
    pub(super) fn note_failed_start(&mut self) {
        self.starting -= 1;
        self.started -= 1;
    }

    fn note_wakeup(&mut self, parked: &Parked) {
        self.timed_waiters -= usize::from(parked.timed);
        self.searching += 1;
    }

    /// Wakes all parked threads.
    pub(super) fn wake_all(&mut self) -> Vec<Arc<Condvar>> {
        let woken = std::iter::from_fn(|| self.parked.pop().inspect(|parked| self.note_wakeup(parked)));
        woken.map(|parked| parked.condvar).collect()
    }
}

impl<J: Job> LockedState<J> {
    pub(super) fn new(max_threads: usize, cores: usize) -> LockedState<J> {
        let threads = Threads { max: max_threads, cores, polling_pays_off: true, ..Threads::default() };
        LockedState {
            queue: Queue::default(),
            urgent: false,
            next_ticket: 0,
            open_slots: None,
            threads,
            stats: Vec::new(),
            submitted: 0,
            admitted: Load::default(),
            outcomes: Vec::new(),
            reports: Vec::new(),
            closed: false,
            broken: None,
        }
    }

    /// Returns why a job would be refused.
    pub(super) fn submit_error(&self) -> Option<SubmitError> {
        self.closed.then(|| self.broken.clone().map_or(SubmitError::Closed, SubmitError::Broken))
    }

    /// Refuses jobs from now on. Those in the queue are still run.
    pub(super) fn close(&mut self) {
        self.closed = true;
        // Slots hold a reference to the pool, which must not keep itself alive.
        self.open_slots = None;
    }

    /// Refuses jobs from now on and removes those in the queue.
    pub(super) fn break_down(&mut self, cause: Arc<str>) -> Vec<Chunk<J>> {
        self.close();
        self.broken = Some(cause);
        self.queue.take_all()
    }

    /// Publishes the content of the queue after a change.
    pub(super) fn update_gate(&mut self, gate: &Gate) -> Granted {
        let queued = Load { jobs: self.queue.len() as u64, bytes: 0 };
        gate.update(std::mem::take(&mut self.admitted), queued, !self.closed)
    }

    /// Returns whether a thread without work should claim jobs now.
    pub(super) fn is_due(&self) -> bool {
        let Some(cost) = self.queue.next_cost() else { return false };
        let all_cores_run = cost.is_short() && self.threads.running >= self.threads.cores;
        let is_worth_a_thread = || self.urgent || self.threads_worth() > 0;
        self.closed || self.threads.running == 0 || (!all_cores_run && is_worth_a_thread())
    }

    /// Number of threads that are worth waking for the jobs in the queue.
    fn threads_worth(&self) -> usize {
        self.queue.next_cost().map_or(0, |cost| cost.threads_for(self.queue.len()))
    }

    /// Returns the next thread that should be woken.
    pub(super) fn next_wakeup(&mut self) -> Option<Wakeup> {
        if self.queue.is_empty() {
            return None;
        }
        let due = self.is_due();
        let wanted = if due { self.threads_worth().max(1) } else { 1 };
        self.threads.wake(wanted, due)
    }

    /// Flags that are published for reading without the lock.
    pub(super) fn hints(&self) -> u8 {
        let hint = |flag, is_true| if is_true { flag } else { 0 };
        hint(DUE, self.is_due())
            | hint(PENDING, !self.queue.is_empty())
            | hint(HAS_IDLE_THREADS, !self.closed && self.queue.len() < self.threads.idle())
            | hint(HAS_SPARE_CORE, self.threads.running + self.threads.polling < self.threads.cores)
            | hint(ALL_IDLE, self.threads.running == 0 && self.queue.is_empty())
            | hint(CLOSED, self.closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        JobOptions,
        sample::{Byte, Ignore},
        threads::queue::Entry,
    };

    /// State of a pool on four cores, and the target of its jobs.
    struct Fixture {
        state: LockedState<Byte>,
        target: Arc<Target<Byte>>,
        condvar: Arc<Condvar>,
    }

    impl Fixture {
        fn new(max_threads: usize) -> Fixture {
            let target = Arc::new(Target::sink(Arc::new(Ignore)));
            Fixture { state: LockedState::new(max_threads, 4), target, condvar: Arc::default() }
        }

        /// All threads have been started and are parked.
        fn parked(threads: usize) -> Fixture {
            let mut fixture = Fixture::new(threads);
            fixture.state.threads.started = threads;
            fixture.state.threads.searching = threads;
            (0..threads).for_each(|slot| fixture.state.threads.park(slot, &fixture.condvar, false));
            fixture
        }

        fn add(&mut self, jobs: usize) {
            let entry = |_| Entry::new(0, Byte(0), JobOptions::default());
            self.state.queue.push(Chunk::new(self.target.clone(), 0, (0..jobs).map(entry).collect()), 0);
        }

        fn jobs_take(&self, time: Duration) {
            self.target.cost.record(time, 1);
        }

        /// A searching thread claims all jobs.
        fn claim_all(&mut self) {
            self.state.queue.take_all();
            self.state.threads.searching -= 1;
            self.state.threads.running += 1;
        }

        /// Number of threads that are woken until no more are.
        fn wakeups(&mut self) -> usize {
            std::iter::from_fn(|| self.state.next_wakeup()).count()
        }
    }

    #[test]
    fn threads_are_started_for_the_queued_work() {
        let mut fixture = Fixture::new(3);
        assert_eq!(fixture.wakeups(), 0);
        fixture.add(2);
        assert_eq!((fixture.wakeups(), fixture.wakeups()), (2, 0));
        fixture.add(20);
        assert_eq!((fixture.wakeups(), fixture.state.threads.started), (1, 3));
    }

    #[test]
    fn a_parked_thread_is_woken_even_if_another_is_being_started() {
        let mut fixture = Fixture::parked(1);
        fixture.state.threads.max = 2;
        fixture.state.threads.started = 2;
        fixture.state.threads.starting = 1;
        fixture.add(1);
        assert!(matches!(fixture.state.next_wakeup(), Some(Wakeup::Parked(_))));
        assert!(fixture.state.next_wakeup().is_none());
    }

    #[test]
    fn a_thread_is_woken_per_amount_of_work_that_waking_costs() {
        let mut fixture = Fixture::parked(8);
        fixture.jobs_take(Duration::from_micros(1));
        fixture.add(1);
        assert_eq!(fixture.wakeups(), 1, "an idle pool starts on the first job");
        fixture.add(29);
        assert_eq!(fixture.wakeups(), 2);
    }

    #[test]
    fn little_work_is_left_to_a_running_thread_while_another_waits_with_a_timeout() {
        let mut fixture = Fixture::parked(3);
        fixture.jobs_take(Duration::from_micros(1));
        fixture.add(1);
        assert_eq!(fixture.wakeups(), 1);
        fixture.claim_all();
        fixture.add(3);
        assert!(!fixture.state.is_due());
        assert_eq!(fixture.wakeups(), 1, "one is woken to wait with a timeout");
        fixture.state.threads.park(2, &fixture.condvar, true);
        assert_eq!(fixture.wakeups(), 0);
        fixture.state.urgent = true;
        assert!(fixture.state.is_due());
        assert_eq!(fixture.wakeups(), 1);
        assert_eq!(fixture.state.hints() & (DUE | PENDING), DUE | PENDING);
    }

    #[test]
    fn short_jobs_get_no_more_threads_than_there_are_cores() {
        for (time, due) in [(Duration::from_micros(1), false), (Duration::from_millis(1), true)] {
            let mut fixture = Fixture::parked(8);
            fixture.jobs_take(time);
            (fixture.state.threads.running, fixture.state.urgent) = (4, true);
            fixture.add(1000);
            assert_eq!(fixture.state.is_due(), due, "{time:?}");
            assert_eq!(fixture.wakeups(), if due { 8 } else { 1 }, "{time:?}");
            fixture.state.threads.running = 3;
            assert!(fixture.state.is_due());
        }
    }

    #[test]
    fn hints_show_whether_threads_and_jobs_are_idle() {
        let mut fixture = Fixture::new(2);
        let flags = HAS_IDLE_THREADS | ALL_IDLE | CLOSED;
        assert_eq!(fixture.state.hints() & flags, HAS_IDLE_THREADS | ALL_IDLE);
        fixture.add(1);
        assert_eq!(fixture.state.hints() & flags, HAS_IDLE_THREADS);
        fixture.add(1);
        assert_eq!(fixture.state.hints() & flags, 0);
        fixture.state.close();
        assert_eq!(fixture.state.hints() & flags, CLOSED);
    }
}
