//! What an observer is told.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use end_to_end::{
    Case, KILL_WORKER,
    probe::{Probe, builder, finish},
};
use parking_lot::Mutex;
use pool::{BatchId, Executor, MonotonicInstant, Observer, PoolEvent, ProcessPool, WorkerId};

/// Keeps everything.
#[derive(Default)]
struct Diary(Mutex<Vec<PoolEvent>>);

impl Observer for Diary {
    fn note(&self, event: &PoolEvent) {
        self.0.lock().push(event.clone());
    }
}

fn observed(workers: usize) -> (ProcessPool<Probe>, Arc<Diary>) {
    let diary = Arc::new(Diary::default());
    (builder(workers).retries(0).observer(diary.clone()).build().unwrap(), diary)
}

/// What is known of a worker.
#[derive(Default)]
struct Known {
    starting: Option<MonotonicInstant>,
    ready: Option<MonotonicInstant>,
    /// Jobs of the batches that it has.
    open: BTreeMap<BatchId, u64>,
    free: Option<MonotonicInstant>,
    gone: bool,
}

/// Reads a diary of a pool in which no batch was sent too late, and finds it consistent: how many outcomes there were.
fn outcomes(events: &[PoolEvent]) -> u64 {
    let mut workers: BTreeMap<WorkerId, Known> = BTreeMap::new();
    let mut all = 0;
    for event in events {
        match event {
            PoolEvent::WorkerStarting { worker, at } => {
                assert!(workers.entry(*worker).or_default().starting.replace(*at).is_none());
            }
            PoolEvent::WorkerReady { worker, at, .. } => {
                let known = workers.get_mut(worker).unwrap();
                assert!(known.starting < Some(*at) && known.ready.replace(*at).is_none());
            }
            PoolEvent::BatchSent { worker, batch, jobs, at, bytes } => {
                let known = workers.get_mut(worker).unwrap();
                assert!(known.ready < Some(*at) && !known.gone && *bytes > 0);
                known.open.insert(*batch, jobs.iter().cloned().flatten().count() as u64);
            }
            PoolEvent::OutcomesReceived {
                worker,
                batch,
                outcomes,
                last,
                began,
                busy,
                durations,
                bytes,
                at,
            } => {
                let known = workers.get_mut(worker).unwrap();
                let open = known.open.get_mut(batch).unwrap();
                *open -= outcomes;
                if *last {
                    known.open.remove(batch);
                }
                let end = *began + *busy;
                assert!(known.free <= Some(*began) && end <= *at && *bytes > 0);
                known.free = Some(end);
                let durations = durations.as_deref().unwrap_or_default();
                assert_eq!(durations.len() as u64, *outcomes);
                assert!(
                    durations.iter().map(|&nanos| Duration::from_nanos(nanos.into())).sum::<Duration>()
                        <= *busy
                );
                all += outcomes;
            }
            PoolEvent::WorkerExited { worker, left, .. } => {
                let known = workers.get_mut(worker).unwrap();
                assert!(!left || known.open.is_empty());
                known.gone = true;
            }
            _ => {}
        }
    }
    assert!(workers.values().all(|known| known.gone), "each worker's end is told");
    all
}

#[test]
fn a_batch_that_is_called_back_is_told_of() {
    let _case = Case::begin();
    let (pool, diary) = observed(2);
    assert_eq!(pool.map((0..50_000).map(Probe::Double)).into_iter().flatten().count(), 50_000);
    let sleepers = (0..40).map(|_| Probe::Shell("sleep 0.02".to_owned()));
    assert_eq!(pool.map(sleepers).into_iter().flatten().count(), 40);
    finish(&pool);
    let events = diary.0.lock();
    assert_eq!(outcomes(&events), 50_040);
    assert!(events.iter().any(|event| matches!(event, PoolEvent::BatchesRecalled { .. })));
}

#[test]
fn a_death_is_told_with_the_job_that_the_worker_was_in() {
    let _case = Case::begin();
    let (pool, diary) = observed(1);
    let jobs =
        vec![Probe::Double(1), Probe::Double(2), Probe::Shell(KILL_WORKER.to_owned()), Probe::Double(4)];
    let batch = pool.submit_many(jobs, pool::JobOptions::default()).unwrap();
    let good = batch.into_iter().filter(|job| job.result(None).is_ok()).count();
    assert_eq!(good, 3);
    finish(&pool);

    let events = diary.0.lock();
    let death = events.iter().find_map(|event| match event {
        PoolEvent::WorkerExited { left: false, running, kept, cause, .. } => {
            Some((*running, *kept, cause.clone()))
        }
        _ => None,
    });
    let (running, kept, cause) = death.unwrap();
    let sent = events.iter().find_map(|event| match event {
        PoolEvent::BatchSent { batch, jobs, .. } => Some((*batch, jobs.clone())),
        _ => None,
    });
    assert_eq!(sent, Some((BatchId(0), vec![0..=3])));
    assert_eq!((running, kept), (Some((BatchId(0), 2)), Some((BatchId(0), 2))));
    assert!(cause.ends_with("was ended by signal 9"), "{cause}");
    assert_eq!(outcomes(&events) + 2, 3, "two were kept");
}
