//! Jobs of the benchmark, the same in each run and for each contender.

use std::{hint::black_box, thread, time::Duration};

pub(crate) use bench::load::{Bytes, Load, Output, spin};
use job::Job;
pub(crate) use peers::numbers::{Numbers, gcd, pairs};
use serde::{Deserialize, Serialize};

/// A job for the pools of this project. The peers call the same functions.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Returns the greatest common divisor by Euclid's algorithm.
    Gcd(u64, u64),
    /// Computes for this many turns.
    Spin(u64),
    /// Returns the number of divisors, by trying all candidates.
    Trial(u64),
    /// Sleeps for this many microseconds.
    Sleep(u64),
}

impl Job for Task {
    const NAME: &'static str = "peers";
    type Output = u64;
    type Error = String;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<u64, String> {
        Ok(match self {
            Task::Gcd(a, b) => gcd(a, b),
            Task::Spin(turns) => spin(turns),
            Task::Trial(n) => trial(n),
            Task::Sleep(micros) => {
                thread::sleep(Duration::from_micros(micros));
                micros
            }
        })
    }
}

/// Returns the number of divisors of a number.
pub(crate) fn trial(n: u64) -> u64 {
    let n = black_box(n);
    (1..=n).filter(|candidate| n.is_multiple_of(*candidate)).count() as u64
}

/// Returns heavy-tailed costs in nanoseconds: a Pareto distribution of shape 1.1 from 10 us, capped at 100
/// ms.
pub(crate) fn heavy_tailed(count: usize) -> Vec<f64> {
    let mut numbers = Numbers::seeded(1);
    // The first numbers after a small seed are small.
    (0..20).for_each(|_| {
        numbers.next_word();
    });
    (0..count).map(|_| (1e4 / numbers.next_fraction().powf(1.0 / 1.1)).min(1e8)).collect()
}
