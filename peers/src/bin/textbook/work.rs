//! The jobs of the text, and their expected results.

use std::{hint::black_box, thread, time::Duration};

use pool::Job;
use serde::{Deserialize, Serialize};

/// A job. Python receives it as JSON; `peers/python/textbook.py` implements the same jobs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Returns all divisors, by trying all numbers up to this one.
    Factorize(u64),
    /// Returns the greatest common divisor, by counting down from the smaller number.
    Gcd(u64, u64),
    /// Sleeps for this many milliseconds and returns them.
    Wait(u64),
    /// Returns the sum of all numbers up to this one.
    Sum(u64),
}

impl Job for Work {
    const NAME: &'static str = "textbook";
    type Output = Vec<u64>;
    type Error = String;
    type Context = ();

    fn run(self, _: &mut ()) -> Result<Vec<u64>, String> {
        match self {
            Work::Factorize(n) => Ok(divisors(n)),
            Work::Gcd(a, b) => gcd(a, b).map(|divisor| vec![divisor]),
            Work::Wait(millis) => {
                thread::sleep(Duration::from_millis(millis));
                Ok(vec![millis])
            }
            Work::Sum(n) => Ok(vec![sum(n)]),
        }
    }
}

fn divisors(n: u64) -> Vec<u64> {
    let n = black_box(n);
    (1..=n).filter(|candidate| n.is_multiple_of(*candidate)).collect()
}

fn gcd(a: u64, b: u64) -> Result<u64, String> {
    let (a, b) = (black_box(a), black_box(b));
    let mut candidates = (1..=a.min(b)).rev();
    candidates
        .find(|divisor| a.is_multiple_of(*divisor) && b.is_multiple_of(*divisor))
        .ok_or_else(|| format!("there is nothing to count down from for {a} and {b}"))
}

/// The black box keeps the compiler from using the closed formula.
fn sum(n: u64) -> u64 {
    (1..=n).fold(0, |sum, number| black_box(sum) + number)
}

impl Work {
    /// Returns the expected result, computed in another way.
    pub(crate) fn expected(&self) -> Vec<u64> {
        match *self {
            Work::Factorize(n) => divisors_by_pairs(n),
            Work::Gcd(a, b) => vec![euclid(a, b)],
            Work::Wait(millis) => vec![millis],
            Work::Sum(n) => vec![n * (n + 1) / 2],
        }
    }
}

/// Finds each divisor up to the square root together with its cofactor.
fn divisors_by_pairs(n: u64) -> Vec<u64> {
    let small = (1..).take_while(|candidate| candidate * candidate <= n);
    let mut found: Vec<u64> = small.filter(|d| n.is_multiple_of(*d)).flat_map(|d| [d, n / d]).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn euclid(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { euclid(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_match_the_expected_ones() {
        for n in 1..100 {
            let jobs = [Work::Factorize(n), Work::Gcd(n, 36), Work::Wait(n % 2), Work::Sum(n)];
            for job in jobs {
                assert_eq!(job.clone().run(&mut ()), Ok(job.expected()), "{job:?}");
            }
        }
    }
}
