//! When workers are replaced: the number of jobs after which each one is.

use std::num::NonZeroU64;

use job::WorkerId;

/// Maximum fraction of its jobs, as a divisor, by which a worker is replaced early.
const MAX_EARLY: u64 = 8;

/// Returns the number of jobs after which this worker is replaced.
///
/// Workers that start together and serve as many jobs each would also leave together, and no job would run
/// until their replacements are ready. So the worker in slot 0 serves `most` jobs, and the others up to
/// an eighth less, never more. The fractions are those of multiples of the golden ratio, which divide an
/// interval evenly for any number of slots. A quota of less than 8 jobs is exact for all workers: one job
/// less would be more than an eighth of it.
pub(crate) fn jobs_of_worker(most: Option<NonZeroU64>, id: WorkerId) -> u64 {
    let Some(most) = most else { return u64::MAX };
    let range = most.get() / MAX_EARLY;
    // The fraction of slot * golden ratio in units of 2^-32.
    let fraction = u64::from(id.slot.wrapping_mul(0x9E37_79B9));
    let early = (u128::from(range) * u128::from(fraction)) >> 32;
    most.get() - early as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas(most: u64, workers: u32) -> Vec<u64> {
        let most = NonZeroU64::new(most);
        (0..workers).map(|slot| jobs_of_worker(most, WorkerId { slot, generation: 3 })).collect()
    }

    #[test]
    fn quotas_are_spread_below_the_maximum() {
        assert_eq!(jobs_of_worker(None, WorkerId { slot: 5, generation: 0 }), u64::MAX);
        let mut spread = quotas(8000, 8);
        assert_eq!(spread[0], 8000, "a single worker serves exactly its quota");
        spread.sort_unstable();
        assert!(spread[0] >= 7000 && spread[7] == 8000, "{spread:?}");
        let gaps: Vec<u64> = spread.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (60..=240).contains(gap)), "{spread:?}");
        assert!(quotas(u64::MAX, 100).iter().all(|&jobs| jobs > u64::MAX / 8 * 7));
    }

    #[test]
    fn small_quotas_are_exact() {
        for most in 1..8 {
            assert!(quotas(most, 100).iter().all(|&jobs| jobs == most), "{most}");
        }
        assert!(quotas(8, 100).iter().all(|&jobs| jobs == 7 || jobs == 8));
    }
}
