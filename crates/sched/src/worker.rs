//! What the scheduler knows of one worker.

use std::{collections::VecDeque, time::Duration};

use job::{BatchId, JobId, MonotonicInstant};

use crate::queue::Waiting;

/// Where a worker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Serving,
    /// It has been told to leave and gets no more batches; killed if it is still there by then.
    Leaving {
        by: MonotonicInstant,
    },
    /// It is being killed.
    Doomed(KillReason),
}

/// Why a worker is being killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KillReason {
    /// A job ran past its limit; the signal that cannot be ignored follows then.
    Overrun { job: JobId, limit: Duration, kill_at: Option<MonotonicInstant> },
    /// Somebody wants this job to end.
    Called { job: JobId },
    /// It was not ready in time.
    Late,
    /// It did nothing for too long, although it had jobs.
    Stood,
    /// It and what it has started took too much memory.
    Oversized,
    /// It did what no worker does.
    Expelled,
    /// It is not needed any more, or the pool is stopped.
    Dismissed,
}

/// A batch that a worker has.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) batch: BatchId,
    /// The jobs without an outcome.
    pub(crate) jobs: Vec<Waiting>,
    /// How many jobs before them have an outcome.
    pub(crate) returned: u64,
    pub(crate) timed: bool,
}

impl InFlight {
    pub(crate) fn count(&self) -> u64 {
        self.jobs.iter().map(|waiting| waiting.jobs.count()).sum()
    }

    pub(crate) fn contains(&self, job: JobId) -> bool {
        self.jobs.iter().any(|waiting| waiting.jobs.contains(job))
    }

    /// The job at a place in the batch, if it has no outcome.
    pub(crate) fn job_at(&self, index: u64) -> Option<JobId> {
        let mut index = index.checked_sub(self.returned)?;
        for waiting in &self.jobs {
            if index < waiting.jobs.count() {
                return Some(JobId(waiting.jobs.first().0 + index));
            }
            index -= waiting.jobs.count();
        }
        None
    }

    /// The first job without an outcome.
    pub(crate) fn first_job(&self) -> Option<JobId> {
        self.job_at(self.returned)
    }

    /// Takes out the jobs behind this place in the batch. None if a place is not that of a job without an outcome.
    pub(crate) fn take_behind(&mut self, index: u64) -> Vec<Waiting> {
        let kept = (index + 1).saturating_sub(self.returned);
        if kept == 0 {
            return Vec::new();
        }
        let returned = self.returned;
        let first = self.take_first(kept);
        self.returned = returned;
        std::mem::replace(&mut self.jobs, first)
    }

    /// Takes out the first jobs, which have an outcome now.
    pub(crate) fn take_first(&mut self, mut count: u64) -> Vec<Waiting> {
        let mut taken = Vec::new();
        let mut left = Vec::new();
        self.returned += count;
        for waiting in std::mem::take(&mut self.jobs) {
            let (first, rest) = waiting.jobs.split_at(count);
            count -= first.map_or(0, |jobs| jobs.count());
            taken.extend(first.map(|jobs| Waiting { jobs, ..waiting }));
            left.extend(rest.map(|jobs| Waiting { jobs, ..waiting }));
        }
        self.jobs = left;
        taken
    }
}

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) phase: Phase,
    /// It was started after so many starts had failed that only a worker that is ready can keep the pool from breaking.
    pub(crate) after_failures: bool,
    /// What it has, in the order in which it was decided.
    pub(crate) batches: VecDeque<InFlight>,
    /// Jobs assigned to it so far.
    pub(crate) assigned: u64,
    /// When it last became idle, as a count: the largest is the one whose caches are warmest.
    pub(crate) last_idle: u64,
    /// Since when it has been idle, if it is.
    pub(crate) idle_since: MonotonicInstant,
    /// When it began with what it is doing now, as far as its answers tell.
    pub(crate) since: MonotonicInstant,
    /// It begins with no further job of batches below this.
    pub(crate) recalled: BatchId,
    /// Batches of which all jobs were taken back, and which it has yet to answer.
    emptied: Vec<BatchId>,
    /// Another takes its place as soon as it has no jobs.
    pub(crate) is_recycled: bool,
    /// When to look what it is doing, or whether it is ready.
    pub(crate) check_at: Option<MonotonicInstant>,
    /// Since when it has been seen to do nothing although it has jobs.
    pub(crate) stood_since: Option<MonotonicInstant>,
    /// What it was last seen doing.
    pub(crate) seen: Option<(BatchId, u64, MonotonicInstant)>,
}

impl Worker {
    /// A worker that is started now and has to be ready at `by`.
    pub(crate) fn starting(by: MonotonicInstant, after_failures: bool) -> Worker {
        Worker {
            phase: Phase::Starting,
            after_failures,
            batches: VecDeque::new(),
            assigned: 0,
            last_idle: 0,
            idle_since: MonotonicInstant(0),
            since: MonotonicInstant(0),
            recalled: BatchId(0),
            emptied: Vec::new(),
            is_recycled: false,
            check_at: Some(by),
            stood_since: None,
            seen: None,
        }
    }

    /// Takes back the jobs that it has not begun with and will not begin with, in their order, given the one that it had begun
    /// with after it was recalled.
    pub(crate) fn take_back(&mut self, batch: BatchId, index: u64) -> Vec<Waiting> {
        let place = self.batches.iter().position(|held| held.batch == batch && batch < self.recalled);
        let Some(place) = place else { return Vec::new() };
        let mut taken = self.batches[place].take_behind(index);
        // Batches arrive in the order in which they were decided, so it has not begun with the later ones.
        let later = self.batches.split_off(place + 1);
        for held in later {
            if held.batch < self.recalled && held.returned == 0 {
                self.emptied.push(held.batch);
                taken.extend(held.jobs);
            } else {
                self.batches.push_back(held);
            }
        }
        taken
    }

    /// Whether the batch was one whose jobs have all been taken back; it is answered now.
    pub(crate) fn forget_emptied(&mut self, batch: BatchId) -> bool {
        let place = self.emptied.iter().position(|&emptied| emptied == batch);
        place.map(|place| self.emptied.swap_remove(place)).is_some()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Serving && self.batches.is_empty()
    }
}
