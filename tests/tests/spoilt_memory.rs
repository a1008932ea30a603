//! A worker that overwrites all memory that it shares with its parent affects only its own jobs in flight.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env, fs,
    sync::Arc,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    probe::{Barrier, Probe, finish, wait_until},
    rogue::{Misbehavior, RoguePlan, rogue_builder},
};
use parking_lot::Mutex;
use pool::{
    Executor,
    metrics::{Observer, PoolEvent, WorkerId},
    settings::JobOptions,
    stream::{Resolved, Sink},
};

const JOBS: u64 = 100;

/// Maximum duration of a run on a busy machine, including the time after which a worker counts as stalled.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Records the jobs that each worker was sent, and its process id.
#[derive(Default)]
struct SentJobs {
    jobs: Mutex<HashMap<WorkerId, BTreeSet<u64>>>,
    processes: Mutex<HashMap<WorkerId, u32>>,
}

impl Observer for SentJobs {
    fn on_event(&self, event: &PoolEvent) {
        match event {
            PoolEvent::WorkerReady { worker, pid, .. } => drop(self.processes.lock().insert(*worker, *pid)),
            PoolEvent::BatchSent { worker, jobs, .. } => {
                self.jobs.lock().entry(*worker).or_default().extend(jobs.iter().cloned().flatten());
            }
            _ => {}
        }
    }
}

impl SentJobs {
    /// Returns the jobs that this process was sent.
    fn to(&self, pid: u32) -> BTreeSet<u64> {
        let processes = self.processes.lock();
        let worker = processes.iter().find(|(_, process)| **process == pid).map(|(worker, _)| *worker);
        worker.and_then(|worker| self.jobs.lock().get(&worker).cloned()).unwrap_or_default()
    }
}

/// Number of resolutions of each job, and the jobs with wrong outcomes.
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

fn check_seed(seed: u64) {
    let (barrier, sent, outcomes) =
        (Barrier::new(), Arc::new(SentJobs::default()), Arc::new(Outcomes::default()));
    let once = barrier.file("once");
    let plan = RoguePlan {
        once: Some(once.clone()),
        good_batches: seed % 3,
        publishes_job: seed.is_multiple_of(2),
        seed,
        ..RoguePlan::new(Misbehavior::OverwritesMemory)
    };
    let pool = rogue_builder(2, &plan).observer(sent.clone()).build().unwrap();
    let start = Instant::now();
    let mut submitter = pool.submitter(outcomes.clone());
    (0..JOBS).for_each(|n| submitter.push(n, Probe::Double(n), JobOptions::default()));
    submitter.flush();
    wait_until("all jobs are resolved", || outcomes.0.lock().0.len() as u64 == JOBS);
    assert!(start.elapsed() < MAX_DELAY, "seed {seed} took {:?}", start.elapsed());
    assert_eq!(pool.broken(), None, "seed {seed}");
    drop(submitter);
    finish(&pool);
    let (counts, wrong) = &*outcomes.0.lock();
    assert!(counts.values().all(|&count| count == 1), "seed {seed}: {counts:?}");
    let in_flight_there = sent.to(fs::read_to_string(&once).unwrap().parse().unwrap());
    let of_others: Vec<_> = wrong.difference(&in_flight_there).collect();
    assert!(of_others.is_empty(), "seed {seed}: jobs of other workers are wrong: {of_others:?}");
}

/// Runs `SPOILT_RUNS` seeds (default 40), starting with `SPOILT_SEED` (default 0).
#[test]
fn other_workers_jobs_and_the_parent_are_not_affected() {
    let number = |name: &str| env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
    let first = number("SPOILT_SEED").unwrap_or(0);
    for seed in first..first + number("SPOILT_RUNS").unwrap_or(40) {
        let _case = Case::begin();
        check_seed(seed);
    }
}
