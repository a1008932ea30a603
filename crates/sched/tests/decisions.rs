//! Regression tests of single decisions.

#![allow(clippy::unwrap_used)]

#[path = "decisions/recalls.rs"]
mod recalls;

use std::time::Duration;

use job::{BatchId, Death, DeathCause, JobId, JobRange, MonotonicInstant, WorkerId};
use sched::{Action, BatchSize, Event, JobLimits, OnWorkerDeath, Sched, Settings, Verdict};

const DEATH: Death = Death { pid: 1, cause: DeathCause::Signalled(9) };

fn submitted(start: u64, end: u64, time_limits: Vec<(JobId, Duration)>) -> Event {
    let limited = |(job, limit)| (job, JobLimits { time_limit: Some(limit), ..JobLimits::default() });
    let limits = time_limits.into_iter().map(limited).collect();
    Event::Submitted {
        jobs: JobRange::new(start, end).unwrap(),
        bytes: 10 * (end - start),
        limits,
        priorities: Vec::new(),
        is_atomic: false,
    }
}

fn started(actions: &[Action]) -> Vec<WorkerId> {
    let start = |action: &Action| if let Action::Start(id) = action { Some(*id) } else { None };
    actions.iter().filter_map(start).collect()
}

fn at(millis: u64) -> MonotonicInstant {
    MonotonicInstant(1 + millis * 1_000_000)
}

/// Returns a scheduler with this number of idle workers.
fn with_idle(workers: u32, settings: &Settings) -> (Sched, Vec<WorkerId>) {
    let mut sched = Sched::new(Settings { max_workers: workers, ..settings.clone() });
    let ids = started(&sched.handle(at(0), submitted(0, u64::from(workers), vec![])));
    for &id in &ids {
        let mut actions = sched.handle(at(0), Event::Ready(id));
        while let Some(action) = actions.pop() {
            if let Action::Send { worker, batch, jobs, .. } = action {
                let (outcomes, busy) = (jobs.iter().map(|jobs| jobs.count()).sum(), Duration::from_secs(1));
                actions.extend(
                    sched.handle(at(0), Event::Returned { worker, batch, outcomes, last: true, busy }),
                );
            }
        }
    }
    assert_eq!((ids.len(), sched.pending()), (workers as usize, 0));
    (sched, ids)
}

#[test]
fn losing_all_idle_workers_at_once_does_not_break_the_pool() {
    let (mut sched, ids) = with_idle(64, &Settings::default());
    for worker in ids {
        assert!(
            started(&sched.handle(
                at(1),
                Event::Died { worker, running: None, recovered: None, death: DEATH, out_of_memory: false }
            ))
            .is_empty()
        );
    }
    assert!(!sched.is_broken());
    assert_eq!(started(&sched.handle(at(2), submitted(64, 65, vec![]))).len(), 1);
}

#[test]
fn broken_pool_can_be_stopped() {
    let (mut sched, ids) = with_idle(1, &Settings::default());
    let actions = sched.handle(at(1), submitted(1, 2, vec![]));
    assert!(actions.iter().any(|action| matches!(action, Action::Send { .. })));
    let _ = sched.handle(at(2), Event::ResourceLost);
    assert!(sched.is_broken());
    assert!(
        sched
            .handle(at(3), Event::Stopped { grace: Duration::ZERO, terminate: false })
            .contains(&Action::Kill(ids[0]))
    );
}

#[test]
fn short_limit_after_a_long_one_is_enforced() {
    let settings = Settings {
        batch_size: BatchSize::Fixed(std::num::NonZeroU64::new(2).unwrap()),
        ..Settings::default()
    };
    let (mut sched, ids) = with_idle(1, &settings);
    let worker = ids[0];
    let limits = vec![(JobId(1), Duration::from_secs(100)), (JobId(2), Duration::from_millis(500))];
    let actions = sched.handle(at(0), submitted(1, 3, limits));
    let Action::Send { batch, .. } = actions.iter().find(|a| matches!(a, Action::Send { .. })).unwrap()
    else {
        unreachable!()
    };
    let wake = |actions: &[Action]| {
        let at = |action: &Action| if let Action::WakeAt(at) = action { Some(*at) } else { None };
        actions.iter().filter_map(at).min()
    };
    assert_eq!(wake(&actions), Some(at(500)));
    let _ = sched.handle(at(500), Event::Running { worker, batch: *batch, index: 0, since: at(0) });
    assert_eq!(wake(&sched.handle(at(500), Event::Tick)), Some(at(1000)), "the second job may start now");
    let _ = sched.handle(at(1600), Event::Running { worker, batch: *batch, index: 1, since: at(1000) });
    assert!(sched.handle(at(1600), Event::Tick).contains(&Action::Terminate(worker)));
}

#[test]
fn no_jobs_are_sent_during_a_pause() {
    let (mut sched, _) = with_idle(1, &Settings::default());
    let sends = |actions: Vec<Action>| actions.iter().any(|action| matches!(action, Action::Send { .. }));
    let _ = sched.handle(at(0), Event::Paused);
    assert!(!sends(sched.handle(at(1), submitted(1, 2, vec![]))) && !sched.has_capacity());
    assert!(sends(sched.handle(at(2), Event::Resumed)));
}

#[test]
fn pauses_extend_limits() {
    let settings = Settings { limit: Some(Duration::from_millis(100)), ..Settings::default() };
    let (mut sched, ids) = with_idle(1, &settings);
    let worker = ids[0];
    let actions = sched.handle(at(0), submitted(1, 2, vec![]));
    let batch =
        actions.iter().find_map(|a| if let Action::Send { batch, .. } = a { Some(*batch) } else { None });
    let seen = || Event::Running { worker, batch: batch.unwrap(), index: 0, since: at(0) };
    let _ = sched.handle(at(50), Event::Paused);
    let _ = sched.handle(at(1050), Event::Resumed);
    for (millis, due) in [(1090, false), (1110, true)] {
        let _ = sched.handle(at(millis), seen());
        assert_eq!(sched.handle(at(millis), Event::Tick).contains(&Action::Terminate(worker)), due);
    }
}

#[test]
fn skipped_time_extends_all_limits() {
    let second = Duration::from_secs(1);
    let skip = |sched: &mut Sched, from: u64, to: u64| {
        let actions = sched.handle(at(to), Event::TimeSkipped { since: at(from) });
        assert!(!actions.iter().any(|a| matches!(a, Action::Kill(_) | Action::Terminate(_))), "{actions:?}");
    };
    let ends = |sched: &mut Sched, millis: u64| {
        let actions = sched.handle(at(millis), Event::Tick);
        actions.iter().any(|a| matches!(a, Action::Kill(_) | Action::Terminate(_)))
    };

    // A job with a limit of one second, half of which had passed.
    let settings = Settings { limit: Some(second), grace_period: second, ..Settings::default() };
    let (mut sched, ids) = with_idle(1, &settings);
    let worker = ids[0];
    let _ = sched.handle(at(0), submitted(1, 2, vec![]));
    let seen = Event::Running { worker, batch: BatchId(1), index: 0, since: at(0) };
    let _ = sched.handle(at(60_400), seen.clone());
    skip(&mut sched, 500, 60_500);
    let _ = sched.handle(at(60_900), seen.clone());
    assert!(!ends(&mut sched, 60_900));
    let _ = sched.handle(at(61_000), seen);
    assert!(ends(&mut sched, 61_000), "its limit is over");
    // The grace period of that job.
    skip(&mut sched, 61_500, 90_500);
    assert!(!ends(&mut sched, 90_900) && ends(&mut sched, 91_000));

    // A worker that is starting.
    let mut sched = Sched::new(Settings { start_timeout: second, ..Settings::default() });
    let _ = sched.handle(at(0), submitted(0, 1, vec![]));
    skip(&mut sched, 500, 60_500);
    assert!(!ends(&mut sched, 60_900) && ends(&mut sched, 61_000));

    // A worker that is exiting.
    let (mut sched, _) = with_idle(1, &Settings { exit_timeout: second, ..Settings::default() });
    let _ = sched.handle(at(0), Event::Closed);
    skip(&mut sched, 500, 60_500);
    assert!(!ends(&mut sched, 60_900) && ends(&mut sched, 61_000));

    // A pool that is being stopped.
    let (mut sched, _) = with_idle(1, &Settings::default());
    let _ = sched.handle(at(0), submitted(1, 2, vec![]));
    let _ = sched.handle(at(0), Event::Stopped { grace: second, terminate: false });
    skip(&mut sched, 500, 60_500);
    assert!(!ends(&mut sched, 60_900) && ends(&mut sched, 61_000));
}

#[test]
fn skipped_time_during_a_pause_is_not_counted_twice() {
    let settings = Settings { limit: Some(Duration::from_secs(1)), ..Settings::default() };
    let (mut sched, ids) = with_idle(1, &settings);
    let _ = sched.handle(at(0), submitted(1, 2, vec![]));
    let _ = sched.handle(at(500), Event::Paused);
    let _ = sched.handle(at(60_500), Event::TimeSkipped { since: at(600) });
    assert!(sched.is_paused());
    let _ = sched.handle(at(60_500), Event::Resumed);
    for (millis, due) in [(60_900, false), (61_000, true)] {
        let seen = Event::Running { worker: ids[0], batch: BatchId(1), index: 0, since: at(0) };
        let _ = sched.handle(at(millis), seen);
        assert_eq!(sched.handle(at(millis), Event::Tick).contains(&Action::Terminate(ids[0])), due);
    }
}

#[test]
fn stopped_worker_is_killed_after_the_stall_timeout() {
    let (mut sched, ids) = with_idle(1, &Settings::default());
    let worker = ids[0];
    let _ = sched.handle(at(0), submitted(1, 2, vec![]));
    for (second, killed) in [(1, false), (5, false), (10, false), (11, true)] {
        let _ = sched.handle(at(second * 1000), Event::Stalled { worker, is_stalled: true });
        let actions = sched.handle(at(second * 1000), Event::Tick);
        assert_eq!(actions.contains(&Action::Kill(worker)), killed, "after {second} s");
    }
}

#[test]
fn worker_that_makes_progress_is_not_killed() {
    let (mut sched, ids) = with_idle(1, &Settings::default());
    let worker = ids[0];
    let _ = sched.handle(at(0), submitted(1, 2, vec![]));
    for second in 1..40 {
        let stands = second % 9 > 0;
        let _ = sched.handle(at(second * 1000), Event::Stalled { worker, is_stalled: stands });
        assert!(!sched.handle(at(second * 1000), Event::Tick).contains(&Action::Kill(worker)));
    }
}

#[test]
fn two_jobs_of_one_worker_can_be_killed() {
    let settings = Settings {
        batch_size: BatchSize::Fixed(std::num::NonZeroU64::new(3).unwrap()),
        ..Settings::default()
    };
    let (mut sched, ids) = with_idle(1, &settings);
    let worker = ids[0];
    let _ = sched.handle(at(0), submitted(1, 4, vec![]));
    assert_eq!(sched.handle(at(1), Event::Killed(JobId(1))), [Action::Kill(worker)]);
    let _ = sched.handle(at(1), Event::Killed(JobId(3)));
    let death = Event::Died { worker, running: None, recovered: None, death: DEATH, out_of_memory: false };
    let actions = sched.handle(at(2), death);
    let cancelled = |job| Action::Resolve { jobs: JobRange::single(JobId(job)), verdict: Verdict::Cancelled };
    assert!(actions.contains(&cancelled(1)) && actions.contains(&cancelled(3)), "{actions:?}");
    assert_eq!(sched.pending(), 1, "the second job is still pending");
}

#[test]
fn observation_is_used_for_one_tick_only() {
    let settings = Settings { limit: Some(Duration::from_millis(100)), ..Settings::default() };
    let (mut sched, ids) = with_idle(1, &settings);
    let worker = ids[0];
    let _ = sched.handle(at(0), submitted(1, 2, vec![]));
    let _ = sched.handle(at(50), Event::Running { worker, batch: BatchId(1), index: 0, since: at(0) });
    let _ = sched.handle(at(50), Event::Tick);
    // The worker no longer publishes a job: its outcome is on the way.
    assert!(!sched.handle(at(150), Event::Tick).contains(&Action::Terminate(worker)));
}

#[test]
fn protocol_error_breaks_a_pool_with_on_worker_death_break() {
    let settings = Settings { on_worker_death: OnWorkerDeath::Break, ..Settings::default() };
    let (mut sched, ids) = with_idle(1, &settings);
    let worker = ids[0];
    let _ = sched.handle(at(1), submitted(1, 2, vec![]));
    let foreign = Event::Returned {
        worker,
        batch: BatchId(u64::MAX),
        outcomes: 1,
        last: true,
        busy: Duration::from_secs(1),
    };
    assert_eq!(sched.handle(at(2), foreign), [Action::Kill(worker)]);
    let actions = sched.handle(
        at(3),
        Event::Died { worker, running: None, recovered: None, death: DEATH, out_of_memory: false },
    );
    assert!(sched.is_broken() && started(&actions).is_empty());
}

/// Returns the event for the last outcomes of a batch.
fn returned(worker: WorkerId, batch: BatchId, outcomes: u64, busy: Duration) -> Event {
    Event::Returned { worker, batch, outcomes, last: true, busy }
}

fn sends(actions: &[Action]) -> Vec<(WorkerId, BatchId, u64)> {
    let sent = |action: &Action| match action {
        Action::Send { worker, batch, jobs, .. } => {
            Some((*worker, *batch, jobs.iter().map(|jobs| jobs.count()).sum()))
        }
        _ => None,
    };
    actions.iter().filter_map(sent).collect()
}

#[test]
fn worker_over_max_rss_is_killed_and_its_job_not_retried() {
    let settings = Settings { max_rss: Some(1000), ..Settings::default() };
    let (mut sched, ids) = with_idle(1, &settings);
    let worker = ids[0];
    let sent = sched.handle(at(1), submitted(1, 3, vec![]));
    let batch = sent.iter().find_map(|action| match action {
        Action::Send { batch, .. } => Some(*batch),
        _ => None,
    });
    assert!(sched.handle(at(2), Event::Rss { worker, bytes: 1000 }).is_empty());
    assert!(sched.handle(at(3), Event::Rss { worker, bytes: 1001 }).contains(&Action::Kill(worker)));
    let running = batch.map(|batch| (batch, 0));
    let died = Event::Died { worker, running, recovered: None, death: DEATH, out_of_memory: false };
    let resolved = sched.handle(at(4), died).into_iter().find_map(|action| match action {
        Action::Resolve { jobs, verdict } => Some((jobs, verdict)),
        _ => None,
    });
    let Some((jobs, Verdict::Memory { attempts: 1, .. })) = resolved else { panic!("{resolved:?}") };
    assert_eq!((jobs, sched.pending()), (JobRange::single(JobId(1)), 1), "the other job is still pending");
}

#[test]
fn worker_over_recycle_rss_is_recalled_and_replaced() {
    let settings = Settings {
        recycle_rss: Some(1000),
        batch_size: BatchSize::Fixed(4.try_into().unwrap()),
        ..Settings::default()
    };
    let (mut sched, ids) = with_idle(1, &settings);
    let worker = ids[0];
    let sent = sched.handle(at(1), submitted(1, 5, vec![]));
    let Some(Action::Send { batch, .. }) = sent.iter().find(|action| matches!(action, Action::Send { .. }))
    else {
        panic!("{sent:?}")
    };
    let actions = sched.handle(at(2), Event::Rss { worker, bytes: 1001 });
    assert!(actions.iter().any(|action| matches!(action, Action::Recall { .. })), "{actions:?}");
    assert!(sched.handle(at(3), Event::Rss { worker, bytes: 1001 }).is_empty(), "recalled twice");
    let busy = Duration::from_millis(1);
    let returned = Event::Returned { worker, batch: *batch, outcomes: 1, last: true, busy };
    let actions = sched.handle(at(4), returned);
    assert!(actions.contains(&Action::Retire(worker)), "{actions:?}");
    assert_eq!(sched.pending(), 3);
}

#[test]
fn jobs_of_starting_workers_are_cancelled_unless_a_death_breaks_the_pool() {
    for (on_worker_death, left) in [(OnWorkerDeath::Replace, 0), (OnWorkerDeath::Break, 2)] {
        let mut sched = Sched::new(Settings { max_workers: 2, on_worker_death, ..Settings::default() });
        assert_eq!(started(&sched.handle(at(0), submitted(0, 50, vec![]))).len(), 2);
        let actions = sched.handle(at(1), Event::WaitingCancelled);
        let jobs = JobRange::new(left, 50).unwrap();
        assert_eq!(actions, [Action::Resolve { jobs, verdict: Verdict::Cancelled }]);
        assert_eq!(sched.pending(), left);
    }
}
