//! Sizes of claims and chunks, from the measured cost of jobs.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Expected work of the largest claim. Jobs of a claim that have not been started after this time go back to
/// the queue.
pub(super) const CLAIM_WORK: Duration = Duration::from_micros(200);

/// Work that is worth waking a thread for: about the time that waking it takes.
const WAKE_WORK: Duration = Duration::from_micros(10);

/// Maximum number of jobs in a claim.
const MAX_CLAIM: usize = 1024;

/// Maximum number of jobs in a chunk while their cost is unknown.
const UNKNOWN_CHUNK: usize = 16;

/// Number of jobs per thread that are claimed one by one when no others are queued. Jobs that wait for each
/// other must not be claimed by one thread while others are idle.
const SINGLE_CLAIMS: usize = 4;

/// Estimated cost of the jobs of one submitter, or of all submitted jobs, in nanoseconds; 0 while it is
/// unknown.
///
/// The estimate rises at once and falls slowly, so that claims are small while costs vary. An update may be
/// lost when two threads record at the same time; the next update corrects that.
#[derive(Default)]
pub(super) struct Cost(AtomicU64);

impl Cost {
    /// Updates the estimate with the mean cost of `jobs` jobs.
    pub(super) fn record(&self, time: Duration, jobs: usize) {
        let mean = (nanoseconds(time) / jobs.max(1) as u64).max(1);
        let old = self.0.load(Ordering::Relaxed);
        let new = if old < mean { mean } else { old - (old - mean).div_ceil(4) };
        if new != old {
            self.0.store(new, Ordering::Relaxed);
        }
    }

    /// The estimate, once a job has been measured.
    fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&cost| cost > 0)
    }

    /// Returns whether a job takes no longer than waking a thread, as far as is known.
    pub(super) fn is_short(&self) -> bool {
        self.get().is_some_and(|cost| cost <= nanoseconds(WAKE_WORK))
    }

    /// Number of jobs that one of `threads` threads claims when `queued` are in the queue.
    pub(super) fn claim_size(&self, queued: usize, threads: usize) -> usize {
        let reserved = threads.saturating_mul(SINGLE_CLAIMS);
        match self.get() {
            Some(cost) if queued > reserved => {
                // Shares get smaller towards the end, but not so small that claiming costs more than running.
                let share = queued / (2 * threads);
                share.max(jobs_in(WAKE_WORK, cost).min(queued - reserved)).min(jobs_in(CLAIM_WORK, cost))
            }
            _ => 1,
        }
    }

    /// Maximum number of jobs that one of `threads` threads claims where a few more than
    /// [`claim_size`](Cost::claim_size) would leave no tiny chunk: the last ones are claimed one by one.
    pub(super) fn claim_limit(queued: usize, threads: usize) -> usize {
        queued.saturating_sub(threads.saturating_mul(SINGLE_CLAIMS)).max(1)
    }

    /// Number of threads that are worth waking for `queued` jobs.
    pub(super) fn threads_for(&self, queued: usize) -> usize {
        self.get().map_or(queued, |cost| queued / jobs_in(WAKE_WORK, cost))
    }

    /// Maximum number of jobs in a chunk.
    pub(super) fn max_chunk(&self) -> usize {
        self.get().map_or(UNKNOWN_CHUNK, |cost| jobs_in(CLAIM_WORK, cost))
    }

    /// Minimum number of jobs in a chunk that is queued because threads are idle.
    pub(super) fn min_chunk(&self) -> usize {
        self.get().map_or(1, |cost| jobs_in(WAKE_WORK, cost))
    }

    /// Number of jobs in flight that keeps `threads` threads busy; 0 while the cost is unknown.
    pub(super) fn in_flight(&self, threads: usize) -> usize {
        let two_claims = |cost| usize::try_from(2 * nanoseconds(CLAIM_WORK) / cost).unwrap_or(usize::MAX);
        self.get().map_or(0, |cost| two_claims(cost).saturating_mul(threads))
    }
}

/// Number of jobs of this cost in `work`, between 1 and `MAX_CLAIM`.
fn jobs_in(work: Duration, cost: u64) -> usize {
    usize::try_from(nanoseconds(work) / cost).unwrap_or(MAX_CLAIM).clamp(1, MAX_CLAIM)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(time: Duration) -> Cost {
        let cost = Cost::default();
        cost.record(time, 1);
        cost
    }

    #[test]
    fn jobs_of_unknown_cost_are_claimed_one_by_one_by_a_thread_each() {
        let unknown = Cost::default();
        assert_eq!((unknown.claim_size(10_000, 2), unknown.threads_for(100)), (1, 100));
        assert_eq!((unknown.min_chunk(), unknown.in_flight(4)), (1, 0));
    }

    #[test]
    fn the_last_jobs_are_claimed_one_by_one() {
        let tiny = measured(Duration::from_nanos(50));
        for threads in [1, 2, 16] {
            let last = threads * SINGLE_CLAIMS;
            assert_eq!([tiny.claim_size(1, threads), tiny.claim_size(last, threads)], [1, 1]);
            assert!(tiny.claim_size(last + 10, threads) <= last.max(10), "{threads} threads");
        }
    }

    #[test]
    fn claims_are_a_share_within_bounds() {
        let cost = measured(Duration::from_micros(1));
        assert_eq!(cost.claim_size(100_000, 4), 200, "limited by the work of a claim");
        assert_eq!(cost.claim_size(400, 4), 50, "a share of the queue");
        assert_eq!(cost.claim_size(60, 4), 10, "at least the work that is worth a claim");
        assert_eq!(measured(Duration::from_nanos(1)).claim_size(1_000_000, 1), MAX_CLAIM);
        assert_eq!(measured(Duration::from_secs(1)).claim_size(1_000_000, 1), 1);
    }

    #[test]
    fn the_estimate_rises_at_once_and_falls_slowly() {
        let cost = measured(Duration::from_nanos(100));
        cost.record(Duration::from_millis(1), 10);
        assert_eq!(cost.get(), Some(100_000));
        cost.record(Duration::from_nanos(1000), 10);
        assert_eq!(cost.get(), Some(100_000 - 99_900_u64.div_ceil(4)));
        (0..200).for_each(|_| cost.record(Duration::from_nanos(1000), 10));
        assert_eq!(cost.get(), Some(100));
    }

    #[test]
    fn threads_are_woken_for_an_amount_of_work_not_for_each_job() {
        let tiny = measured(Duration::from_nanos(100));
        assert_eq!([tiny.threads_for(99), tiny.threads_for(100), tiny.threads_for(450)], [0, 1, 4]);
        assert_eq!(measured(Duration::from_millis(1)).threads_for(7), 7);
    }
}
