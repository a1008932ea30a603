//! Which jobs are assigned and taken back when jobs have priorities.

#![allow(clippy::unwrap_used)]

use std::{num::NonZeroU64, time::Duration};

use job::{BatchId, Death, DeathCause, JobRange, MonotonicInstant, WorkerId};
use sched::{Action, BatchSize, Event, Sched, Settings};

const WORKER: WorkerId = WorkerId { slot: 0, generation: 0 };

fn at(millis: u64) -> MonotonicInstant {
    MonotonicInstant(1 + millis * 1_000_000)
}

fn submitted(start: u64, end: u64, priority: i32) -> Event {
    let jobs = JobRange::new(start, end).unwrap();
    let priorities = if priority == 0 { Vec::new() } else { vec![(jobs, priority)] };
    Event::Submitted { jobs, bytes: jobs.count(), limits: Vec::new(), priorities, is_atomic: false }
}

/// Returns the batches that were sent, each as its number and its ranges of jobs.
fn sent(actions: &[Action]) -> Vec<(BatchId, Vec<(u64, u64)>)> {
    let batch = |action: &Action| match action {
        Action::Send { batch, jobs, .. } => {
            Some((*batch, jobs.iter().map(|jobs| (jobs.first().0, jobs.end())).collect()))
        }
        _ => None,
    };
    actions.iter().filter_map(batch).collect()
}

fn returned(batch: BatchId, outcomes: u64, busy: Duration) -> Event {
    Event::Returned { worker: WORKER, batch, outcomes, last: true, busy }
}

fn recalls(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Recall { .. }))
}

/// Returns a scheduler with one worker, which is running job 0 in batch 0.
fn with_running_job(settings: Settings) -> Sched {
    let mut sched = Sched::new(settings);
    let _ = sched.handle(at(0), submitted(0, 1, 0));
    let actions = sched.handle(at(0), Event::Ready(WORKER));
    assert_eq!(sent(&actions), [(BatchId(0), vec![(0, 1)])]);
    sched
}

/// Number of the first job after those of [`with_batch_in_flight`].
const NEXT: u64 = 10_040;

/// Returns a scheduler with one worker that has run short jobs and now runs a batch of the last 40 jobs
/// before [`NEXT`], and the number of this batch.
fn with_batch_in_flight(settings: Settings) -> (Sched, BatchId) {
    let mut sched = with_running_job(settings);
    let _ = sched.handle(at(0), submitted(1, NEXT - 40, 0));
    let mut open = vec![(BatchId(0), 1)];
    while let Some((done, jobs)) = open.pop() {
        let actions = sched.handle(at(0), returned(done, jobs, Duration::from_nanos(100) * jobs as u32));
        let count = |jobs: &[(u64, u64)]| jobs.iter().map(|(start, end)| end - start).sum();
        open.extend(sent(&actions).iter().map(|(batch, jobs)| (*batch, count(jobs))));
    }
    assert_eq!(sched.pending(), 0);
    let sent = sent(&sched.handle(at(1), submitted(NEXT - 40, NEXT, 0)));
    let [(batch, _)] = sent[..] else { panic!("expected a single batch: {sent:?}") };
    assert_eq!(sched.queued(), 0);
    (sched, batch)
}

#[test]
fn retried_job_keeps_its_priority() {
    let mut sched = with_running_job(Settings::default());
    let _ = sched.handle(at(0), returned(BatchId(0), 1, Duration::from_secs(1)));
    let actions = sched.handle(at(0), submitted(1, 2, 9));
    let batch = sent(&actions)[0].0;
    let _ = sched.handle(at(0), submitted(2, 4, 5));
    let death = Death { pid: 1, cause: DeathCause::Signalled(9) };
    let running = Some((batch, 0));
    let died = Event::Died { worker: WORKER, running, recovered: None, death, out_of_memory: false };
    let actions = sched.handle(at(0), died);
    let worker = WorkerId { slot: 0, generation: 1 };
    assert!(actions.contains(&Action::Start(worker)), "{actions:?}");
    let _ = sched.handle(at(0), submitted(4, 5, 8));
    // The backoff is over before the worker is ready.
    let actions = sched.handle(at(11), Event::Ready(worker));
    assert_eq!(sent(&actions)[0].1, [(1, 2)]);
}

#[test]
fn assigned_batch_is_recalled_for_a_job_of_higher_priority() {
    let (mut sched, batch) = with_batch_in_flight(Settings::default());
    // Without free capacity, later jobs of the same priority wait.
    let _ = sched.handle(at(1), submitted(NEXT, NEXT + 1, 0));
    assert!(!recalls(&sched.handle(at(8), Event::Tick)));
    let actions = sched.handle(at(8), submitted(NEXT + 1, NEXT + 2, 1));
    assert!(recalls(&actions), "{actions:?}");
    assert!(!recalls(&sched.handle(at(9), Event::Tick)), "recalled twice");
    // The worker is running the third job of the batch.
    let actions = sched.handle(at(9), Event::RecallReply { worker: WORKER, batch, index: 2 });
    assert_eq!(sent(&actions)[0].1[0], (NEXT + 1, NEXT + 2), "the first job after the current one");
    let _ = sched.handle(at(10), returned(batch, 3, Duration::from_millis(9)));
    assert_eq!(sched.pending(), 39);
}

#[test]
fn batch_is_not_recalled_before_it_is_overdue() {
    let (mut sched, _) = with_batch_in_flight(Settings::default());
    let actions = sched.handle(at(2), submitted(NEXT, NEXT + 1, 1));
    assert!(!recalls(&actions) && actions.contains(&Action::WakeAt(at(5))), "{actions:?}");
    assert!(recalls(&sched.handle(at(5), Event::Tick)));
}

#[test]
fn urgent_batch_behind_another_one_is_taken_back_to_overtake_it() {
    let (mut sched, batch) = with_batch_in_flight(Settings::default());
    let actions = sched.handle(at(1), submitted(NEXT, NEXT + 4, 3));
    assert_eq!(sent(&actions), [(BatchId(batch.0 + 1), vec![(NEXT, NEXT + 4)])], "it fits into the window");
    assert!(recalls(&sched.handle(at(6), Event::Tick)));
    let sent = sent(&sched.handle(at(6), Event::RecallReply { worker: WORKER, batch, index: 0 }));
    assert_eq!(sent[0].1[0].0, NEXT, "{sent:?}");
    // Its jobs are followed by less urgent ones only, and there is nothing left to be recalled.
    assert!(!recalls(&sched.handle(at(20), Event::Tick)));
}

#[test]
fn running_job_and_batches_of_a_fixed_size_are_not_recalled() {
    let settings =
        Settings { batch_size: BatchSize::Fixed(NonZeroU64::new(40).unwrap()), ..Settings::default() };
    let (mut sched, _) = with_batch_in_flight(settings);
    let _ = sched.handle(at(1), submitted(NEXT, NEXT + 1, 1));
    assert!(!recalls(&sched.handle(at(9), Event::Tick)));
    let mut sched = with_running_job(Settings::default());
    let _ = sched.handle(at(1), submitted(1, 2, 1));
    assert!(!recalls(&sched.handle(at(9), Event::Tick)));
}

#[test]
fn lower_priorities_than_0_wait_for_all_others() {
    let mut sched = with_running_job(Settings::default());
    let _ = sched.handle(at(0), submitted(1, 2, -1));
    let _ = sched.handle(at(0), submitted(2, 3, 0));
    let actions = sched.handle(at(1), returned(BatchId(0), 1, Duration::from_secs(1)));
    assert_eq!(sent(&actions)[0].1, [(2, 3)]);
}
