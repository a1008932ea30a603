//! The random steps of a history.

use std::time::Duration;

use job::{Death, DeathCause, JobId, JobRange, WorkerId};
use sched::{Event, JobLimits, StartFailure, Verdict};

use super::{FakeWorker, World};

/// Numbers of signals.
const SIGKILL: i32 = 9;
const SIGSYS: i32 = 31;

impl World {
    fn submit(&mut self) {
        let start = self.jobs.len() as u64;
        let count = 1 + self.rng.below(12);
        let jobs = JobRange::new(start, start + count).unwrap();
        self.jobs.extend((0..count).map(|_| None));
        let own_limits = JobLimits {
            time_limit: Some(Duration::from_millis(2)),
            retries: None,
            max_rss: self.rng.one_in(4).then_some(500),
        };
        let limits = if self.rng.one_in(4) { vec![(JobId(start), own_limits)] } else { Vec::new() };
        let bytes = count * (1 + self.rng.below(40_000));
        let together = self.rng.one_in(5);
        let priorities = self.priorities_of(jobs, together);
        self.handle(Event::Submitted { jobs, bytes, limits, priorities, is_atomic: together });
    }

    /// Chooses and records priorities of new jobs; all are 0 in half of the histories.
    fn priorities_of(&mut self, jobs: JobRange, together: bool) -> Vec<(JobRange, i32)> {
        let group = self.random_priority();
        let of_job: Vec<(JobId, i32)> =
            jobs.iter().map(|job| (job, if together { group } else { self.random_priority() })).collect();
        self.priorities.extend(of_job.iter().map(|&(_, priority)| priority));
        let runs = of_job.chunk_by(|one, other| one.1 == other.1).filter(|run| run[0].1 != 0);
        runs.map(|run| (JobRange::new(run[0].0.0, run[0].0.0 + run.len() as u64).unwrap(), run[0].1))
            .collect()
    }

    fn random_priority(&mut self) -> i32 {
        if !self.has_priorities || self.rng.one_in(2) { 0 } else { self.rng.below(5) as i32 - 2 }
    }

    fn start_outcome(&mut self) {
        let Some(id) = self.any_worker(|w| !w.ready) else { return };
        if self.rng.one_in(6) || self.workers[&id].killed {
            self.workers.remove(&id);
            let failure = if self.rng.one_in(2) { StartFailure::Transient } else { StartFailure::Killed };
            self.handle(Event::StartFailed { worker: id, failure });
        } else {
            self.workers.get_mut(&id).unwrap().ready = true;
            self.handle(Event::Ready(id));
        }
    }

    fn return_batch(&mut self) {
        let Some(id) = self.any_worker(|w| !w.batches.is_empty() && !w.hangs && !w.stopped) else { return };
        let worker = self.workers.get_mut(&id).unwrap();
        if self.rng.one_in(4) && worker.batches[0].1.len() > 1 {
            return self.return_part(id);
        }
        let (batch, jobs, _) = worker.batches.remove(0);
        worker.since = (!worker.batches.is_empty()).then_some(self.now);
        let stops = worker.halted || Some(batch) < worker.recalled;
        let done = if stops { self.rng.below(jobs.len() as u64 + 1) as usize } else { jobs.len() };
        self.expected = jobs[..done].to_vec();
        worker.served += done as u64;
        let most = self.settings.max_jobs_per_worker.map_or(u64::MAX, |most| most.get());
        assert!(worker.served <= most, "a worker exceeds its quota");
        let busy = Duration::from_nanos(self.rng.below(2_000_000));
        let outcomes =
            done as u64 + self.workers.get_mut(&id).map_or(0, |w| std::mem::take(&mut w.collected));
        self.handle(Event::Returned { worker: id, batch, outcomes, last: true, busy });
        assert!(self.expected.is_empty(), "outcomes were not delivered");
        if self.rng.one_in(8) {
            self.handle(Event::Returned {
                worker: WorkerId { slot: 0, generation: 9999 },
                batch,
                outcomes: 1,
                last: true,
                busy,
            });
        }
    }

    /// A worker returns the outcomes of a part of a batch.
    fn return_part(&mut self, id: WorkerId) {
        let worker = self.workers.get_mut(&id).unwrap();
        let (batch, jobs, returned) = &mut worker.batches[0];
        let done = 1 + self.rng.below(jobs.len() as u64 - 1);
        self.expected = jobs.drain(..done as usize).collect();
        *returned += done;
        worker.served += done;
        let outcomes = done + std::mem::take(&mut worker.collected);
        let (batch, busy) = (*batch, Duration::from_nanos(self.rng.below(2_000_000)));
        self.handle(Event::Returned { worker: id, batch, outcomes, last: false, busy });
        assert!(self.expected.is_empty(), "outcomes were not delivered");
    }

    /// Outcomes that a worker has not sent are collected: those of the jobs before the running one, and
    /// sometimes that of the running one, which has just finished.
    fn collect(&mut self) {
        let due: Vec<WorkerId> = self.sched.workers_to_collect_from(self.now).collect();
        assert!(due.iter().all(|id| self.workers[id].batches.iter().any(|batch| batch.1.len() > 1)));
        assert!(due.is_empty() || self.sched.next_collection(self.now).is_some_and(|at| at > self.now));
        let may_collect = |w: &FakeWorker| !w.hangs && !w.killed && w.batches.iter().any(|b| !b.1.is_empty());
        let Some(id) = self.any_worker(may_collect) else { return };
        let worker = self.workers.get_mut(&id).unwrap();
        let (batch, jobs, returned) = &mut worker.batches[0];
        if jobs.is_empty() {
            return;
        }
        let finished = 1 + self.rng.below(jobs.len() as u64);
        let delivered = finished.min(jobs.len() as u64 - 1);
        self.expected = jobs.drain(..delivered as usize).collect();
        *returned += delivered;
        worker.collected += delivered;
        worker.served += delivered;
        let batch = *batch;
        assert_eq!(self.sched.collected(id, batch), worker.collected - delivered);
        self.handle(Event::Collected { worker: id, batch, outcomes: finished });
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
        // All jobs before the running one are finished, and sometimes the running one as well.
        let kept = in_batch.filter(|_| self.rng.one_in(2)).and_then(|((batch, jobs, _), index)| {
            let finished = index + self.rng.below(2);
            self.expected = jobs[..finished as usize].to_vec();
            (finished > 0).then_some((batch, finished))
        });
        // Any job of its current batch may be charged with the death, by what was last seen running.
        let current = worker.batches.iter().find(|batch| !batch.1.is_empty());
        self.charged.extend(current.iter().flat_map(|batch| &batch.1));
        let signal = if self.rng.one_in(3) { SIGSYS } else { SIGKILL };
        let death = Death { pid: 1, cause: DeathCause::Signalled(signal) };
        let memory = self.rng.one_in(10);
        for _ in 0..2 {
            self.handle(Event::Died { worker: id, running, recovered: kept, death, out_of_memory: memory });
            assert!(self.expected.is_empty(), "recovered outcomes were not delivered");
        }
    }

    /// Advances the time, and ticks if a tick is due.
    fn tick(&mut self) {
        self.now = self.now + Duration::from_micros(self.rng.below(4000));
        if self.wake_at.is_some_and(|at| at <= self.now) {
            self.wake();
        }
    }

    fn wake(&mut self) {
        self.wake_at = None;
        while let Some(id) = self.any_worker(|w| w.ready && w.batches.is_empty() && !w.retired && !w.killed)
            && self.rng.one_in(2)
        {
            let bytes = self.rng.below(700);
            self.handle(Event::Rss { worker: id, bytes });
        }
        let watched: Vec<WorkerId> = self.sched.workers_to_observe().collect();
        for id in watched {
            let stands = self.workers[&id].stopped;
            self.handle(Event::Stalled { worker: id, is_stalled: stands });
            let bound = if self.rng.one_in(4) { 1_200 } else { 500 };
            let bytes = self.rng.below(bound);
            self.handle(Event::Rss { worker: id, bytes });
            let worker = &self.workers[&id];
            // Batches whose jobs were all taken back are skipped.
            let running = worker.batches.iter().find(|batch| !batch.1.is_empty());
            if let (Some((batch, jobs, returned)), Some(since)) = (running, worker.since) {
                // A worker that hangs is running its first job; others may be running any.
                let index = returned + if worker.hangs { 0 } else { self.rng.below(jobs.len() as u64) };
                self.handle(Event::Running { worker: id, batch: *batch, index, since });
            }
        }
        self.handle(Event::Tick);
    }

    /// Advances the time to the next requested tick.
    fn wait_for_time(&mut self) {
        if let Some(at) = self.wake_at {
            self.now = self.now.max(at);
            self.wake();
        }
    }

    fn cancel(&mut self) {
        if self.rng.one_in(4) {
            return self.handle(Event::WaitingCancelled);
        }
        let end = self.jobs.len() as u64;
        if let Some(jobs) = JobRange::new(end.saturating_sub(1 + self.rng.below(20)), end) {
            self.handle(Event::Cancelled(jobs));
        }
    }

    /// Does one random step.
    pub(crate) fn step(&mut self) {
        match self.rng.below(40) {
            0..8 if !self.closed => self.submit(),
            8..14 => self.start_outcome(),
            14..24 => self.return_batch(),
            24..26 => self.collect(),
            26..28 => self.kill(),
            28..32 => self.tick(),
            32 if self.rng.one_in(2) => self.cancel(),
            32 if !self.jobs.is_empty() => {
                let job = JobId(self.rng.below(self.jobs.len() as u64));
                self.killed.insert(job);
                self.handle(Event::Killed(job));
            }
            33 if self.rng.one_in(40) => self.stop(),
            33 if self.rng.one_in(4) => {
                if let Some(id) = self.any_worker(|w| w.ready) {
                    let worker = self.workers.get_mut(&id).unwrap();
                    worker.stopped = !worker.stopped;
                }
            }
            33 if self.settings.limit.is_some() => {
                if let Some(id) = self.any_worker(|w| w.ready) {
                    self.workers.get_mut(&id).unwrap().hangs = true;
                }
            }
            33 if self.rng.one_in(9) => self.handle(Event::Prestart),
            33 if self.rng.one_in(9) => {
                self.handle(Event::Paused);
                self.now = self.now + Duration::from_millis(self.rng.below(40));
                self.handle(Event::Resumed);
            }
            33 if self.rng.one_in(9) => {
                let since = self.now;
                self.now = self.now + Duration::from_millis(self.rng.below(40));
                self.handle(Event::TimeSkipped { since });
            }
            33 if self.rng.one_in(5) => {
                let event = if self.sched.is_held() { Event::Released } else { Event::Held };
                self.handle(event);
            }
            33 if self.rng.one_in(3) => {
                self.settings.max_workers = 1 + self.rng.below(6) as u32;
                self.most_workers = self.most_workers.max(self.settings.max_workers);
                self.handle(Event::Resized(self.settings.max_workers));
            }
            34..39 => {
                // A worker that was killed or retired exits.
                if let Some(id) = self.any_worker(|w| w.killed && w.ready || w.retired) {
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
        self.handle(Event::Stopped { grace, terminate });
    }

    /// Closes the pool, runs it until it is finished, and checks how the jobs were resolved.
    pub(crate) fn finish(&mut self) {
        self.closed = true;
        self.handle(Event::Closed);
        self.handle(Event::Released);
        // With spaced starts, each job needs a tick.
        let rounds_per_tick = if self.settings.start_delay.is_zero() { 10 } else { 2 };
        for round in 0..5_000 {
            if self.workers.is_empty() && self.sched.pending() == 0 {
                break;
            }
            self.start_outcome();
            self.return_batch();
            if let Some(id) = self.any_worker(|w| w.killed && w.ready || w.retired && !w.hangs) {
                self.die(id);
            }
            if round % rounds_per_tick == 0 {
                self.wait_for_time();
            }
        }
        assert!(self.workers.is_empty(), "workers remain");
        assert!(self.jobs.iter().all(Option::is_some), "jobs remain");
        assert!(self.sched.is_finished());
        for verdict in self.jobs.iter().flatten().flatten() {
            match verdict {
                Verdict::Crashed { attempts, .. } => assert!(*attempts > self.settings.retries),
                Verdict::TimedOut { attempts, .. } => assert!(*attempts > self.settings.timeout_retries),
                Verdict::Cancelled | Verdict::Memory { .. } | Verdict::Denied { .. } => {}
                Verdict::Abandoned => assert!(self.sched.is_broken()),
            }
        }
    }
}
