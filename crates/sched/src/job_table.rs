//! Properties of single unresolved jobs: failed attempts, time limits and requested kills.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use job::{JobId, JobRange};

use crate::{attempts::Attempts, queue::JobSpan};

/// Properties of single unresolved jobs. Most jobs have no entry.
#[derive(Debug)]
pub(crate) struct JobTable {
    attempts: BTreeMap<JobId, Attempts>,
    /// Jobs in flight that were cancelled by [`Event::Killed`](crate::Event::Killed); not requeued.
    kill_requested: BTreeSet<JobId>,
    /// Time limits of jobs that have one of their own.
    limits: BTreeMap<JobId, Duration>,
    /// Time limit of the other jobs.
    default_limit: Option<Duration>,
}

impl JobTable {
    /// Returns a table without entries.
    pub(crate) fn new(default_limit: Option<Duration>) -> JobTable {
        JobTable {
            attempts: BTreeMap::new(),
            kill_requested: BTreeSet::new(),
            limits: BTreeMap::new(),
            default_limit,
        }
    }

    /// Adds time limits of single jobs.
    pub(crate) fn add_limits(&mut self, limits: Vec<(JobId, Duration)>) {
        self.limits.extend(limits);
    }

    /// Returns the time limit of a job.
    pub(crate) fn limit_of(&self, job: JobId) -> Option<Duration> {
        self.limits.get(&job).copied().or(self.default_limit)
    }

    /// Returns the shortest time limit of these jobs.
    pub(crate) fn shortest_limit(&self, spans: &[JobSpan]) -> Option<Duration> {
        spans.iter().flat_map(|span| span.jobs.iter()).filter_map(|job| self.limit_of(job)).min()
    }

    /// Returns a lower bound of the time limits of these jobs. Takes no time per job unless some jobs have a
    /// limit of their own.
    pub(crate) fn least_limit(&self, spans: &[JobSpan]) -> Option<Duration> {
        if self.limits.is_empty() {
            return self.default_limit;
        }
        let jobs = spans.iter().flat_map(|span| span.jobs.iter());
        let own = jobs.filter_map(|job| self.limits.get(&job).copied());
        own.chain(self.default_limit).min()
    }

    /// Returns the failed attempts of a job.
    pub(crate) fn attempts_of(&mut self, job: JobId) -> &mut Attempts {
        self.attempts.entry(job).or_default()
    }

    /// Records that a job in flight was cancelled and must not be requeued.
    pub(crate) fn request_kill(&mut self, job: JobId) {
        self.kill_requested.insert(job);
    }

    pub(crate) fn is_kill_requested(&self, job: JobId) -> bool {
        self.kill_requested.contains(&job)
    }

    /// Returns the jobs whose kill was requested.
    pub(crate) fn kill_requested(&self) -> Vec<JobId> {
        self.kill_requested.iter().copied().collect()
    }

    /// Drops the entries of resolved jobs.
    pub(crate) fn forget(&mut self, jobs: JobRange) {
        remove_range(&mut self.attempts, jobs);
        remove_range(&mut self.limits, jobs);
        while let Some(&job) = self.kill_requested.range(jobs.first()..JobId(jobs.end())).next() {
            self.kill_requested.remove(&job);
        }
    }
}

fn remove_range<T>(map: &mut BTreeMap<JobId, T>, jobs: JobRange) {
    while let Some((&job, _)) = map.range(jobs.first()..JobId(jobs.end())).next() {
        map.remove(&job);
    }
}
