//! When workers are replaced, and the spare worker that takes the place of one that leaves.

#![allow(clippy::unwrap_used)]

use std::{num::NonZeroU64, time::Duration};

use job::{BatchId, Death, DeathCause, JobRange, MonotonicInstant, WorkerId};
use sched::{Action, BatchSize, Event, RSS_CHECK_INTERVAL, Sched, Settings};

const DEATH: Death = Death { pid: 1, cause: DeathCause::Signalled(9) };
const SLOW: Duration = Duration::from_millis(100);

fn at(millis: u64) -> MonotonicInstant {
    MonotonicInstant(1 + millis * 1_000_000)
}

fn worker(slot: u32, generation: u32) -> WorkerId {
    WorkerId { slot, generation }
}

fn submitted(start: u64, end: u64) -> Event {
    let jobs = JobRange::new(start, end).unwrap();
    Event::Submitted { jobs, bytes: 1, limits: Vec::new(), priorities: Vec::new(), is_atomic: false }
}

fn started(actions: &[Action]) -> Vec<WorkerId> {
    let start = |action: &Action| if let Action::Start(id) = action { Some(*id) } else { None };
    actions.iter().filter_map(start).collect()
}

fn sent(actions: &[Action]) -> Vec<(WorkerId, BatchId)> {
    let sent = |action: &Action| match action {
        Action::Send { worker, batch, .. } => Some((*worker, *batch)),
        _ => None,
    };
    actions.iter().filter_map(sent).collect()
}

fn returned(worker: WorkerId, batch: BatchId) -> Event {
    Event::Returned { worker, batch, outcomes: 1, last: true, busy: Duration::from_millis(10) }
}

fn died(worker: WorkerId, batch: Option<BatchId>) -> Event {
    let running = batch.map(|batch| (batch, 0));
    Event::Died { worker, running, recovered: None, death: DEATH, out_of_memory: false }
}

fn settings(workers: u32) -> Settings {
    Settings {
        max_workers: workers,
        batch_size: BatchSize::Fixed(NonZeroU64::MIN),
        spare_above: Some(SLOW / 2),
        ..Settings::default()
    }
}

/// Returns a scheduler whose three workers, which took this long to start, run a job each, and the batches.
/// There are 97 more jobs.
fn with_busy_workers(settings: Settings, start: Duration) -> (Sched, Vec<(WorkerId, BatchId)>) {
    let mut sched = Sched::new(settings);
    let workers = started(&sched.handle(at(0), submitted(0, 100)));
    assert_eq!(workers.len(), 3);
    let now = at(0) + start;
    let ready = workers.iter().map(|&id| (id, sched.handle(now, Event::Ready(id))));
    let all: Vec<(WorkerId, Vec<Action>)> = ready.collect();
    assert!(all.iter().all(|(_, actions)| started(actions).is_empty()), "a spare worker for no reason");
    let batches = all.iter().flat_map(|(_, actions)| sent(actions)).collect::<Vec<_>>();
    assert_eq!(batches.len(), 3);
    (sched, batches)
}

#[test]
fn spare_worker_replaces_one_that_reached_its_quota_at_once() {
    let settings = Settings { max_jobs_per_worker: NonZeroU64::new(1), ..settings(3) };
    let mut sched = Sched::new(settings);
    let workers = started(&sched.handle(at(0), submitted(0, 100)));
    let all: Vec<Action> =
        workers.iter().flat_map(|&id| sched.handle(at(0) + SLOW, Event::Ready(id))).collect();
    let spare = worker(3, 0);
    assert_eq!(started(&all), [spare]);
    assert!(sent(&sched.handle(at(200), Event::Ready(spare))).is_empty(), "it waits for a place");
    let (first, batch) = sent(&all)[0];
    let actions = sched.handle(at(300), returned(first, batch));
    assert!(actions.contains(&Action::Retire(first)), "{actions:?}");
    assert_eq!(sent(&actions).iter().map(|sent| sent.0).collect::<Vec<_>>(), [spare]);
    assert!(started(&actions).is_empty(), "there are four processes until the retired one exits");
    assert_eq!(started(&sched.handle(at(301), died(first, None))), [worker(0, 1)], "the next spare worker");
}

#[test]
fn spare_worker_takes_the_place_of_one_that_crashed_when_its_exit_is_known() {
    let (mut sched, batches) = with_busy_workers(settings(3), SLOW);
    let (first, batch) = batches[0];
    // The first replacement is not prepared for: until now no worker has been lost.
    let actions = sched.handle(at(200), died(first, Some(batch)));
    assert_eq!(started(&actions), [worker(0, 1)]);
    let actions = sched.handle(at(300), Event::Ready(worker(0, 1)));
    let spare = worker(3, 0);
    assert_eq!(started(&actions), [spare]);
    assert!(sent(&sched.handle(at(400), Event::Ready(spare))).is_empty());
    let (second, batch) = batches[1];
    let actions = sched.handle(at(500), died(second, Some(batch)));
    assert_eq!(sent(&actions).iter().map(|sent| sent.0).collect::<Vec<_>>(), [spare]);
    assert_eq!(started(&actions), [worker(1, 1)], "the next spare worker");
}

#[test]
fn spare_worker_that_is_starting_takes_a_place_too() {
    let (mut sched, batches) = with_busy_workers(settings(3), SLOW);
    let _ = sched.handle(at(200), died(batches[0].0, Some(batches[0].1)));
    let actions = sched.handle(at(300), Event::Ready(worker(0, 1)));
    assert_eq!(started(&actions), [worker(3, 0)]);
    let actions = sched.handle(at(310), died(batches[1].0, Some(batches[1].1)));
    assert!(started(&actions).is_empty(), "{actions:?}");
    let actions = sched.handle(at(400), Event::Ready(worker(3, 0)));
    assert_eq!(sent(&actions).len(), 1);
}

#[test]
fn without_slow_starts_there_is_no_spare_worker() {
    for (start, spare_above) in [(SLOW / 4, Some(SLOW / 2)), (SLOW, None)] {
        let settings = Settings { max_jobs_per_worker: NonZeroU64::new(50), spare_above, ..settings(3) };
        let (mut sched, batches) = with_busy_workers(settings, start);
        let actions = sched.handle(at(200), returned(batches[0].0, batches[0].1));
        assert!(started(&actions).is_empty());
    }
}

#[test]
fn closed_pool_retires_its_spare_worker() {
    let settings = Settings { max_jobs_per_worker: NonZeroU64::new(1), ..settings(3) };
    let mut sched = Sched::new(settings);
    let workers = started(&sched.handle(at(0), submitted(0, 3)));
    let mut all = Vec::new();
    workers.iter().for_each(|&id| all.extend(sched.handle(at(0) + SLOW, Event::Ready(id))));
    let spare = worker(3, 0);
    assert_eq!(started(&all), [spare]);
    let _ = sched.handle(at(200), Event::Ready(spare));
    let mut last = sched.handle(at(300), Event::Closed);
    sent(&all).into_iter().for_each(|(id, batch)| last.extend(sched.handle(at(300), returned(id, batch))));
    assert!(last.contains(&Action::Retire(spare)), "{last:?}");
    workers.into_iter().chain([spare]).for_each(|id| drop(sched.handle(at(400), died(id, None))));
    assert!(sched.is_finished());
}

#[test]
fn idle_worker_over_its_size_is_replaced_before_its_next_job() {
    let settings = Settings { recycle_rss: Some(1000), ..Settings::default() };
    let mut sched = Sched::new(settings);
    let id = started(&sched.handle(at(0), submitted(0, 1)))[0];
    let (_, batch) = sent(&sched.handle(at(1), Event::Ready(id)))[0];
    // Measured while the job ran, and reported after it.
    let idle_since = at(40);
    let actions = sched.handle(idle_since, returned(id, batch));
    let check = idle_since + RSS_CHECK_INTERVAL;
    assert!(actions.contains(&Action::WakeAt(check)), "{actions:?}");
    let reported = idle_since + Duration::from_millis(1);
    assert!(sched.handle(reported, Event::Rss { worker: id, bytes: 999 }).is_empty());
    let actions = sched.handle(check, Event::Tick);
    let again = reported + RSS_CHECK_INTERVAL;
    assert!(actions.contains(&Action::WakeAt(again)), "{actions:?}");
    let actions = sched.handle(again, Event::Rss { worker: id, bytes: 1001 });
    assert!(actions.contains(&Action::Retire(id)), "{actions:?}");
}

#[test]
fn idle_worker_of_small_size_is_not_measured_again() {
    let settings = Settings { recycle_rss: Some(1000), ..Settings::default() };
    let mut sched = Sched::new(settings);
    let id = started(&sched.handle(at(0), submitted(0, 1)))[0];
    let (_, batch) = sent(&sched.handle(at(1), Event::Ready(id)))[0];
    let _ = sched.handle(at(40), returned(id, batch));
    assert!(sched.handle(at(90), Event::Rss { worker: id, bytes: 999 }).is_empty());
    assert!(sched.handle(at(90), Event::Tick).is_empty(), "nothing is due");
}
