//! Events that an observer receives.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use end_to_end::{
    Case, KILL_WORKER,
    probe::{Probe, TIMEOUT, builder, finish},
};
use parking_lot::Mutex;
use pool::{
    Executor, ProcessPool,
    metrics::{BatchId, MonotonicInstant, Observer, PoolEvent, WorkerId},
};

/// Records all events.
#[derive(Default)]
struct EventLog(Mutex<Vec<PoolEvent>>);

impl Observer for EventLog {
    fn on_event(&self, event: &PoolEvent) {
        self.0.lock().push(event.clone());
    }
}

fn observed(workers: usize) -> (ProcessPool<Probe>, Arc<EventLog>) {
    let log = Arc::new(EventLog::default());
    (builder(workers).retries(0).observer(log.clone()).build().unwrap(), log)
}

/// State of a worker according to the events.
#[derive(Default)]
struct WorkerState {
    starting: Option<MonotonicInstant>,
    ready: Option<MonotonicInstant>,
    /// Number of unresolved jobs of each batch that it has.
    open: BTreeMap<BatchId, u64>,
    free: Option<MonotonicInstant>,
    gone: bool,
}

/// Checks that the events of a pool are consistent, and returns the number of outcomes.
fn outcomes(events: &[PoolEvent]) -> u64 {
    let mut workers: BTreeMap<WorkerId, WorkerState> = BTreeMap::new();
    let mut all = 0;
    for event in events {
        match event {
            PoolEvent::WorkerStarting { worker, at } => {
                assert!(workers.entry(*worker).or_default().starting.replace(*at).is_none());
            }
            PoolEvent::WorkerReady { worker, at, .. } => {
                let state = workers.get_mut(worker).unwrap();
                assert!(state.starting < Some(*at) && state.ready.replace(*at).is_none());
            }
            PoolEvent::BatchSent { worker, batch, jobs, at, bytes, .. } => {
                let state = workers.get_mut(worker).unwrap();
                assert!(state.ready < Some(*at) && !state.gone && *bytes > 0);
                state.open.insert(*batch, jobs.iter().cloned().flatten().count() as u64);
            }
            PoolEvent::OutcomesReceived {
                worker,
                batch,
                outcomes,
                last,
                started: began,
                busy,
                durations,
                bytes,
                at,
            } => {
                let state = workers.get_mut(worker).unwrap();
                let open = state.open.get_mut(batch).unwrap();
                *open -= outcomes;
                if *last {
                    state.open.remove(batch);
                }
                let end = *began + *busy;
                assert!(state.free <= Some(*began) && end <= *at && *bytes > 0);
                state.free = Some(end);
                let durations = durations.as_deref().unwrap_or_default();
                assert_eq!(durations.len() as u64, *outcomes);
                assert!(
                    durations.iter().map(|&nanos| Duration::from_nanos(nanos.into())).sum::<Duration>()
                        <= *busy
                );
                all += outcomes;
            }
            PoolEvent::WorkerExited { worker, expected: left, .. } => {
                let state = workers.get_mut(worker).unwrap();
                assert!(!left || state.open.is_empty());
                state.gone = true;
            }
            _ => {}
        }
    }
    assert!(workers.values().all(|state| state.gone), "a worker has no exit event");
    all
}

#[test]
fn recalled_batch_is_reported() {
    let _case = Case::begin();
    let (pool, log) = observed(2);
    assert_eq!(pool.map((0..50_000).map(Probe::Double)).filter_map(Result::ok).count(), 50_000);
    let sleepers = (0..40).map(|_| Probe::Shell("sleep 0.02".to_owned()));
    assert_eq!(pool.map(sleepers).filter_map(Result::ok).count(), 40);
    finish(&pool);
    let events = log.0.lock();
    assert_eq!(outcomes(&events), 50_040);
    assert!(events.iter().any(|event| matches!(event, PoolEvent::BatchesRecalled { .. })));
}

#[test]
fn death_is_reported_with_the_running_job() {
    let _case = Case::begin();
    let (pool, log) = observed(1);
    let jobs =
        vec![Probe::Double(1), Probe::Double(2), Probe::Shell(KILL_WORKER.to_owned()), Probe::Double(4)];
    let batch = pool.submit_many(jobs, pool::settings::JobOptions::default()).unwrap();
    let good = batch.into_iter().filter(|job| job.result().is_ok()).count();
    assert_eq!(good, 3);
    finish(&pool);

    let events = log.0.lock();
    let death = events.iter().find_map(|event| match event {
        PoolEvent::WorkerExited { expected: false, running, recovered: kept, cause, .. } => {
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
    assert!(cause.ends_with("was killed by signal 9 (SIGKILL)"), "{cause}");
    assert_eq!(outcomes(&events) + 2, 3, "two outcomes were recovered");
}

/// Holds the thread that starts a worker until there is a message.
struct HoldStart {
    starting: Mutex<mpsc::Sender<()>>,
    release: Mutex<mpsc::Receiver<()>>,
}

impl Observer for HoldStart {
    fn on_event(&self, event: &PoolEvent) {
        if let PoolEvent::WorkerStarting { .. } = event {
            self.starting.lock().send(()).unwrap();
            self.release.lock().recv_timeout(TIMEOUT).unwrap();
        }
    }
}

#[test]
fn a_pool_that_is_about_to_start_its_first_thread_has_not_ended() {
    let _case = Case::begin();
    let ((starting, started), (release, released)) = (mpsc::channel(), mpsc::channel());
    let observer = HoldStart { starting: Mutex::new(starting), release: Mutex::new(released) };
    let executor = builder::<Probe>(1).observer(Arc::new(observer)).build().unwrap();
    let job = thread::scope(|scope| {
        let producer = scope.spawn(|| executor.submit(Probe::Double(1)).unwrap());
        started.recv_timeout(TIMEOUT).unwrap();
        let has_ended = executor.shutdown_timeout(Duration::from_millis(1));
        release.send(()).unwrap();
        assert!(!has_ended, "its job is not resolved");
        producer.join().unwrap()
    });
    finish(&executor);
    assert!(job.is_done());
    assert_eq!(job.result().unwrap(), 2);
}
