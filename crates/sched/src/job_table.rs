//! Properties of single unresolved jobs: failed attempts, limits and requested kills.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use job::{JobId, JobRange};

use crate::{JobLimits, attempts::Attempts, fifo::JobSpan};

/// Properties of single unresolved jobs. Most jobs have no entry.
#[derive(Debug)]
pub(crate) struct JobTable {
    attempts: BTreeMap<JobId, Attempts>,
    /// Jobs in flight that were cancelled by [`Event::Killed`](crate::Event::Killed); not requeued.
    kill_requested: BTreeSet<JobId>,
    /// Limits of jobs that have some of their own.
    limits: BTreeMap<JobId, JobLimits>,
    /// Number of these jobs whose resident size is limited.
    rss_limited: usize,
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
            rss_limited: 0,
            default_limit,
        }
    }

    /// Adds limits of single jobs, each of which is added once.
    pub(crate) fn add_limits(&mut self, limits: Vec<(JobId, JobLimits)>) {
        self.rss_limited += limits.iter().filter(|(_, limits)| limits.max_rss.is_some()).count();
        self.limits.extend(limits);
    }

    fn own_time_limit(&self, job: JobId) -> Option<Duration> {
        self.limits.get(&job)?.time_limit
    }

    /// Returns the time limit of a job.
    pub(crate) fn limit_of(&self, job: JobId) -> Option<Duration> {
        self.own_time_limit(job).or(self.default_limit)
    }

    /// Returns the number of retries of a job after deaths of its worker, if it has one of its own.
    pub(crate) fn retries_of(&self, job: JobId) -> Option<u32> {
        self.limits.get(&job)?.retries
    }

    /// Returns the limit on the resident size of the worker while it runs this job, if it has one of its own.
    pub(crate) fn max_rss_of(&self, job: JobId) -> Option<u64> {
        self.limits.get(&job)?.max_rss
    }

    /// Returns whether any unresolved job limits the resident size of its worker.
    pub(crate) fn limits_rss(&self) -> bool {
        self.rss_limited > 0
    }

    /// Returns whether one of these jobs limits the resident size of its worker.
    pub(crate) fn limit_rss(&self, spans: &[JobSpan]) -> bool {
        let mut jobs = spans.iter().flat_map(|span| span.jobs.iter());
        self.limits_rss() && jobs.any(|job| self.max_rss_of(job).is_some())
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
        let own = jobs.filter_map(|job| self.own_time_limit(job));
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
        remove_range(&mut self.attempts, jobs, |_| {});
        let rss_limited = &mut self.rss_limited;
        remove_range(&mut self.limits, jobs, |limits| {
            *rss_limited -= usize::from(limits.max_rss.is_some());
        });
        while let Some(&job) = self.kill_requested.range(jobs.first()..JobId(jobs.end())).next() {
            self.kill_requested.remove(&job);
        }
    }
}

fn remove_range<T>(map: &mut BTreeMap<JobId, T>, jobs: JobRange, mut removed: impl FnMut(T)) {
    while let Some((&job, _)) = map.range(jobs.first()..JobId(jobs.end())).next() {
        map.remove(&job).into_iter().for_each(&mut removed);
    }
}
