//! Selection of the factorization method.
//!
//! | remaining cofactor | method |
//! |---|---|
//! | any | [trial division](trial) by primes below 1,021; a cofactor below 1,021^2 is prime |
//! | below 2^64 | [primality test](is_prime_word), square root, [rho] below 2^42, else [curves](ecm) |
//! | larger | [remainder trees](smooth): primes below 2^12; above 200 bits 2^14, above 640 bits 2^20 |
//! | up to 200 bits | [primality](is_prime), [perfect powers](powers), short [rho], few curves, [sieve] |
//! | above 200 bits | [primality](is_prime), [perfect powers](powers), few curves, short [rho], curves |
//!
//! The last curves have growing bounds and are tried without a limit, until one finds a factor.

use dashu_int::{UBig, ops::BitTest};

use super::{
    ecm::{self, Level},
    powers,
    primality::{is_prime, is_prime_word},
    rho,
    ring::{Lanes, Ring, Task, Word, in_ring_of},
    sieve, smooth,
    trial::{self, Cofactor},
};

/// Composites below this are split by rho, which finds their smallest factor faster than a single curve.
const RHO_BELOW: u64 = 1 << 42;

/// A single fast curve for words: most numbers have a factor that is much smaller than their square root.
static FIRST: Level = Level::new(50, 1_200, 60, 1);

/// First curves for numbers above the limit of the sieve. Each finds about half of the factors of up to 20
/// bits.
static SHORT: Level = Level::new(50, 1_200, 60, 12);

/// Curves for numbers below [`HARD_WORDS`], whose smallest factor has up to 28 bits, and for larger words.
static WORD_LEVELS: [Level; 2] = [Level::new(105, 4_000, 210, 400), Level::new(200, 8_000, 210, 400)];

/// Words from this number on need the second of [`WORD_LEVELS`].
const HARD_WORDS: u64 = 1 << 56;

/// Curves that are tried before the sieve, by maximum number of bits. Together they take a small part of the
/// time of the sieve, which is not needed if one factor is much smaller than the other.
static ATTEMPTS: [(usize, Level); 4] = [
    (74, Level::new(200, 8_000, 210, 40)),
    (112, Level::new(200, 8_000, 210, 4)),
    (144, Level::new(400, 20_000, 210, 8)),
    (200, Level::new(2_000, 150_000, 210, 25)),
];

/// Curves for numbers above the limit of the sieve. The levels are for factors of 15, 20, 25, ... decimal
/// digits, with the numbers of curves from P. Zimmermann's tables for a second bound of 100 times the first.
static WIDE_LEVELS: [Level; 7] = [
    Level::new(2_000, 200_000, 210, 25),
    Level::new(11_000, 1_100_000, 210, 90),
    Level::new(50_000, 5_000_000, 2_310, 300),
    Level::new(250_000, 25_000_000, 2_310, 700),
    Level::new(1_000_000, 100_000_000, 2_310, 1_800),
    Level::new(3_000_000, 300_000_000, 2_310, 5_100),
    Level::new(11_000_000, 1_100_000_000, 2_310, 10_600),
];

/// Returns the level to try before the sieve.
fn attempts(bits: usize) -> impl Iterator<Item = &'static Level> {
    let fits = move |entry: &&(usize, Level)| bits <= entry.0;
    ATTEMPTS.iter().filter(fits).take(1).map(|(_, level)| level)
}

/// Returns an endless sequence of levels: [`WIDE_LEVELS`], the last one repeated.
fn wide_levels() -> impl Iterator<Item = &'static Level> {
    let (last, others) = WIDE_LEVELS.split_last().expect("the table is not empty");
    others.iter().chain(std::iter::repeat(last))
}

/// Calls `found` with each prime factor of n >= 1, in any order.
pub(crate) fn prime_factors_word(n: u64, found: &mut impl FnMut(u64)) {
    match trial::divide(n, &mut *found) {
        Cofactor::Done(1) => {}
        Cofactor::Done(prime) => found(prime),
        Cofactor::Unfactored(rest) => split_word(rest, found),
    }
}

/// Finds the prime factors of a number without small factors.
fn split_word(n: u64, found: &mut impl FnMut(u64)) {
    if is_prime_word(n) {
        return found(n);
    }
    let factor = find_factor_word(n);
    split_word_part(factor, found);
    split_word_part(n / factor, found);
}

/// Like [`split_word`], for a factor that may be too small to be composite.
fn split_word_part(n: u64, found: &mut impl FnMut(u64)) {
    if n < trial::PRIME_BELOW { found(n) } else { split_word(n, found) }
}

/// Returns a proper factor of an odd composite without small factors.
fn find_factor_word(n: u64) -> u64 {
    let root = n.isqrt();
    if root * root == n {
        return root;
    }
    let ring = Word::new(n);
    let by_rho = |steps| rho::find_factor(&ring, steps);
    let by_curves = || {
        let level = &WORD_LEVELS[usize::from(n >= HARD_WORDS)];
        ecm::find_factor(&ring, [&FIRST]).or_else(|| ecm::find_factor(&Lanes::<_, 4>(ring), [level]))
    };
    let first = if n < RHO_BELOW { by_rho(1 << 13) } else { None };
    match first.or_else(by_curves) {
        Some(factor) => u64::try_from(&factor).expect("a factor of a word fits into a word"),
        None => trial::smallest_factor(n),
    }
}

/// Maximum number of bits of numbers that are divided by the first [segments](smooth::SEGMENTS) only. Curves
/// split them faster than trying all primes below 2^20.
const FEW_SEGMENTS_BITS: usize = 640;

/// Returns the number of segments that are tried for numbers of `bits` bits.
fn segments(bits: usize) -> usize {
    if bits <= sieve::MAX_BITS {
        1
    } else if bits <= FEW_SEGMENTS_BITS {
        3
    } else {
        smooth::SEGMENTS.len()
    }
}

/// Calls `found` with the prime factors and exponents of a number above 0, in any order. It may be called
/// several times for a prime, whose exponent is the sum then.
pub(crate) fn prime_factors_wide(n: UBig, found: &mut impl FnMut(UBig, usize)) {
    let mut rest = trial::divide_wide(n, |prime, exponent| found(prime.into(), exponent));
    for (index, segment) in smooth::SEGMENTS.iter().enumerate() {
        if rest.bit_len() <= 64 || index >= segments(rest.bit_len()) {
            break;
        }
        segment.divide(&mut rest, |prime, exponent| found(prime.into(), exponent));
    }
    split_wide(rest, found);
}

/// Finds the prime factors of a number without small factors.
fn split_wide(n: UBig, found: &mut impl FnMut(UBig, usize)) {
    let mut unfactored = vec![(n, 1)];
    while let Some((number, multiplicity)) = unfactored.pop() {
        if let Ok(word) = u64::try_from(&number) {
            if word > 1 {
                split_word_part(word, &mut |prime| found(prime.into(), multiplicity));
            }
        } else if is_prime(&number) {
            found(number, multiplicity);
        } else if let Some((base, exponent)) = powers::root(&number) {
            unfactored.push((base, multiplicity * exponent));
        } else {
            let factor = find_factor(&number);
            unfactored.push((number / &factor, multiplicity));
            unfactored.push((factor, multiplicity));
        }
    }
}

/// Returns a proper factor of an odd composite of 2^64 or above that has no small factors and is not a
/// perfect power.
fn find_factor(n: &UBig) -> UBig {
    in_ring_of(n, FindFactor(n))
}

struct FindFactor<'a>(&'a UBig);

impl Task for FindFactor<'_> {
    type Output = UBig;

    fn run<R: Ring>(self, ring: &R) -> UBig {
        let FindFactor(n) = self;
        let fits_sieve = n.bit_len() <= sieve::MAX_BITS;
        let by_short_curves = || ecm::find_factor(ring, (!fits_sieve).then_some(&SHORT));
        let by_sieve = || fits_sieve.then(|| sieve::find_factor(n)).flatten();
        // Rho splits products of several factors of up to about 20 bits, which a curve would find all at the
        // same time.
        by_short_curves()
            .or_else(|| rho::find_factor(ring, 1 << 10))
            .or_else(|| ecm::find_factor(ring, attempts(n.bit_len())))
            .or_else(by_sieve)
            .or_else(|| ecm::find_factor(ring, wide_levels()))
            .expect("the sequence of levels is endless")
    }
}
