//! What is remembered of a run.

use std::{collections::BTreeMap, time::Duration};

use pool::{MonotonicInstant, PoolEvent, WorkerId};

use super::{
    life::{End, EndKind, Life, Outcomes, Run, Sample, Sending},
    names::Names,
    sampling::Sampling,
};

/// Everything that a timeline shows.
#[derive(Debug)]
pub(super) struct Book {
    /// When the run began.
    pub(super) start: MonotonicInstant,
    /// All workers that there have been.
    pub(super) lives: BTreeMap<WorkerId, Life>,
    /// How many jobs were under way after a worker was gone.
    pub(super) after_deaths: Vec<Sample>,
    pub(super) sampling: Sampling,
    /// How many batches have been sent.
    pub(super) batches: u64,
    /// How many slices there are, and how many of them are single jobs.
    slices: (usize, usize),
    /// How many jobs are under way, and since when.
    under_way: Sample,
    /// The latest moment that was heard of.
    pub(super) last: MonotonicInstant,
}

impl Book {
    /// An empty one for so many slices.
    pub(super) fn new(start: MonotonicInstant, most: usize) -> Book {
        Book {
            start,
            lives: BTreeMap::new(),
            after_deaths: Vec::new(),
            sampling: Sampling::new(most),
            batches: 0,
            slices: (0, 0),
            under_way: Sample { at: start, value: 0 },
            last: start,
        }
    }

    /// Nanoseconds since the run began.
    pub(super) fn since_start(&self, at: MonotonicInstant) -> u64 {
        at.0.saturating_sub(self.start.0)
    }

    pub(super) fn note(&mut self, event: PoolEvent) {
        match event {
            PoolEvent::WorkerStarting { worker, at } => {
                self.lives.insert(worker, Life::new(at));
                self.last = self.last.max(at);
            }
            PoolEvent::WorkerReady { worker, pid, at } => {
                self.on(worker, at, |life| life.note_ready(pid, at))
            }
            PoolEvent::WorkerStartFailed { worker, pid, cause, at } => self.on(worker, at, |life| {
                life.pid = pid;
                life.end = Some(End { kind: EndKind::StartFailed, cause, at });
            }),
            PoolEvent::BatchSent { worker, batch, jobs, bytes, at } => {
                let names = Names::new(jobs);
                let (jobs, under_way) = (names.count(), self.under_way);
                self.sent(worker, names, Sending { batch, jobs, bytes, at, under_way });
            }
            PoolEvent::BatchesRecalled { worker, below, at } => {
                self.on(worker, at, |life| life.recalls.push((below, at)));
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
                let durations = durations.unwrap_or_default();
                let count = outcomes;
                let outcomes = Outcomes { batch, count, last, began, busy, durations, bytes, at };
                self.returned(worker, outcomes);
            }
            PoolEvent::WorkerExited { worker, left, cause, running, kept, at, .. } => {
                let kind = if left { EndKind::Left } else { EndKind::Died };
                let mut ended = 0;
                let end = End { kind, cause, at };
                self.on(worker, at, |life| ended = life.note_gone(end, running, kept));
                let after = self.change(at, 0, ended);
                self.after_deaths.push(after);
            }
            _ => {}
        }
    }

    /// Something happens to a worker.
    fn on(&mut self, worker: WorkerId, at: MonotonicInstant, note: impl FnOnce(&mut Life)) {
        self.last = self.last.max(at);
        if let Some(life) = self.lives.get_mut(&worker) {
            note(life);
        }
    }

    fn sent(&mut self, worker: WorkerId, jobs: Names, mut sending: Sending) {
        self.batches += 1;
        self.sampling.note(sending.batch);
        let arrives = self.lives.get(&worker).is_some_and(|life| life.end.is_none());
        sending.under_way = self.change(sending.at, if arrives { sending.jobs } else { 0 }, 0);
        self.on(worker, sending.at, |life| life.note_sent(jobs, sending));
    }

    fn returned(&mut self, worker: WorkerId, mut outcomes: Outcomes) {
        let (batch, at) = (outcomes.batch, outcomes.at);
        let Some(life) = self.lives.get(&worker) else { return };
        // An answer to what nobody asked; its worker is about to go.
        let Some(ended) = life.would_end(batch, outcomes.count, outcomes.last) else { return };
        if !self.sampling.keeps_jobs_of(batch) || !self.sampling.has_room_for(outcomes.durations.len()) {
            outcomes.durations = Vec::new();
        }
        let under_way = self.change(at, 0, ended);
        let mut run = None;
        self.on(worker, at, |life| run = life.note_returned(outcomes, under_way));
        if let Some(run) = run.filter(|_| self.sampling.keeps(batch)) {
            self.slices.0 += run.slices();
            self.slices.1 += run.durations.len();
            self.on(worker, at, |life| life.runs.push(run));
            self.thin();
        }
    }

    /// Leaves something out while there is too much.
    fn thin(&mut self) {
        while self.sampling.coarsen(self.slices.0, self.slices.1) {
            let sampling = &self.sampling;
            self.lives.values_mut().for_each(|life| life.thin(sampling));
            let runs = || self.lives.values().flat_map(|life| &life.runs);
            self.slices.0 = runs().map(Run::slices).sum();
            self.slices.1 = runs().map(|run| run.durations.len()).sum();
        }
    }

    /// So many jobs more and so many less are under way. No two such moments are the same.
    fn change(&mut self, at: MonotonicInstant, more: u64, less: u64) -> Sample {
        let value = (self.under_way.value + more).saturating_sub(less);
        let at = at.max(self.under_way.at + Duration::from_nanos(1));
        self.under_way = Sample { at, value };
        self.under_way
    }
}

#[cfg(test)]
mod tests {
    use super::{super::life::Fate, *};
    use pool::{BatchId, Death, DeathCause};

    const WORKER: WorkerId = WorkerId { slot: 0, generation: 0 };

    fn started(most: usize) -> Book {
        let mut book = Book::new(MonotonicInstant(0), most);
        book.note(PoolEvent::WorkerStarting { worker: WORKER, at: MonotonicInstant(10) });
        book.note(PoolEvent::WorkerReady { worker: WORKER, pid: 7, at: MonotonicInstant(20) });
        book
    }

    /// A batch of this many jobs goes out, and its outcomes come back a microsecond later.
    fn batch(book: &mut Book, number: u64, jobs: u64) {
        let (batch, start) = (BatchId(number), 1000 * (number + 1));
        let names = vec![number * jobs..=(number + 1) * jobs - 1];
        book.note(PoolEvent::BatchSent {
            worker: WORKER,
            batch,
            jobs: names,
            bytes: 1,
            at: MonotonicInstant(start),
        });
        book.note(PoolEvent::OutcomesReceived {
            worker: WORKER,
            batch,
            outcomes: jobs,
            last: true,
            began: MonotonicInstant(start + 10),
            busy: Duration::from_nanos(900),
            durations: Some(vec![1; jobs as usize]),
            bytes: 1,
            at: MonotonicInstant(start + 990),
        });
    }

    fn runs(book: &Book) -> &[Run] {
        &book.lives[&WORKER].runs
    }

    #[test]
    fn a_long_run_stays_bounded_and_keeps_batches_from_all_of_it() {
        for (batches, jobs) in [(20_000, 1), (20_000, 30), (500, 2_000)] {
            let mut book = started(2_000);
            for number in 0..batches {
                batch(&mut book, number, jobs);
                let slices: usize = runs(&book).iter().map(Run::slices).sum();
                assert!(slices <= 2_000, "{slices} after batch {number}");
            }
            assert_eq!(book.batches, batches);
            let (one_of, kept) = (book.sampling.batches(), runs(&book));
            assert_eq!(kept.len() as u64, batches.div_ceil(one_of));
            assert!(kept.iter().all(|run| run.batch.0 % one_of == 0));
            assert!(kept.len() >= 100, "{} are too few", kept.len());
            assert!(kept.iter().all(|run| run.began.since(run.free_since).as_nanos() < 1000), "true waits");
        }
    }

    #[test]
    fn what_fits_is_kept_whole() {
        let mut book = started(2_000);
        (0..50).for_each(|number| batch(&mut book, number, 30));
        assert_eq!((book.sampling.batches(), book.sampling.jobs()), (1, 1));
        assert_eq!(runs(&book).iter().map(|run| run.durations.len()).sum::<usize>(), 1500);
    }

    #[test]
    fn a_death_ends_what_the_worker_was_in_and_its_jobs_are_no_longer_under_way() {
        let mut book = started(4);
        (0..20).for_each(|number| batch(&mut book, number, 3));
        for (number, jobs) in [(20, 100..=109), (21, 110..=119)] {
            let (batch, at) = (BatchId(number), MonotonicInstant(30_000));
            book.note(PoolEvent::BatchSent { worker: WORKER, batch, jobs: vec![jobs], bytes: 1, at });
        }
        assert_eq!(book.under_way.value, 20);
        book.note(PoolEvent::WorkerExited {
            worker: WORKER,
            death: Death { pid: 7, cause: DeathCause::Signalled(9) },
            left: false,
            cause: "killed".into(),
            running: Some((BatchId(20), 4)),
            kept: Some((BatchId(20), 4)),
            at: MonotonicInstant(40_000),
        });
        assert_eq!((book.under_way.value, book.after_deaths[0].value), (0, 0));
        let run = runs(&book).last().unwrap();
        assert_eq!((run.jobs.words(9).as_str(), run.end), ("100-103", MonotonicInstant(40_000)));
        assert!(matches!(run.fate, Fate::Died(Some(104))), "{run:?}");
        assert_eq!(book.lives[&WORKER].lost.len(), 1);

        let late = PoolEvent::BatchSent {
            worker: WORKER,
            batch: BatchId(22),
            jobs: vec![120..=129],
            bytes: 1,
            at: MonotonicInstant(50_000),
        };
        book.note(late);
        assert_eq!(book.under_way.value, 0, "a batch to a dead worker is not under way");
        assert_eq!(book.lives[&WORKER].lost[1].at, MonotonicInstant(40_000));
    }

    #[test]
    fn a_worker_that_lies_about_its_time_is_taken_at_what_is_possible() {
        let mut book = started(100);
        for (number, began, busy) in [(0, 0, u64::MAX), (1, u64::MAX, 5), (2, 0, 0)] {
            let (batch, at) = (BatchId(number), MonotonicInstant(100 * (number + 1)));
            book.note(PoolEvent::BatchSent {
                worker: WORKER,
                batch,
                jobs: vec![number..=number],
                bytes: 1,
                at,
            });
            let (began, busy) = (MonotonicInstant(began), Duration::from_nanos(busy));
            let (at, last) = (MonotonicInstant(at.0 + 50), true);
            let durations = None;
            let worker = WORKER;
            book.note(PoolEvent::OutcomesReceived {
                worker,
                batch,
                outcomes: 1,
                last,
                began,
                busy,
                durations,
                bytes: 1,
                at,
            });
        }
        let times: Vec<(u64, u64)> = runs(&book).iter().map(|run| (run.began.0, run.end.0)).collect();
        assert_eq!(times, [(20, 150), (250, 250), (250, 250)]);
    }
}
