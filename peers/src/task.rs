//! The jobs that everybody gets, and the numbers in them: the same in every run and for every contender.

use std::{hint::black_box, thread, time::Duration};

pub(crate) use bench::load::spin;
use job::Job;
use serde::{Deserialize, Serialize};

/// One job of the pools of this project. All of its peers call the same functions.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Task {
    /// The greatest common divisor by Euclid.
    Gcd(u64, u64),
    /// So many turns of arithmetic.
    Spin(u64),
    /// The number of divisors, by trying every candidate.
    Trial(u64),
    /// So many microseconds of sleep.
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

/// Euclid; about 50 ns for numbers of 22 bits.
pub(crate) fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// How many divisors a number has.
pub(crate) fn trial(n: u64) -> u64 {
    let n = black_box(n);
    (1..=n).filter(|candidate| n.is_multiple_of(*candidate)).count() as u64
}

/// Marsaglia's xorshift with 64 bits of state; `peers/python/common.py` has the same.
pub(crate) struct Numbers(u64);

impl Numbers {
    /// The sequence that belongs to a seed, which must not be 0.
    pub(crate) fn seeded(seed: u64) -> Numbers {
        Numbers(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next number above 0 and up to 1.
    pub(crate) fn next_fraction(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }
}

/// Pairs of numbers with 22 bits each.
pub(crate) fn pairs(count: usize) -> Vec<(u64, u64)> {
    let mut numbers = Numbers::seeded(SEED);
    let mut next = || (numbers.next() >> 43) | (1 << 21);
    (0..count).map(|_| (next(), next())).collect()
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Jobs with costs of a heavy tail, in nanoseconds: Pareto of shape 1.1 from 10 us, cut at 100 ms.
pub(crate) fn heavy_tailed(count: usize) -> Vec<f64> {
    let mut numbers = Numbers::seeded(1);
    // The first numbers of a small seed are small.
    (0..20).for_each(|_| {
        numbers.next();
    });
    (0..count).map(|_| (1e4 / numbers.next_fraction().powf(1.0 / 1.1)).min(1e8)).collect()
}
