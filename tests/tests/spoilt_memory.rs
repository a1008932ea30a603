//! A worker that overwrites all memory that it shares with its parent spoils its own jobs in flight, and nothing else.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env, fs,
    sync::Arc,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    probe::{Probe, Stage, finish, until},
    rogue::{Plan, Wrong, rogues},
};
use parking_lot::Mutex;
use pool::{Executor, JobOptions, Observer, PoolEvent, Resolved, Sink, WorkerId};

const JOBS: u64 = 100;

/// Longer than any verdict may take on a busy machine, with the time after which a worker counts as stalled.
const BOUND: Duration = Duration::from_secs(30);

/// Which jobs each worker has been sent, and which process it is.
#[derive(Default)]
struct Sent {
    jobs: Mutex<HashMap<WorkerId, BTreeSet<u64>>>,
    processes: Mutex<HashMap<WorkerId, u32>>,
}

impl Observer for Sent {
    fn note(&self, event: &PoolEvent) {
        match event {
            PoolEvent::WorkerReady { worker, pid, .. } => drop(self.processes.lock().insert(*worker, *pid)),
            PoolEvent::BatchSent { worker, jobs, .. } => {
                self.jobs.lock().entry(*worker).or_default().extend(jobs.iter().cloned().flatten());
            }
            _ => {}
        }
    }
}

impl Sent {
    /// The jobs that this process was sent.
    fn to(&self, pid: u32) -> BTreeSet<u64> {
        let processes = self.processes.lock();
        let worker = processes.iter().find(|(_, process)| **process == pid).map(|(worker, _)| *worker);
        worker.and_then(|worker| self.jobs.lock().get(&worker).cloned()).unwrap_or_default()
    }
}

/// How often each job was resolved, and which were resolved wrongly.
#[derive(Default)]
struct Outcomes(Mutex<(BTreeMap<u64, u32>, BTreeSet<u64>)>);

impl Sink<Probe> for Outcomes {
    fn resolve(&self, resolved: Vec<Resolved<Probe>>) {
        let (counts, wrong) = &mut *self.0.lock();
        for Resolved { tag, outcome } in resolved {
            *counts.entry(tag).or_default() += 1;
            if !matches!(outcome, Ok(output) if output == 2 * tag) {
                wrong.insert(tag);
            }
        }
    }
}

fn one_run(seed: u64) {
    let (stage, sent, outcomes) = (Stage::new(), Arc::new(Sent::default()), Arc::new(Outcomes::default()));
    let once = stage.file("once");
    let plan = Plan {
        once: Some(once.clone()),
        good_batches: seed % 3,
        publishes: seed.is_multiple_of(2),
        seed,
        ..Plan::new(Wrong::SpoilsMemory)
    };
    let pool = rogues(2, &plan).observer(sent.clone()).build().unwrap();
    let start = Instant::now();
    let mut submitter = pool.submitter(outcomes.clone());
    (0..JOBS).for_each(|n| submitter.push(n, Probe::Double(n), JobOptions::default()));
    submitter.flush();
    until("all jobs are resolved", || outcomes.0.lock().0.len() as u64 == JOBS);
    assert!(start.elapsed() < BOUND, "seed {seed} took {:?}", start.elapsed());
    assert_eq!(pool.broken(), None, "seed {seed}");
    drop(submitter);
    finish(&pool);
    let (counts, wrong) = &*outcomes.0.lock();
    assert!(counts.values().all(|&count| count == 1), "seed {seed}: {counts:?}");
    let in_flight_there = sent.to(fs::read_to_string(&once).unwrap().parse().unwrap());
    let of_others: Vec<_> = wrong.difference(&in_flight_there).collect();
    assert!(of_others.is_empty(), "seed {seed}: jobs of other workers are wrong: {of_others:?}");
}

/// 40 runs, or as many as `SPOILT_RUNS` says, from the seed `SPOILT_SEED` on.
#[test]
fn other_workers_jobs_and_the_parent_are_untouched() {
    let number = |name: &str| env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
    let first = number("SPOILT_SEED").unwrap_or(0);
    for seed in first..first + number("SPOILT_RUNS").unwrap_or(40) {
        let _case = Case::begin();
        one_run(seed);
    }
}
