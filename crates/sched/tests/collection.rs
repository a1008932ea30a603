//! Outcomes that a worker holds back while it runs a later job of their batch.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use job::{BatchId, Death, DeathCause, JobRange, MonotonicInstant, WorkerId};
use sched::{Action, BatchSize, Event, Sched, Settings, Verdict};

const BATCH: BatchId = BatchId(0);
const WORKER: WorkerId = WorkerId { slot: 0, generation: 0 };

fn at(millis: u64) -> MonotonicInstant {
    MonotonicInstant(1 + millis * 1_000_000)
}

/// Returns a scheduler whose only worker was sent this number of jobs in one batch at 0 ms.
fn with_batch_of(jobs: u64) -> Sched {
    let batch_size = BatchSize::Fixed(jobs.try_into().unwrap());
    let settings = Settings { max_workers: 1, batch_size, retries: 0, ..Settings::default() };
    let mut sched = Sched::new(settings);
    let jobs = JobRange::new(0, jobs).unwrap();
    let _ = sched.handle(
        at(0),
        Event::Submitted { jobs, bytes: 10, limits: Vec::new(), priorities: Vec::new(), is_atomic: false },
    );
    let actions = sched.handle(at(0), Event::Ready(WORKER));
    assert!(actions.iter().any(|action| matches!(action, Action::Send { batch: BATCH, .. })));
    sched
}

fn due(sched: &Sched, millis: u64) -> Vec<WorkerId> {
    sched.workers_to_collect_from(at(millis)).collect()
}

/// Returns the jobs whose outcomes are delivered after an event at 6 ms.
fn delivered(sched: &mut Sched, event: Event) -> Vec<JobRange> {
    let actions = sched.handle(at(6), event);
    sched.check_invariants();
    actions.into_iter().find_map(|a| if let Action::Deliver(jobs) = a { Some(jobs) } else { None }).unwrap()
}

fn range(start: u64, end: u64) -> Vec<JobRange> {
    vec![JobRange::new(start, end).unwrap()]
}

fn collected(outcomes: u64) -> Event {
    Event::Collected { worker: WORKER, batch: BATCH, outcomes }
}

fn returned(outcomes: u64, last: bool) -> Event {
    Event::Returned { worker: WORKER, batch: BATCH, outcomes, last, busy: Duration::from_millis(6) }
}

#[test]
fn outcomes_are_collected_until_only_the_last_job_is_left() {
    let mut sched = with_batch_of(10);
    assert_eq!((due(&sched, 4), sched.next_collection(at(4))), (vec![], Some(at(5))));
    assert_eq!((due(&sched, 5), sched.next_collection(at(5))), (vec![WORKER], Some(at(10))));
    assert_eq!(delivered(&mut sched, collected(4)), range(0, 4));
    assert_eq!((due(&sched, 10), sched.next_collection(at(10))), (vec![WORKER], Some(at(15))));
    // The last one has just finished as well; its message follows.
    assert_eq!(delivered(&mut sched, collected(6)), range(4, 9));
    assert_eq!((due(&sched, 20), sched.next_collection(at(20))), (vec![], None));
    assert_eq!(sched.collected(WORKER, BATCH), 9);
    assert_eq!(delivered(&mut sched, returned(10, true)), range(9, 10));
}

#[test]
fn nothing_is_collected_from_single_jobs_and_during_a_pause() {
    let sched = with_batch_of(1);
    assert_eq!((due(&sched, 100), sched.next_collection(at(100))), (vec![], None));
    let mut sched = with_batch_of(2);
    let _ = sched.handle(at(1), Event::Paused);
    assert_eq!(sched.next_collection(at(100)), None);
    let _ = sched.handle(at(100), Event::Resumed);
    assert_eq!(sched.next_collection(at(100)), Some(at(105)));
}

#[test]
fn next_message_repeats_the_collected_outcomes() {
    let mut sched = with_batch_of(10);
    assert_eq!(delivered(&mut sched, collected(4)), range(0, 4));
    assert_eq!(delivered(&mut sched, returned(6, false)), range(4, 6));
    assert_eq!(sched.collected(WORKER, BATCH), 0);
    assert_eq!(delivered(&mut sched, returned(4, true)), range(6, 10));
    assert_eq!(sched.pending(), 0);
}

#[test]
fn message_without_the_collected_outcomes_is_a_protocol_error() {
    for (outcomes, last) in [(3, true), (4, false), (3, false), (9, true)] {
        let mut sched = with_batch_of(10);
        assert_eq!(delivered(&mut sched, collected(4)), range(0, 4));
        assert!(sched.handle(at(7), returned(outcomes, last)).contains(&Action::Kill(WORKER)), "{outcomes}");
    }
}

#[test]
fn too_many_outcomes_are_ignored() {
    let mut sched = with_batch_of(10);
    assert!(sched.handle(at(6), collected(11)).is_empty());
    assert_eq!((sched.pending(), sched.collected(WORKER, BATCH)), (10, 0));
}

#[test]
fn halted_worker_returns_what_was_collected_and_no_more() {
    let mut sched = with_batch_of(10);
    assert_eq!(delivered(&mut sched, collected(4)), range(0, 4));
    let _ = sched.handle(at(7), Event::Stopped { grace: Duration::from_secs(1), terminate: false });
    let actions = sched.handle(at(8), returned(4, true));
    let cancelled = Action::Resolve { jobs: range(4, 10)[0], verdict: Verdict::Cancelled };
    assert!(actions.contains(&cancelled), "{actions:?}");
    sched.check_invariants();
}

#[test]
fn death_after_a_collection_recovers_the_rest_only() {
    let mut sched = with_batch_of(10);
    assert_eq!(delivered(&mut sched, collected(4)), range(0, 4));
    let death = Death { pid: 1, cause: DeathCause::Signalled(9) };
    let (running, recovered) = (Some((BATCH, 6)), Some((BATCH, 2)));
    let died = Event::Died { worker: WORKER, running, recovered, death, out_of_memory: false };
    let actions = sched.handle(at(8), died);
    assert!(actions.contains(&Action::Deliver(range(4, 6))), "{actions:?}");
    let is_charged =
        |action: &Action| matches!(action, Action::Resolve { jobs, .. } if *jobs == range(6, 7)[0]);
    assert!(actions.iter().any(is_charged), "{actions:?}");
    assert_eq!(sched.pending(), 3);
}
