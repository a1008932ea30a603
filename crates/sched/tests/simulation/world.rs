//! A model of the pool and its workers, which carries out the scheduler's actions and checks each of them.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use job::{BatchId, JobId, MonotonicInstant, WorkerId};
use sched::{Action, BatchSize, Event, OnWorkerDeath, Sched, Settings, Verdict};

mod steps;

/// A small random number generator (xorshift64*), so that a seed means the same history everywhere.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

#[derive(Default)]
struct FakeWorker {
    ready: bool,
    retired: bool,
    killed: bool,
    halted: bool,
    /// It returns the jobs of batches with smaller numbers without starting them.
    recalled: Option<BatchId>,
    /// Its current job never ends.
    hangs: bool,
    /// Its process is stopped.
    stopped: bool,
    /// When it started the first of its batches.
    since: Option<MonotonicInstant>,
    /// Number of jobs whose outcomes it has returned.
    served: u64,
    /// Number, jobs without an outcome, and number of jobs with one.
    batches: Vec<(BatchId, Vec<JobId>, u64)>,
    /// Number of outcomes of the first batch that were collected since it last sent some.
    collected: u64,
}

pub(crate) struct World {
    rng: Rng,
    now: MonotonicInstant,
    sched: Sched,
    settings: Settings,
    /// Largest number of workers that was set.
    most_workers: u32,
    workers: HashMap<WorkerId, FakeWorker>,
    /// Resolution of each submitted job: `None` while unresolved, `Some(None)` for an outcome.
    jobs: Vec<Option<Option<Verdict>>>,
    expected: Vec<JobId>,
    closed: bool,
    /// Jobs that were killed.
    killed: HashSet<JobId>,
    has_priorities: bool,
    /// Priority of each submitted job.
    priorities: Vec<i32>,
    /// Jobs that may wait for a retry, so that jobs of lower priority overtake them.
    charged: HashSet<JobId>,
    /// The last job that was sent for the first time, by priority.
    last_sent: HashMap<i32, JobId>,
    sent: HashSet<JobId>,
    /// Workers that were recalled by the last event.
    recalls: Vec<WorkerId>,
    /// When the next tick is due. Like in the pool's clock, only the earliest requested time is stored.
    wake_at: Option<MonotonicInstant>,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let settings = Settings {
            stall_timeout: Duration::from_millis(5 + rng.below(30)),
            start_timeout: Duration::from_millis(1 + rng.below(30)),
            exit_timeout: Duration::from_millis(1 + rng.below(30)),
            max_workers: 1 + rng.below(5) as u32,
            retries: rng.below(3) as u32,
            timeout_retries: rng.below(2) as u32,
            limit: (rng.below(2) == 0).then_some(Duration::from_millis(5)),
            grace_period: Duration::from_millis(rng.below(4)),
            start_delay: if rng.one_in(6) { Duration::from_micros(rng.below(900)) } else { Duration::ZERO },
            idle_timeout: rng.one_in(3).then(|| Duration::from_millis(rng.below(8))),
            max_jobs_per_worker: std::num::NonZeroU64::new(rng.below(4) * 3),
            on_worker_death: if rng.one_in(8) { OnWorkerDeath::Break } else { OnWorkerDeath::Replace },
            batch_size: std::num::NonZeroU64::new(rng.below(6)).map_or(BatchSize::Auto, BatchSize::Fixed),
            max_rss: rng.one_in(4).then_some(1_000),
            recycle_rss: rng.one_in(4).then_some(500),
            is_sandboxed: seed.is_multiple_of(5),
            spare_above: (!seed.is_multiple_of(3)).then(|| Duration::from_millis(seed % 5)),
        };
        World {
            rng,
            now: MonotonicInstant(1),
            sched: Sched::new(settings.clone()),
            most_workers: settings.max_workers,
            settings,
            workers: HashMap::new(),
            jobs: Vec::new(),
            expected: Vec::new(),
            closed: false,
            killed: HashSet::new(),
            has_priorities: seed.is_multiple_of(2),
            priorities: Vec::new(),
            charged: HashSet::new(),
            last_sent: HashMap::new(),
            sent: HashSet::new(),
            recalls: Vec::new(),
            wake_at: None,
        }
    }

    /// Sends an event to the scheduler, carries out its actions and checks the invariants.
    fn handle(&mut self, event: Event) {
        for action in self.sched.handle(self.now, event) {
            self.act(action);
        }
        self.sched.check_invariants();
        let unresolved = self.jobs.iter().filter(|job| job.is_none()).count() as u64;
        assert_eq!(self.sched.pending(), unresolved, "a job is lost or counted twice");
        assert!(!self.sched.is_finished() || unresolved == 0, "finished with unresolved jobs");
        while let Some(id) = self.recalls.pop() {
            self.take_back(id);
        }
    }

    /// Reports the last started job of a recalled worker, as the pool does if the worker is running a job.
    fn take_back(&mut self, id: WorkerId) {
        let runs_a_job = !self.rng.one_in(3);
        // In between any of its jobs may be killed.
        if self.rng.one_in(8)
            && let Some(job) =
                self.workers.get(&id).and_then(|worker| worker.batches.last()?.1.last().copied())
        {
            self.killed.insert(job);
            self.handle(Event::Killed(job));
        }
        let Some(worker) = self.workers.get_mut(&id).filter(|_| runs_a_job) else { return };
        if worker.killed {
            return;
        }
        let recalled = worker.recalled.unwrap();
        let hangs = worker.hangs;
        let Some((batch, jobs, returned)) = worker.batches.first_mut() else { return };
        if jobs.is_empty() || *batch >= recalled {
            return;
        }
        let started = if hangs { 0 } else { self.rng.below(jobs.len() as u64) };
        let event = Event::RecallReply { worker: id, batch: *batch, index: *returned + started };
        jobs.truncate(started as usize + 1);
        worker
            .batches
            .iter_mut()
            .skip(1)
            .filter(|(batch, ..)| *batch < recalled)
            .for_each(|batch| batch.1.clear());
        self.handle(event);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start(id) => {
                assert!(self.workers.insert(id, FakeWorker::default()).is_none());
                let spare = usize::from(self.settings.spare_above.is_some());
                assert!(self.workers.len() <= self.settings.max_workers as usize + spare, "too many workers");
            }
            Action::Send { worker, batch, jobs, .. } => {
                assert!(!self.sched.is_held(), "a job was assigned in a pool that is held");
                let jobs: Vec<JobId> = jobs.iter().flat_map(|range| range.iter()).collect();
                for other in self.workers.values().flat_map(|w| &w.batches) {
                    assert!(
                        other.1.iter().all(|job| !jobs.contains(job)),
                        "a job runs twice at the same time"
                    );
                }
                assert!(
                    jobs.iter().all(|job| self.jobs[job.0 as usize].is_none()),
                    "a resolved job was sent"
                );
                assert!(jobs.iter().all(|job| !self.killed.contains(job)), "a killed job was sent");
                self.check_order(&jobs);
                let worker = self.workers.get_mut(&worker).unwrap();
                assert!(worker.ready && !worker.retired && !worker.killed);
                worker.since.get_or_insert(self.now);
                worker.batches.push((batch, jobs, 0));
                self.check_busy_workers();
            }
            Action::Deliver(ranges) => {
                let jobs: Vec<JobId> = ranges.iter().flat_map(|range| range.iter()).collect();
                assert_eq!(jobs, std::mem::take(&mut self.expected));
                jobs.into_iter().for_each(|job| self.resolve(job, None));
            }
            Action::Resolve { jobs, verdict } => {
                jobs.iter().for_each(|job| self.resolve(job, Some(verdict.clone())));
            }
            Action::Halt(id) => self.workers.get_mut(&id).unwrap().halted = true,
            Action::Recall { worker, below } => {
                self.workers.get_mut(&worker).unwrap().recalled = Some(below);
                self.recalls.push(worker);
            }
            Action::Retire(id) => self.workers.get_mut(&id).unwrap().retired = true,
            Action::Terminate(id) | Action::Kill(id) => self.workers.get_mut(&id).unwrap().killed = true,
            Action::WakeAt(at) => self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at))),
        }
    }

    /// Checks that no job of a batch was sent before one of higher priority, or before one of equal priority
    /// that was submitted earlier.
    fn check_order(&mut self, jobs: &[JobId]) {
        let priority_of = |job: JobId| self.priorities[job.0 as usize];
        assert!(jobs.is_sorted_by_key(|&job| -priority_of(job)), "a batch in the wrong order");
        let lowest = jobs.iter().map(|&job| priority_of(job)).min().unwrap();
        let is_assigned = |job: JobId| {
            let batches = self.workers.values().flat_map(|worker| &worker.batches);
            jobs.contains(&job) || batches.into_iter().any(|batch| batch.1.contains(&job))
        };
        let mut all = (0..self.jobs.len() as u64).map(JobId);
        let waits = |job: &JobId| {
            priority_of(*job) > lowest
                && self.jobs[job.0 as usize].is_none()
                && !self.charged.contains(job)
                && !is_assigned(*job)
        };
        assert_eq!(all.find(waits), None, "overtaken by a job of lower priority");
        for &job in jobs {
            if self.sent.insert(job) {
                let last = self.last_sent.insert(self.priorities[job.0 as usize], job);
                assert!(last < Some(job), "overtaken by a later job of the same priority");
            }
        }
    }

    /// Checks that no more workers have jobs than there ever were to be at a time.
    fn check_busy_workers(&self) {
        let has_jobs = |worker: &&FakeWorker| worker.batches.iter().any(|batch| !batch.1.is_empty());
        let busy = self.workers.values().filter(has_jobs).count();
        assert!(busy <= self.most_workers as usize, "{busy} workers have jobs");
    }

    fn resolve(&mut self, job: JobId, verdict: Option<Verdict>) {
        let slot = &mut self.jobs[job.0 as usize];
        assert!(slot.is_none(), "{job} resolved twice");
        *slot = Some(verdict);
    }

    fn any_worker(&mut self, wanted: impl Fn(&FakeWorker) -> bool) -> Option<WorkerId> {
        let mut ids: Vec<WorkerId> =
            self.workers.iter().filter(|(_, w)| wanted(w)).map(|(&id, _)| id).collect();
        ids.sort();
        (!ids.is_empty()).then(|| ids[self.rng.below(ids.len() as u64) as usize])
    }
}
