//! Limits of single jobs: retries and resident size.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use job::{BatchId, Death, DeathCause, JobId, JobRange, MonotonicInstant, WorkerId};
use sched::{Action, Event, JobLimits, RSS_CHECK_INTERVAL, Sched, Settings, Verdict};

const DEATH: Death = Death { pid: 1, cause: DeathCause::Signalled(11) };
const NOW: MonotonicInstant = MonotonicInstant(1);

/// Submits one job with these limits to a pool with one idle worker.
fn submit(settings: Settings, limits: JobLimits) -> (Sched, WorkerId, BatchId, Vec<Action>) {
    let mut sched = Sched::new(settings);
    let worker = WorkerId { slot: 0, generation: 0 };
    assert!(sched.handle(NOW, Event::Prestart).contains(&Action::Start(worker)));
    let _ = sched.handle(NOW, Event::Ready(worker));
    let (jobs, limits) = (JobRange::single(JobId(0)), vec![(JobId(0), limits)]);
    let actions = sched
        .handle(NOW, Event::Submitted { jobs, bytes: 10, limits, priorities: Vec::new(), is_atomic: false });
    let batch = actions.iter().find_map(|action| match action {
        Action::Send { batch, .. } => Some(*batch),
        _ => None,
    });
    (sched, worker, batch.unwrap(), actions)
}

fn died(worker: WorkerId, batch: BatchId) -> Event {
    Event::Died { worker, running: Some((batch, 0)), recovered: None, death: DEATH, out_of_memory: false }
}

fn verdict(actions: Vec<Action>) -> Option<Verdict> {
    actions.into_iter().find_map(|action| match action {
        Action::Resolve { verdict, .. } => Some(verdict),
        _ => None,
    })
}

#[test]
fn retries_of_a_job_override_those_of_the_pool() {
    let settings = Settings { retries: 5, ..Settings::default() };
    let (mut sched, worker, batch, _) =
        submit(settings, JobLimits { retries: Some(0), ..Default::default() });
    let resolved = verdict(sched.handle(NOW, died(worker, batch)));
    assert!(matches!(resolved, Some(Verdict::Crashed { attempts: 1, .. })), "{resolved:?}");
    assert_eq!((sched.retried(), sched.pending()), (0, 0));

    let settings = Settings { retries: 0, ..Settings::default() };
    let (mut sched, worker, batch, _) =
        submit(settings, JobLimits { retries: Some(1), ..Default::default() });
    assert_eq!(verdict(sched.handle(NOW, died(worker, batch))), None);
    assert_eq!((sched.retried(), sched.queued(), sched.queued_bytes()), (1, 1, 10));
}

#[test]
fn worker_is_killed_if_it_exceeds_the_limit_of_the_job_that_it_runs() {
    let (mut sched, worker, batch, actions) =
        submit(Settings::default(), JobLimits { max_rss: Some(1000), ..Default::default() });
    assert!(sched.limits_rss());
    assert!(actions.contains(&Action::WakeAt(NOW + RSS_CHECK_INTERVAL)), "{actions:?}");
    assert!(actions.iter().any(|action| matches!(action, Action::Send { timed: true, .. })), "{actions:?}");
    let kill = Action::Kill(worker);
    assert!(!sched.handle(NOW, Event::Rss { worker, bytes: 1001 }).contains(&kill), "no job was seen");
    let running = Event::Running { worker, batch, index: 0, since: NOW };
    let _ = sched.handle(NOW, running.clone());
    assert!(!sched.handle(NOW, Event::Rss { worker, bytes: 1000 }).contains(&kill));
    let _ = sched.handle(NOW, running);
    assert!(sched.handle(NOW, Event::Rss { worker, bytes: 1001 }).contains(&kill));
    let resolved = verdict(sched.handle(NOW, died(worker, batch)));
    assert!(matches!(resolved, Some(Verdict::Memory { attempts: 1, .. })), "{resolved:?}");
    assert!(!sched.limits_rss(), "the limit ends with its job");
}

#[test]
fn limit_of_a_job_overrides_that_of_the_pool() {
    let settings = Settings { max_rss: Some(100), ..Settings::default() };
    let (mut sched, worker, batch, _) =
        submit(settings, JobLimits { max_rss: Some(1000), ..Default::default() });
    let _ = sched.handle(NOW, Event::Running { worker, batch, index: 0, since: NOW });
    assert!(!sched.handle(NOW, Event::Rss { worker, bytes: 500 }).contains(&Action::Kill(worker)));
    let busy = Duration::from_millis(1);
    let _ = sched.handle(NOW, Event::Returned { worker, batch, outcomes: 1, last: true, busy });
    assert!(sched.handle(NOW, Event::Rss { worker, bytes: 500 }).contains(&Action::Kill(worker)));
}

#[test]
fn job_that_a_sandbox_kills_for_is_denied_and_not_retried() {
    let sigsys = Death { pid: 1, cause: DeathCause::Signalled(31) };
    let verdict_of = |is_sandboxed: bool, death: Death| {
        let settings = Settings { retries: 3, is_sandboxed, ..Settings::default() };
        let (mut sched, worker, batch, _) = submit(settings, JobLimits::default());
        let running = Some((batch, 0));
        let died = Event::Died { worker, running, recovered: None, death, out_of_memory: false };
        verdict(sched.handle(NOW, died))
    };
    let denied = verdict_of(true, sigsys);
    assert!(matches!(denied, Some(Verdict::Denied { attempts: 1, .. })), "{denied:?}");
    assert_eq!(verdict_of(false, sigsys), None, "without a sandbox it is a crash, and retried");
    assert_eq!(verdict_of(true, DEATH), None, "another signal is a crash");
}
