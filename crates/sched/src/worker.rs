//! State of one worker.

use std::{collections::VecDeque, time::Duration};

use job::{BatchId, JobId, MonotonicInstant};

use crate::fifo::JobSpan;

/// Lifecycle phase of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Serving,
    /// Retired: gets no more batches, and is killed if it has not exited at `by`.
    Retiring {
        by: MonotonicInstant,
    },
    /// Kill requested; the worker's exit has not been reported yet.
    Killing(KillReason),
}

/// Reason why a worker is being killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KillReason {
    /// A job exceeded its time limit: SIGTERM was sent, and SIGKILL follows at `kill_at`.
    JobTimedOut { job: JobId, limit: Duration, kill_at: Option<MonotonicInstant> },
    /// This job was cancelled while it was in flight.
    JobKilled { job: JobId },
    /// The worker was not ready within `start_timeout`.
    StartTimeout,
    /// The worker had jobs but made no progress for `stall_timeout`.
    Stalled,
    /// The worker and its descendants exceeded `max_rss`.
    RssExceeded,
    /// The worker violated the protocol.
    ProtocolError,
    /// The worker is no longer needed, or the pool is stopped.
    Dismissed,
}

/// A batch assigned to a worker.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) batch: BatchId,
    /// The jobs that have no outcome.
    pub(crate) jobs: Vec<JobSpan>,
    /// Number of jobs before them that have one.
    pub(crate) returned: u64,
    /// Number of these whose outcomes were collected since the worker's last message of this batch. The next
    /// message contains them.
    pub(crate) collected: u64,
    pub(crate) timed: bool,
}

impl InFlight {
    pub(crate) fn count(&self) -> u64 {
        self.jobs.iter().map(|span| span.jobs.count()).sum()
    }

    pub(crate) fn contains(&self, job: JobId) -> bool {
        self.jobs.iter().any(|span| span.jobs.contains(job))
    }

    /// Returns the job at an index of the batch, if it has no outcome.
    pub(crate) fn job_at(&self, index: u64) -> Option<JobId> {
        let mut index = index.checked_sub(self.returned)?;
        for span in &self.jobs {
            if index < span.jobs.count() {
                return Some(JobId(span.jobs.first().0 + index));
            }
            index -= span.jobs.count();
        }
        None
    }

    /// Returns the first job without an outcome.
    pub(crate) fn first_job(&self) -> Option<JobId> {
        self.job_at(self.returned)
    }

    /// Removes and returns the jobs after this index; none if the job at this index already has an outcome.
    pub(crate) fn take_after(&mut self, index: u64) -> Vec<JobSpan> {
        let kept = (index + 1).saturating_sub(self.returned);
        if kept == 0 {
            return Vec::new();
        }
        let returned = self.returned;
        let first = self.take_first(kept);
        self.returned = returned;
        std::mem::replace(&mut self.jobs, first)
    }

    /// Removes and returns the first `count` jobs, which have an outcome now.
    pub(crate) fn take_first(&mut self, mut count: u64) -> Vec<JobSpan> {
        let mut taken = Vec::new();
        let mut left = Vec::new();
        self.returned += count;
        for span in std::mem::take(&mut self.jobs) {
            let (first, rest) = span.jobs.split_at(count);
            count -= first.map_or(0, |jobs| jobs.count());
            taken.extend(first.map(|jobs| JobSpan { jobs, ..span }));
            left.extend(rest.map(|jobs| JobSpan { jobs, ..span }));
        }
        self.jobs = left;
        taken
    }
}

/// State of one worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) phase: Phase,
    /// When its start was requested.
    pub(crate) started_at: MonotonicInstant,
    /// Whether it is kept ready to take the place of another worker, and is assigned no jobs until then.
    pub(crate) is_spare: bool,
    /// Number of jobs after which it is replaced.
    pub(crate) max_jobs: u64,
    /// Whether it was started while starts were failing: until it is ready, it does not keep the
    /// pool from breaking.
    pub(crate) after_failures: bool,
    /// Batches in flight, in the order in which they were assigned.
    pub(crate) batches: VecDeque<InFlight>,
    /// Number of jobs assigned so far.
    pub(crate) assigned: u64,
    /// Sequence number of the last time it became idle. The worker with the largest has the warmest caches.
    pub(crate) last_idle: u64,
    /// When it last became idle.
    pub(crate) idle_since: MonotonicInstant,
    /// When its resident size was last reported.
    pub(crate) measured_at: MonotonicInstant,
    /// When it started its current batch, as far as the returned outcomes show.
    pub(crate) since: MonotonicInstant,
    /// It starts no further job of batches with smaller numbers.
    pub(crate) recalled: BatchId,
    /// Batches from which all jobs were taken back and whose final
    /// [`Event::Returned`](crate::Event::Returned) is still to come.
    emptied: Vec<BatchId>,
    /// Whether it is replaced as soon as it has no jobs.
    pub(crate) is_recycled: bool,
    /// When to check its current job against its limit, or whether it is ready.
    pub(crate) check_at: Option<MonotonicInstant>,
    /// When it was first reported as stalled; `None` while it makes progress.
    pub(crate) stalled_since: Option<MonotonicInstant>,
    /// Batch, index and start time of the job that it was last seen running.
    pub(crate) seen: Option<(BatchId, u64, MonotonicInstant)>,
}

impl Worker {
    /// Returns a worker that is started `now`, must be ready at `by`, and is replaced after `max_jobs` jobs.
    pub(crate) fn starting(
        (now, by): (MonotonicInstant, MonotonicInstant),
        after_failures: bool,
        max_jobs: u64,
    ) -> Worker {
        Worker {
            phase: Phase::Starting,
            started_at: now,
            is_spare: false,
            max_jobs,
            after_failures,
            batches: VecDeque::new(),
            assigned: 0,
            last_idle: 0,
            idle_since: MonotonicInstant(0),
            measured_at: MonotonicInstant(0),
            since: MonotonicInstant(0),
            recalled: BatchId(0),
            emptied: Vec::new(),
            is_recycled: false,
            check_at: Some(by),
            stalled_since: None,
            seen: None,
        }
    }

    /// Returns the job at an index of a batch, if it has no outcome.
    pub(crate) fn job_at(&self, batch: BatchId, index: u64) -> Option<JobId> {
        self.batches.iter().find(|in_flight| in_flight.batch == batch)?.job_at(index)
    }

    /// Removes and returns, in order, the jobs that it has not started and will not start. `batch` and
    /// `index` are those of the job that it had started last when it was recalled.
    pub(crate) fn take_back(&mut self, batch: BatchId, index: u64) -> Vec<JobSpan> {
        let position =
            self.batches.iter().position(|in_flight| in_flight.batch == batch && batch < self.recalled);
        let Some(position) = position else { return Vec::new() };
        let mut taken = self.batches[position].take_after(index);
        // Batches arrive in the order in which they were assigned, so no job of a later one has started.
        let later = self.batches.split_off(position + 1);
        for in_flight in later {
            if in_flight.batch < self.recalled && in_flight.returned == 0 {
                self.emptied.push(in_flight.batch);
                taken.extend(in_flight.jobs);
            } else {
                self.batches.push_back(in_flight);
            }
        }
        taken
    }

    /// Removes a batch without jobs, of which the worker will send a last message without outcomes.
    pub(crate) fn note_emptied(&mut self, position: usize) {
        self.emptied.extend(self.batches.remove(position).map(|in_flight| in_flight.batch));
    }

    /// Removes a batch from those whose jobs were all taken back; returns whether it was one of them.
    pub(crate) fn forget_emptied(&mut self, batch: BatchId) -> bool {
        let position = self.emptied.iter().position(|&emptied| emptied == batch);
        position.map(|position| self.emptied.swap_remove(position)).is_some()
    }

    /// Returns whether it can be assigned jobs and has none.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Serving && self.batches.is_empty() && !self.is_spare
    }

    /// Returns the number of further jobs that may be assigned to it.
    pub(crate) fn quota_left(&self) -> u64 {
        self.max_jobs.saturating_sub(self.assigned)
    }

    /// Returns whether it may be assigned further jobs, now or when it is ready.
    pub(crate) fn accepts_jobs(&self) -> bool {
        !self.is_spare && !self.is_recycled && self.quota_left() > 0
    }
}
