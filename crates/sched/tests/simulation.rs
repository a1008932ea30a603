//! The scheduler driven through random histories by a world that keeps its own books.
//!
//! `SCHED_SEED=17 cargo test -p sched --test simulation` replays one history; `SCHED_SEEDS=1000000` tries as many.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use job::{BatchId, Death, DeathCause, JobId, JobRange, MonotonicInstant, WorkerId};
use sched::{Action, BatchSize, Event, OnWorkerDeath, Sched, Settings, StartFailure, Verdict};

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
    doomed: bool,
    halted: bool,
    /// It gives back what it has not begun with of batches below this.
    recalled: Option<BatchId>,
    /// Its job never ends by itself.
    hangs: bool,
    /// Somebody has stopped it.
    stands: bool,
    /// When it began with the first of its batches.
    since: Option<MonotonicInstant>,
    /// Number, jobs without an outcome, and how many have had one.
    batches: Vec<(BatchId, Vec<JobId>, u64)>,
}

struct World {
    rng: Rng,
    now: MonotonicInstant,
    sched: Sched,
    settings: Settings,
    workers: HashMap<WorkerId, FakeWorker>,
    /// For each job submitted: how it was resolved.
    jobs: Vec<Option<Option<Verdict>>>,
    expected: Vec<JobId>,
    closed: bool,
    /// Jobs that are to end, whatever it takes.
    killed: HashSet<JobId>,
    /// Workers that were recalled by the last event.
    recalls: Vec<WorkerId>,
    /// When the scheduler wants to be told the time: like the pool's clock, only the earliest wish is kept.
    wake_at: Option<MonotonicInstant>,
}

impl World {
    fn new(seed: u64) -> World {
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
            idle_timeout: rng.one_in(3).then(|| Duration::from_millis(rng.below(8))),
            max_jobs_per_worker: std::num::NonZeroU64::new(rng.below(4) * 3),
            on_worker_death: if rng.one_in(8) { OnWorkerDeath::Break } else { OnWorkerDeath::Heal },
            batch_size: std::num::NonZeroU64::new(rng.below(6)).map_or(BatchSize::Auto, BatchSize::Fixed),
            max_rss: rng.one_in(4).then_some(1_000),
            recycle_rss: rng.one_in(4).then_some(500),
        };
        World {
            rng,
            now: MonotonicInstant(1),
            sched: Sched::new(settings.clone()),
            settings,
            workers: HashMap::new(),
            jobs: Vec::new(),
            expected: Vec::new(),
            closed: false,
            killed: HashSet::new(),
            recalls: Vec::new(),
            wake_at: None,
        }
    }

    fn tell(&mut self, event: Event) {
        for action in self.sched.handle(self.now, event) {
            self.act(action);
        }
        self.sched.check_invariants();
        let unresolved = self.jobs.iter().filter(|job| job.is_none()).count() as u64;
        assert_eq!(self.sched.pending(), unresolved, "a job is lost or counted twice");
        assert!(!self.sched.is_finished() || unresolved == 0, "finished with jobs unresolved");
        while let Some(id) = self.recalls.pop() {
            self.take_back(id);
        }
    }

    /// The pool looks at what a recalled worker has begun with, if it is in a job.
    fn take_back(&mut self, id: WorkerId) {
        let in_a_job = !self.rng.one_in(3);
        // Meanwhile any of its jobs may have been killed.
        if self.rng.one_in(8)
            && let Some(job) =
                self.workers.get(&id).and_then(|worker| worker.batches.last()?.1.last().copied())
        {
            self.killed.insert(job);
            self.tell(Event::Killed(job));
        }
        let Some(worker) = self.workers.get_mut(&id).filter(|_| in_a_job) else { return };
        if worker.doomed {
            return;
        }
        let recalled = worker.recalled.unwrap();
        let hangs = worker.hangs;
        let Some((batch, jobs, returned)) = worker.batches.first_mut() else { return };
        if jobs.is_empty() || *batch >= recalled {
            return;
        }
        let begun = if hangs { 0 } else { self.rng.below(jobs.len() as u64) };
        let event = Event::TakenBack { worker: id, batch: *batch, index: *returned + begun };
        jobs.truncate(begun as usize + 1);
        worker
            .batches
            .iter_mut()
            .skip(1)
            .filter(|(batch, ..)| *batch < recalled)
            .for_each(|batch| batch.1.clear());
        self.tell(event);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start(id) => {
                assert!(self.workers.insert(id, FakeWorker::default()).is_none());
                assert!(self.workers.len() <= self.settings.max_workers as usize, "too many workers");
            }
            Action::Send { worker, batch, jobs, .. } => {
                let jobs: Vec<JobId> = jobs.iter().flat_map(|range| range.iter()).collect();
                for other in self.workers.values().flat_map(|w| &w.batches) {
                    assert!(other.1.iter().all(|job| !jobs.contains(job)), "a job runs twice at a time");
                }
                assert!(jobs.iter().all(|job| self.jobs[job.0 as usize].is_none()), "a resolved job is sent");
                assert!(jobs.iter().all(|job| !self.killed.contains(job)), "a killed job is sent");
                let worker = self.workers.get_mut(&worker).unwrap();
                assert!(worker.ready && !worker.retired && !worker.doomed);
                worker.since.get_or_insert(self.now);
                worker.batches.push((batch, jobs, 0));
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
            Action::Terminate(id) | Action::Kill(id) => self.workers.get_mut(&id).unwrap().doomed = true,
            Action::WakeAt(at) => self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at))),
        }
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

    fn submit(&mut self) {
        let start = self.jobs.len() as u64;
        let count = 1 + self.rng.below(12);
        let jobs = JobRange::new(start, start + count).unwrap();
        self.jobs.extend((0..count).map(|_| None));
        let own_limit = (JobId(start), Duration::from_millis(2));
        let limits = if self.rng.one_in(4) { vec![own_limit] } else { Vec::new() };
        let bytes = count * (1 + self.rng.below(40_000));
        let together = self.rng.one_in(5);
        self.tell(Event::Submitted { jobs, bytes, limits, together });
    }

    fn start_outcome(&mut self) {
        let Some(id) = self.any_worker(|w| !w.ready) else { return };
        if self.rng.one_in(6) || self.workers[&id].doomed {
            self.workers.remove(&id);
            let failure = if self.rng.one_in(2) { StartFailure::Own } else { StartFailure::Killed };
            self.tell(Event::StartFailed { worker: id, failure });
        } else {
            self.workers.get_mut(&id).unwrap().ready = true;
            self.tell(Event::Ready(id));
        }
    }

    fn return_batch(&mut self) {
        let Some(id) = self.any_worker(|w| !w.batches.is_empty() && !w.hangs && !w.stands) else { return };
        let worker = self.workers.get_mut(&id).unwrap();
        if self.rng.one_in(4) && worker.batches[0].1.len() > 1 {
            return self.return_part(id);
        }
        let (batch, jobs, _) = worker.batches.remove(0);
        worker.since = (!worker.batches.is_empty()).then_some(self.now);
        let stops = worker.halted || Some(batch) < worker.recalled;
        let done = if stops { self.rng.below(jobs.len() as u64 + 1) as usize } else { jobs.len() };
        self.expected = jobs[..done].to_vec();
        let busy = Duration::from_nanos(self.rng.below(2_000_000));
        self.tell(Event::Returned { worker: id, batch, outcomes: done as u64, last: true, busy });
        assert!(self.expected.is_empty(), "outcomes were not delivered");
        if self.rng.one_in(8) {
            self.tell(Event::Returned {
                worker: WorkerId { slot: 0, generation: 9999 },
                batch,
                outcomes: 1,
                last: true,
                busy,
            });
        }
    }

    /// A worker sends the outcomes of some of a batch's jobs and goes on with the others.
    fn return_part(&mut self, id: WorkerId) {
        let worker = self.workers.get_mut(&id).unwrap();
        let (batch, jobs, returned) = &mut worker.batches[0];
        let done = 1 + self.rng.below(jobs.len() as u64 - 1);
        self.expected = jobs.drain(..done as usize).collect();
        *returned += done;
        let (batch, busy) = (*batch, Duration::from_nanos(self.rng.below(2_000_000)));
        self.tell(Event::Returned { worker: id, batch, outcomes: done, last: false, busy });
        assert!(self.expected.is_empty(), "outcomes were not delivered");
    }

    fn kill(&mut self) {
        let Some(id) = self.any_worker(|w| w.ready && !w.hangs) else { return };
        self.die(id);
    }

    fn die(&mut self, id: WorkerId) {
        let worker = self.workers.remove(&id).unwrap();
        let first = worker.batches.first().filter(|batch| !batch.1.is_empty() && self.rng.one_in(2));
        let in_batch = first.map(|batch| (batch.clone(), self.rng.below(batch.1.len() as u64)));
        let running = in_batch.as_ref().map(|((batch, _, returned), index)| (*batch, returned + index));
        // All before the running job are finished, and sometimes it is itself.
        let kept = in_batch.filter(|_| self.rng.one_in(2)).and_then(|((batch, jobs, _), index)| {
            let finished = index + self.rng.below(2);
            self.expected = jobs[..finished as usize].to_vec();
            (finished > 0).then_some((batch, finished))
        });
        let death = Death { pid: 1, cause: DeathCause::Signalled(9) };
        let memory = self.rng.one_in(10);
        for _ in 0..2 {
            self.tell(Event::Died { worker: id, running, kept, death, memory });
            assert!(self.expected.is_empty(), "what was kept is delivered");
        }
    }

    /// Time passes, and the clock ticks if it was asked to.
    fn tick(&mut self) {
        self.now = self.now + Duration::from_micros(self.rng.below(4000));
        if self.wake_at.is_some_and(|at| at <= self.now) {
            self.wake();
        }
    }

    fn wake(&mut self) {
        self.wake_at = None;
        let watched: Vec<WorkerId> = self.sched.watched().collect();
        for id in watched {
            let stands = self.workers[&id].stands;
            self.tell(Event::Stalled { worker: id, stands });
            let bound = if self.rng.one_in(4) { 1_200 } else { 500 };
            let bytes = self.rng.below(bound);
            self.tell(Event::Resident { worker: id, bytes });
            let worker = &self.workers[&id];
            let running = worker.batches.first().filter(|batch| !batch.1.is_empty());
            if let (Some((batch, jobs, returned)), Some(since)) = (running, worker.since) {
                // One that hangs is in its first job; of the others nobody knows.
                let index = returned + if worker.hangs { 0 } else { self.rng.below(jobs.len() as u64) };
                self.tell(Event::Seen { worker: id, batch: *batch, index, since });
            }
        }
        self.tell(Event::Tick);
    }

    /// Nothing happens any more by itself: only time can help.
    fn wait_for_time(&mut self) {
        if let Some(at) = self.wake_at {
            self.now = self.now.max(at);
            self.wake();
        }
    }

    fn cancel(&mut self) {
        let end = self.jobs.len() as u64;
        if let Some(jobs) = JobRange::new(end.saturating_sub(1 + self.rng.below(20)), end) {
            self.tell(Event::Cancelled(jobs));
        }
    }

    fn step(&mut self) {
        match self.rng.below(40) {
            0..8 if !self.closed => self.submit(),
            8..14 => self.start_outcome(),
            14..26 => self.return_batch(),
            26..28 => self.kill(),
            28..32 => self.tick(),
            32 if self.rng.one_in(2) => self.cancel(),
            32 if !self.jobs.is_empty() => {
                let job = JobId(self.rng.below(self.jobs.len() as u64));
                self.killed.insert(job);
                self.tell(Event::Killed(job));
            }
            33 if self.rng.one_in(40) => self.stop(),
            33 if self.rng.one_in(4) => {
                if let Some(id) = self.any_worker(|w| w.ready) {
                    let worker = self.workers.get_mut(&id).unwrap();
                    worker.stands = !worker.stands;
                }
            }
            33 if self.settings.limit.is_some() => {
                if let Some(id) = self.any_worker(|w| w.ready) {
                    self.workers.get_mut(&id).unwrap().hangs = true;
                }
            }
            33 if self.rng.one_in(9) => self.tell(Event::Prestart),
            33 if self.rng.one_in(9) => {
                self.tell(Event::Paused);
                self.now = self.now + Duration::from_millis(self.rng.below(40));
                self.tell(Event::Resumed);
            }
            33 if self.rng.one_in(9) => {
                let since = self.now;
                self.now = self.now + Duration::from_millis(self.rng.below(40));
                self.tell(Event::TimeSkipped { since });
            }
            33 if self.rng.one_in(3) => {
                self.settings.max_workers = 1 + self.rng.below(6) as u32;
                self.tell(Event::Resized(self.settings.max_workers));
            }
            34..39 => {
                // What was told to go goes.
                if let Some(id) = self.any_worker(|w| w.doomed && w.ready || w.retired) {
                    self.die(id);
                }
            }
            _ => {}
        }
    }

    fn stop(&mut self) {
        self.closed = true;
        let grace = Duration::from_millis(self.rng.below(3));
        let terminate = self.rng.one_in(2);
        self.tell(Event::Stopped { grace, terminate });
    }

    fn finish(&mut self) {
        self.closed = true;
        self.tell(Event::Closed);
        for round in 0..5_000 {
            if self.workers.is_empty() && self.sched.pending() == 0 {
                break;
            }
            self.start_outcome();
            self.return_batch();
            if let Some(id) = self.any_worker(|w| w.doomed && w.ready || w.retired && !w.hangs) {
                self.die(id);
            }
            if round % 10 == 9 {
                self.wait_for_time();
            }
        }
        assert!(self.workers.is_empty(), "workers stay");
        assert!(self.jobs.iter().all(Option::is_some), "jobs stay");
        assert!(self.sched.is_finished());
        for verdict in self.jobs.iter().flatten().flatten() {
            match verdict {
                Verdict::Crashed { attempts, .. } => assert!(*attempts > self.settings.retries),
                Verdict::TimedOut { attempts, .. } => assert!(*attempts > self.settings.timeout_retries),
                Verdict::Cancelled | Verdict::Memory { .. } => {}
                Verdict::Abandoned => assert!(self.sched.is_broken()),
            }
        }
    }
}

#[test]
fn every_job_of_any_history_is_resolved_exactly_once() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SCHED_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SCHED_SEEDS").unwrap_or(10_000),
    };
    for seed in seeds {
        let history = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..400 {
                world.step();
            }
            world.finish();
        });
        if let Err(panic) = history {
            eprintln!("replay: SCHED_SEED={seed} cargo test -p sched --test simulation");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn a_lone_job_starts_one_worker_and_a_second_reuses_it() {
    let mut sched = Sched::new(Settings { max_workers: 4, ..Settings::default() });
    let (now, worker) = (MonotonicInstant(0), WorkerId { slot: 0, generation: 0 });
    let submit = |n| Event::Submitted {
        jobs: JobRange::one(JobId(n)),
        bytes: 10,
        limits: Vec::new(),
        together: false,
    };
    assert_eq!(sched.handle(now, submit(0))[0], Action::Start(worker));
    let sends = |actions: Vec<Action>| {
        actions.iter().any(|a| matches!(a, Action::Send { worker: w, .. } if *w == worker))
    };
    assert!(sends(sched.handle(now, Event::Ready(worker))));
    let back = Event::Returned {
        worker,
        batch: BatchId(0),
        outcomes: 1,
        last: true,
        busy: Duration::from_micros(1),
    };
    assert_eq!(sched.handle(now, back), [Action::Deliver(vec![JobRange::one(JobId(0))])]);
    assert!(sends(sched.handle(now, submit(1))));
}
