//! The recorded data of a run.

use std::{collections::BTreeMap, time::Duration};

use pool::metrics::{MonotonicInstant, PoolEvent, WorkerId};

use super::{
    job_numbers::JobNumbers,
    sampling::Sampling,
    worker_trace::{BatchRun, Outcomes, Sample, SentBatch, WorkerEnd, WorkerEndKind, WorkerTrace},
};

/// The data that a timeline shows.
#[derive(Debug)]
pub(super) struct TimelineData {
    /// Start of the run.
    pub(super) start: MonotonicInstant,
    /// All workers of the run.
    pub(super) workers: BTreeMap<WorkerId, WorkerTrace>,
    /// Number of jobs in flight after each exit of a worker.
    pub(super) after_exits: Vec<Sample>,
    pub(super) sampling: Sampling,
    /// Number of batches sent.
    pub(super) batches: u64,
    /// Number of slices, and how many of them are single jobs.
    slices: (usize, usize),
    /// Number of jobs in flight, and since when.
    in_flight: Sample,
    /// Time of the latest event.
    pub(super) last: MonotonicInstant,
}

impl TimelineData {
    /// Creates an empty record for at most `max_slices` slices.
    pub(super) fn new(start: MonotonicInstant, max_slices: usize) -> TimelineData {
        TimelineData {
            start,
            workers: BTreeMap::new(),
            after_exits: Vec::new(),
            sampling: Sampling::new(max_slices),
            batches: 0,
            slices: (0, 0),
            in_flight: Sample { at: start, value: 0 },
            last: start,
        }
    }

    /// Nanoseconds since the run began.
    pub(super) fn since_start(&self, at: MonotonicInstant) -> u64 {
        at.0.saturating_sub(self.start.0)
    }

    pub(super) fn note(&mut self, event: PoolEvent) {
        match event {
            PoolEvent::WorkerStarting { worker, at, .. } => {
                self.workers.insert(worker, WorkerTrace::new(at));
                self.last = self.last.max(at);
            }
            PoolEvent::WorkerReady { worker, pid, at, .. } => {
                self.on(worker, at, |trace| trace.note_ready(pid, at));
            }
            PoolEvent::WorkerStartFailed { worker, pid, cause, at, .. } => self.on(worker, at, |trace| {
                trace.pid = pid;
                trace.end = Some(WorkerEnd { kind: WorkerEndKind::StartFailed, cause, at });
            }),
            PoolEvent::BatchSent { worker, batch, jobs, bytes, at, .. } => {
                let names = JobNumbers::new(jobs);
                let (jobs, in_flight) = (names.count(), self.in_flight);
                self.sent(worker, names, SentBatch { batch, jobs, bytes, at, in_flight });
            }
            PoolEvent::BatchesRecalled { worker, keep_below: below, at, .. } => {
                self.on(worker, at, |trace| trace.recalls.push((below, at)));
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
                ..
            } => {
                let durations = durations.unwrap_or_default();
                let count = outcomes;
                let outcomes = Outcomes { batch, count, last, began, busy, durations, bytes, at };
                self.returned(worker, outcomes);
            }
            PoolEvent::WorkerExited {
                worker, expected: left, cause, running, recovered: kept, at, ..
            } => {
                let kind = if left { WorkerEndKind::ShutDown } else { WorkerEndKind::Died };
                let mut ended = 0;
                let end = WorkerEnd { kind, cause, at };
                self.on(worker, at, |trace| ended = trace.note_gone(end, running, kept));
                let after = self.change(at, 0, ended);
                self.after_exits.push(after);
            }
            _ => {}
        }
    }

    /// Applies an event to a worker.
    fn on(&mut self, worker: WorkerId, at: MonotonicInstant, note: impl FnOnce(&mut WorkerTrace)) {
        self.last = self.last.max(at);
        if let Some(trace) = self.workers.get_mut(&worker) {
            note(trace);
        }
    }

    fn sent(&mut self, worker: WorkerId, jobs: JobNumbers, mut sent: SentBatch) {
        self.batches += 1;
        self.sampling.note(sent.batch);
        let arrives = self.workers.get(&worker).is_some_and(|trace| trace.end.is_none());
        sent.in_flight = self.change(sent.at, if arrives { sent.jobs } else { 0 }, 0);
        self.on(worker, sent.at, |trace| trace.note_sent(jobs, sent));
    }

    fn returned(&mut self, worker: WorkerId, mut outcomes: Outcomes) {
        let (batch, at) = (outcomes.batch, outcomes.at);
        let Some(trace) = self.workers.get(&worker) else { return };
        // Outcomes of an unknown batch are a protocol error, for which the worker is about to be killed.
        let Some(ended) = trace.would_end(batch, outcomes.count, outcomes.last) else { return };
        if !self.sampling.keeps_jobs_of(batch) || !self.sampling.has_room_for(outcomes.durations.len()) {
            outcomes.durations = Vec::new();
        }
        let in_flight = self.change(at, 0, ended);
        let mut run = None;
        self.on(worker, at, |trace| run = trace.note_returned(outcomes, in_flight));
        if let Some(run) = run.filter(|_| self.sampling.keeps(batch)) {
            self.slices.0 += run.slices();
            self.slices.1 += run.durations.len();
            self.on(worker, at, |trace| trace.runs.push(run));
            self.thin();
        }
    }

    /// Drops slices while there are too many.
    fn thin(&mut self) {
        while self.sampling.coarsen(self.slices.0, self.slices.1) {
            let sampling = &self.sampling;
            self.workers.values_mut().for_each(|trace| trace.thin(sampling));
            let runs = || self.workers.values().flat_map(|trace| &trace.runs);
            self.slices.0 = runs().map(BatchRun::slices).sum();
            self.slices.1 = runs().map(|run| run.durations.len()).sum();
        }
    }

    /// Changes the number of jobs in flight. No two samples have the same time.
    fn change(&mut self, at: MonotonicInstant, more: u64, less: u64) -> Sample {
        let value = (self.in_flight.value + more).saturating_sub(less);
        let at = at.max(self.in_flight.at + Duration::from_nanos(1));
        self.in_flight = Sample { at, value };
        self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::{super::worker_trace::RunEnd, *};
    use pool::{
        error::{Death, DeathCause},
        metrics::BatchId,
    };

    const WORKER: WorkerId = WorkerId { slot: 0, generation: 0 };

    fn started(max_slices: usize) -> TimelineData {
        let mut data = TimelineData::new(MonotonicInstant(0), max_slices);
        data.note(PoolEvent::WorkerStarting { worker: WORKER, at: MonotonicInstant(10) });
        data.note(PoolEvent::WorkerReady { worker: WORKER, pid: 7, at: MonotonicInstant(20) });
        data
    }

    /// Sends a batch of this many jobs; its outcomes return a microsecond later.
    fn batch(data: &mut TimelineData, number: u64, jobs: u64) {
        let (batch, start) = (BatchId(number), 1000 * (number + 1));
        let names = vec![number * jobs..=(number + 1) * jobs - 1];
        data.note(PoolEvent::BatchSent {
            worker: WORKER,
            batch,
            jobs: names,
            ids: Vec::new(),
            bytes: 1,
            at: MonotonicInstant(start),
        });
        data.note(PoolEvent::OutcomesReceived {
            worker: WORKER,
            batch,
            outcomes: jobs,
            last: true,
            started: MonotonicInstant(start + 10),
            busy: Duration::from_nanos(900),
            durations: Some(vec![1; jobs as usize]),
            bytes: 1,
            at: MonotonicInstant(start + 990),
        });
    }

    fn runs(data: &TimelineData) -> &[BatchRun] {
        &data.workers[&WORKER].runs
    }

    #[test]
    fn a_long_run_is_bounded_and_sampled_evenly() {
        for (batches, jobs) in [(20_000, 1), (20_000, 30), (500, 2_000)] {
            let mut data = started(2_000);
            for number in 0..batches {
                batch(&mut data, number, jobs);
                let slices: usize = runs(&data).iter().map(BatchRun::slices).sum();
                assert!(slices <= 2_000, "{slices} after batch {number}");
            }
            assert_eq!(data.batches, batches);
            let (one_of, kept) = (data.sampling.batches(), runs(&data));
            assert_eq!(kept.len() as u64, batches.div_ceil(one_of));
            assert!(kept.iter().all(|run| run.batch.0 % one_of == 0));
            assert!(kept.len() >= 100, "only {} batches", kept.len());
            assert!(kept.iter().all(|run| run.began.since(run.idle_since).as_nanos() < 1000), "true waits");
        }
    }

    #[test]
    fn a_short_run_is_kept_completely() {
        let mut data = started(2_000);
        (0..50).for_each(|number| batch(&mut data, number, 30));
        assert_eq!((data.sampling.batches(), data.sampling.jobs()), (1, 1));
        assert_eq!(runs(&data).iter().map(|run| run.durations.len()).sum::<usize>(), 1500);
    }

    #[test]
    fn an_exit_ends_the_current_batch_and_removes_its_jobs_in_flight() {
        let mut data = started(4);
        (0..20).for_each(|number| batch(&mut data, number, 3));
        for (number, jobs) in [(20, 100..=109), (21, 110..=119)] {
            let (batch, at) = (BatchId(number), MonotonicInstant(30_000));
            let (jobs, ids) = (vec![jobs], Vec::new());
            data.note(PoolEvent::BatchSent { worker: WORKER, batch, jobs, ids, bytes: 1, at });
        }
        assert_eq!(data.in_flight.value, 20);
        data.note(PoolEvent::WorkerExited {
            worker: WORKER,
            death: Death { pid: 7, cause: DeathCause::Signalled(9) },
            expected: false,
            cause: "killed".into(),
            running: Some((BatchId(20), 4)),
            recovered: Some((BatchId(20), 4)),
            at: MonotonicInstant(40_000),
        });
        assert_eq!((data.in_flight.value, data.after_exits[0].value), (0, 0));
        let run = runs(&data).last().unwrap();
        assert_eq!((run.jobs.text(9).as_str(), run.end), ("100-103", MonotonicInstant(40_000)));
        assert!(matches!(run.outcome, RunEnd::Died(Some(104))), "{run:?}");
        assert_eq!(data.workers[&WORKER].lost.len(), 1);

        let late = PoolEvent::BatchSent {
            worker: WORKER,
            batch: BatchId(22),
            jobs: vec![120..=129],
            ids: Vec::new(),
            bytes: 1,
            at: MonotonicInstant(50_000),
        };
        data.note(late);
        assert_eq!(data.in_flight.value, 0, "a batch to a worker that has exited is not in flight");
        assert_eq!(data.workers[&WORKER].lost[1].at, MonotonicInstant(40_000));
    }

    #[test]
    fn impossible_times_of_a_worker_are_clamped() {
        let mut data = started(100);
        for (number, began, busy) in [(0, 0, u64::MAX), (1, u64::MAX, 5), (2, 0, 0)] {
            let (batch, at) = (BatchId(number), MonotonicInstant(100 * (number + 1)));
            data.note(PoolEvent::BatchSent {
                worker: WORKER,
                batch,
                jobs: vec![number..=number],
                ids: Vec::new(),
                bytes: 1,
                at,
            });
            let (began, busy) = (MonotonicInstant(began), Duration::from_nanos(busy));
            let (at, last) = (MonotonicInstant(at.0 + 50), true);
            let durations = None;
            let worker = WORKER;
            data.note(PoolEvent::OutcomesReceived {
                worker,
                batch,
                outcomes: 1,
                last,
                started: began,
                busy,
                durations,
                bytes: 1,
                at,
            });
        }
        let times: Vec<(u64, u64)> = runs(&data).iter().map(|run| (run.began.0, run.end.0)).collect();
        assert_eq!(times, [(20, 150), (250, 250), (250, 250)]);
    }
}
