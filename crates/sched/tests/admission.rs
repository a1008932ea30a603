//! Holding a pool, and spacing the starts of its jobs.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use job::{BatchId, JobId, JobRange, MonotonicInstant, WorkerId};
use sched::{Action, BatchSize, Event, Sched, Settings};

const DELAY: Duration = Duration::from_millis(100);

fn at(millis: u64) -> MonotonicInstant {
    MonotonicInstant(1 + millis * 1_000_000)
}

fn slot(slot: u32) -> WorkerId {
    WorkerId { slot, generation: 0 }
}

/// Returns a scheduler whose workers are all idle.
fn idle(settings: Settings) -> Sched {
    let workers = settings.max_workers;
    let mut sched = Sched::new(settings);
    let _ = sched.handle(at(0), Event::Prestart);
    (0..workers).for_each(|worker| drop(sched.handle(at(0), Event::Ready(slot(worker)))));
    sched
}

fn submitted(start: u64, end: u64) -> Event {
    let jobs = JobRange::new(start, end).unwrap();
    Event::Submitted { jobs, bytes: 10, limits: Vec::new(), priorities: Vec::new(), is_atomic: false }
}

fn returned(worker: u32, batch: u64, outcomes: u64) -> Event {
    let busy = Duration::from_secs(1);
    Event::Returned { worker: slot(worker), batch: BatchId(batch), outcomes, last: true, busy }
}

/// Returns the number of jobs of each batch that is sent.
fn sent(actions: &[Action]) -> Vec<u64> {
    let jobs = |action: &Action| match action {
        Action::Send { jobs, .. } => Some(jobs.iter().map(|range| range.count()).sum()),
        _ => None,
    };
    actions.iter().filter_map(jobs).collect()
}

/// Returns the earliest requested tick.
fn wake(actions: &[Action]) -> Option<MonotonicInstant> {
    let at = |action: &Action| if let Action::WakeAt(at) = action { Some(*at) } else { None };
    actions.iter().filter_map(at).min()
}

#[test]
fn a_held_pool_assigns_no_job_and_starts_no_worker() {
    let mut sched = Sched::new(Settings { max_workers: 2, ..Settings::default() });
    assert!(sched.handle(at(0), Event::Held).is_empty());
    assert!(sched.handle(at(1), submitted(0, 5)).is_empty());
    assert!(sched.is_held() && !sched.has_capacity());
    let started = sched.handle(at(2), Event::Released);
    assert!(started.contains(&Action::Start(slot(0))), "{started:?}");

    let mut sched = idle(Settings { max_workers: 1, ..Settings::default() });
    assert_eq!(sent(&sched.handle(at(1), submitted(0, 2))), [1]);
    let _ = sched.handle(at(2), Event::Held);
    let delivered = sched.handle(at(3), returned(0, 0, 1));
    assert_eq!(delivered[0], Action::Deliver(vec![JobRange::single(JobId(0))]), "running jobs finish");
    assert!(sent(&delivered).is_empty());
    assert!(sent(&sched.handle(at(4), Event::Tick)).is_empty());
    assert_eq!(sent(&sched.handle(at(5), Event::Released)), [1]);
}

#[test]
fn jobs_that_are_not_started_are_taken_back() {
    let batch_size = BatchSize::Fixed(std::num::NonZeroU64::new(4).unwrap());
    let mut sched = idle(Settings { max_workers: 1, batch_size, ..Settings::default() });
    assert_eq!(sent(&sched.handle(at(1), submitted(0, 4))), [4]);
    let recall = Action::Recall { worker: slot(0), below: BatchId(1) };
    assert!(sched.handle(at(2), Event::Held).contains(&recall));
    assert!(!sched.handle(at(2), Event::Held).contains(&recall), "it is held already");
    let _ = sched.handle(at(3), Event::RecallReply { worker: slot(0), batch: BatchId(0), index: 0 });
    assert_eq!(sched.queued(), 3);
    let _ = sched.handle(at(4), returned(0, 0, 1));
    assert_eq!(sent(&sched.handle(at(5), Event::Released)), [3]);
}

#[test]
fn a_held_pool_can_be_stopped() {
    let mut sched = idle(Settings { max_workers: 1, ..Settings::default() });
    let _ = sched.handle(at(0), Event::Held);
    let _ = sched.handle(at(1), submitted(0, 3));
    let stopped = sched.handle(at(2), Event::Stopped { grace: DELAY, terminate: false });
    assert!(stopped.iter().any(|action| matches!(action, Action::Resolve { .. })), "{stopped:?}");
    assert_eq!(sched.pending(), 0);
}

#[test]
fn starts_are_spaced_also_if_all_workers_are_idle() {
    let batch_size = BatchSize::Fixed(std::num::NonZeroU64::new(4).unwrap());
    let mut sched = idle(Settings { max_workers: 3, start_delay: DELAY, batch_size, ..Settings::default() });
    let first = sched.handle(at(0), submitted(0, 8));
    assert_eq!((sent(&first), wake(&first)), (vec![1], Some(at(100))), "one job in a batch");
    // An outcome is no reason to start the next job earlier.
    let early = sched.handle(at(50), returned(2, 0, 1));
    assert_eq!((sent(&early), wake(&early)), (vec![], Some(at(100))));
    let tick = sched.handle(at(99), Event::Tick);
    assert_eq!((sent(&tick), wake(&tick)), (vec![], Some(at(100))));
    let second = sched.handle(at(100), Event::Tick);
    assert_eq!((sent(&second), wake(&second)), (vec![1], Some(at(200))));
    assert_eq!(sent(&sched.handle(at(450), Event::Tick)), [1], "a missed start is not caught up on");
    assert_eq!(sent(&sched.handle(at(549), Event::Tick)), [0; 0]);
}

#[test]
fn spaced_jobs_wait_for_an_idle_worker() {
    let mut sched = idle(Settings { max_workers: 1, start_delay: DELAY, ..Settings::default() });
    assert_eq!(sent(&sched.handle(at(0), submitted(0, 30))), [1]);
    assert_eq!(sent(&sched.handle(at(100), Event::Tick)), [0; 0], "the only worker is busy");
    assert_eq!(sent(&sched.handle(at(130), returned(0, 0, 1))), [1]);
}

#[test]
fn workers_for_spaced_jobs_are_started_one_at_a_time() {
    let mut sched = Sched::new(Settings { max_workers: 8, start_delay: DELAY, ..Settings::default() });
    let starts =
        |actions: &[Action]| actions.iter().filter(|action| matches!(action, Action::Start(_))).count();
    assert_eq!(starts(&sched.handle(at(0), submitted(0, 30))), 1);
    let ready = sched.handle(at(5), Event::Ready(slot(0)));
    assert_eq!((sent(&ready), starts(&ready)), (vec![1], 0));
    assert_eq!(starts(&sched.handle(at(105), Event::Tick)), 1);
}
