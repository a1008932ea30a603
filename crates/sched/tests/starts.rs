//! Pools whose workers cannot be started break after a bounded number of starts, whatever the number of
//! workers.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, ops::Range, time::Duration};

use job::{Death, DeathCause, JobId, JobRange, MonotonicInstant, WorkerId};
use sched::{Action, Event, Sched, Settings, StartFailure, Verdict};

const START_LIMIT: Duration = Duration::from_secs(3);

/// The scheduler's limit on consecutive failed starts.
const FAILED_STARTS: usize = 5;

/// Result of a start, and the time it takes.
#[derive(Clone, Copy)]
enum Start {
    /// The worker never becomes ready and is killed at the limit.
    Silent,
    Fails(StartFailure, Duration),
    Ready(Duration),
}

/// A model of the pool with a virtual clock: each action of the scheduler has its effect at the simulated
/// time.
struct World {
    now: MonotonicInstant,
    sched: Sched,
    /// Result of the n-th start; the last entry is repeated.
    plan: Vec<Start>,
    starts: usize,
    due: BTreeMap<(MonotonicInstant, WorkerId), Event>,
    wake_at: Option<MonotonicInstant>,
    abandoned: u64,
}

impl World {
    fn new(max_workers: u32, plan: Vec<Start>) -> World {
        let settings = Settings { max_workers, start_timeout: START_LIMIT, ..Settings::default() };
        World {
            now: MonotonicInstant(1),
            sched: Sched::new(settings),
            plan,
            starts: 0,
            due: BTreeMap::new(),
            wake_at: None,
            abandoned: 0,
        }
    }

    fn handle(&mut self, event: Event) {
        for action in self.sched.handle(self.now, event) {
            match action {
                Action::Start(id) => self.start(id),
                // A worker that does not respond still dies at once.
                Action::Kill(id) => self.will_fail(id, StartFailure::Transient, Duration::from_millis(1)),
                Action::WakeAt(at) => self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at))),
                Action::Resolve { jobs, verdict: Verdict::Abandoned } => self.abandoned += jobs.count(),
                _ => {}
            }
        }
        self.sched.check_invariants();
    }

    fn start(&mut self, id: WorkerId) {
        let start = self.plan[self.starts.min(self.plan.len() - 1)];
        self.starts += 1;
        match start {
            Start::Silent => {}
            Start::Fails(failure, after) => self.will_fail(id, failure, after),
            Start::Ready(after) => drop(self.due.insert((self.now + after, id), Event::Ready(id))),
        }
    }

    fn will_fail(&mut self, worker: WorkerId, failure: StartFailure, after: Duration) {
        self.due.retain(|&(_, id), _| id != worker);
        self.due.insert((self.now + after, worker), Event::StartFailed { worker, failure });
    }

    fn submit(&mut self, jobs: Range<u64>) {
        let jobs = JobRange::new(jobs.start, jobs.end).unwrap();
        self.handle(Event::Submitted {
            jobs,
            bytes: jobs.count(),
            limits: Vec::new(),
            priorities: Vec::new(),
            is_atomic: false,
        });
    }

    /// Advances the time until the pool is broken or nothing more is due before `end`.
    fn run_until(&mut self, end: MonotonicInstant) {
        while !self.sched.is_broken() {
            let due = self.due.first_key_value().map(|(&(at, _), _)| at);
            let Some(at) = due.into_iter().chain(self.wake_at).min().filter(|&at| at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(at);
            if due == Some(at) {
                let (_, event) = self.due.pop_first().unwrap();
                self.handle(event);
            } else {
                self.wake_at = None;
                self.handle(Event::Tick);
            }
        }
    }
}

fn end() -> MonotonicInstant {
    MonotonicInstant(0) + START_LIMIT * 100
}

#[test]
fn pool_of_any_size_breaks_if_no_worker_becomes_ready() {
    for workers in [1, 2, 3, 4, 5, 8, 64] {
        let mut world = World::new(workers, vec![Start::Silent]);
        world.submit(0..1000);
        world.run_until(end());
        assert!(world.sched.is_broken(), "{workers} workers, {} starts", world.starts);
        assert_eq!(world.abandoned, 1000);
        // Starts in progress when the limit is reached may still time out, but are not replaced.
        let most = FAILED_STARTS.next_multiple_of(workers as usize) + workers as usize;
        assert!(world.starts <= most, "{workers} workers, {} starts", world.starts);
        let time = START_LIMIT * (FAILED_STARTS as u32 + 1) + Duration::from_secs(1);
        assert!(world.now <= MonotonicInstant(1) + time, "{workers} workers, {:?}", world.now);
    }
}

#[test]
fn workers_that_fail_alternately_break_the_pool() {
    // Whenever one start fails, the replacements of the others are still in progress.
    for workers in [2, 3, 4] {
        for (start, takes) in [
            (Start::Silent, START_LIMIT),
            (Start::Fails(StartFailure::Transient, START_LIMIT * 2), START_LIMIT * 2),
            (Start::Fails(StartFailure::Permanent, START_LIMIT / 2), START_LIMIT / 2),
        ] {
            let mut world = World::new(workers, vec![start]);
            let turn = takes / workers;
            for n in 0..u64::from(workers) {
                world.submit(n..n + 1);
                world.run_until(MonotonicInstant(1) + turn * (n as u32 + 1));
            }
            world.run_until(end());
            assert!(world.sched.is_broken(), "{workers} workers: {} starts", world.starts);
            let most = FAILED_STARTS + 2 * workers as usize;
            assert!(world.starts <= most, "{workers} workers: {} starts", world.starts);
        }
    }
}

#[test]
fn workers_that_are_killed_while_starting_break_the_pool() {
    let killed = Start::Fails(StartFailure::Killed, Duration::from_millis(7));
    let mut world = World::new(4, vec![killed]);
    world.submit(0..1000);
    world.run_until(end());
    assert!(world.sched.is_broken() && world.starts < 110, "{} starts", world.starts);
}

#[test]
fn first_workers_may_become_ready_after_others_have_failed() {
    // Five cannot be started, for example because of a descriptor limit; the others only take longer.
    let mut plan = vec![Start::Fails(StartFailure::Transient, Duration::from_millis(1)); FAILED_STARTS];
    plan.extend(vec![Start::Ready(Duration::from_secs(1)); 3]);
    plan.push(Start::Fails(StartFailure::Transient, Duration::from_millis(1)));
    let mut world = World::new(8, plan);
    world.submit(0..1000);
    world.run_until(end());
    assert!(!world.sched.is_broken());
    assert_eq!(
        (world.sched.busy_workers(), world.abandoned),
        (3, 0),
        "the pool goes on with the workers that can be started"
    );
}

#[test]
fn pool_breaks_if_its_last_worker_dies_and_none_can_be_started() {
    let mut world = World::new(2, vec![Start::Ready(Duration::from_millis(1)), Start::Silent]);
    world.submit(0..1000);
    world.run_until(MonotonicInstant(1) + START_LIMIT * 20);
    assert!(!world.sched.is_broken(), "one worker is ready");
    let worker = WorkerId { slot: 0, generation: 0 };
    let death = Death { pid: 1, cause: DeathCause::Signalled(9) };
    world.handle(Event::Died { worker, running: None, recovered: None, death, out_of_memory: false });
    let lost_at = world.now;
    world.run_until(end());
    assert!(world.sched.is_broken(), "{} starts", world.starts);
    assert!(world.now <= lost_at + START_LIMIT * 2);
}

#[test]
fn successful_start_resets_the_count_of_failures() {
    let mut plan = vec![Start::Silent; FAILED_STARTS - 1];
    plan.extend([Start::Ready(Duration::from_millis(1)), Start::Silent]);
    let mut world = World::new(1, plan);
    world.submit(0..1000);
    world.run_until(MonotonicInstant(1) + START_LIMIT * 10);
    assert!(!world.sched.is_broken());
    assert!(world.sched.is_in_flight(JobId(0)));
}

#[test]
fn worker_that_becomes_ready_after_close_is_dismissed() {
    let mut sched = Sched::new(Settings { max_workers: 1, ..Settings::default() });
    let started = sched.handle(MonotonicInstant(1), Event::Prestart);
    let worker = started.iter().find_map(|action| match action {
        Action::Start(worker) => Some(*worker),
        _ => None,
    });
    let worker = worker.unwrap();
    assert!(!sched.is_dismissed(worker));
    assert!(sched.handle(MonotonicInstant(2), Event::Closed).contains(&Action::Kill(worker)));
    let _ = sched.handle(MonotonicInstant(3), Event::Ready(worker));
    assert!(sched.is_dismissed(worker), "its exit does not count as a death");
}
