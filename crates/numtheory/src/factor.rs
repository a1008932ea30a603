//! Which method is used for which number.
//!
//! | what is left of the number | method |
//! |---|---|
//! | any | [trial division](trial) by the primes below 1,021; what is below 1,021^2 then is prime |
//! | below 2^64 | [primality](is_prime_word), a square root, [rho] below 2^42, otherwise [elliptic curves](ecm) modulo a word |
//! | larger | division by the primes below 2^12, above 200 bits 2^14, above 640 bits 2^20: [remainders modulo their products](smooth) |
//! | up to 200 bits | [primality](is_prime), [perfect powers](powers), a short [rho], some elliptic curves, the [quadratic sieve](sieve) |
//! | larger | the same without the sieve: elliptic curves with growing bounds, for ever |

use dashu_int::{UBig, ops::BitTest};

use super::{
    ecm::{self, Level},
    powers,
    primality::{is_prime, is_prime_word},
    rho,
    ring::{Lanes, Ring, Task, Word, in_ring_of},
    sieve, smooth,
    trial::{self, Left},
};

/// Composites below this are split by rho: their least factor shows sooner than a curve is done.
const RHO_BELOW: u64 = 1 << 42;

/// One curve that is soon done: most numbers have a factor that is much smaller than their root.
static FIRST: Level = Level::new(50, 1_200, 60, 1);

/// The first curves for numbers above the sieve's: each finds about half of the factors of up to 20 bits.
static SHORT: Level = Level::new(50, 1_200, 60, 12);

/// The curves for numbers below [`HARD_WORDS`], two primes of up to 28 bits, and for larger ones.
static WORD_LEVELS: [Level; 2] = [Level::new(105, 4_000, 210, 400), Level::new(200, 8_000, 210, 400)];

const HARD_WORDS: u64 = 1 << 56;

/// The curves that are tried before the sieve, for numbers of up to so many bits: together they take a small part of its
/// time, and spare it where a factor is much smaller than the other.
static ATTEMPTS: [(usize, Level); 4] = [
    (74, Level::new(200, 8_000, 210, 40)),
    (112, Level::new(200, 8_000, 210, 4)),
    (144, Level::new(400, 20_000, 210, 8)),
    (200, Level::new(2_000, 150_000, 210, 25)),
];

/// The curves for what may be larger: each level is meant for factors of five more decimal digits, from 15 on, with the
/// numbers of curves that P. Zimmermann's tables of the method had for a second bound of 100 times the first.
static WIDE_LEVELS: [Level; 7] = [
    Level::new(2_000, 200_000, 210, 25),
    Level::new(11_000, 1_100_000, 210, 90),
    Level::new(50_000, 5_000_000, 2_310, 300),
    Level::new(250_000, 25_000_000, 2_310, 700),
    Level::new(1_000_000, 100_000_000, 2_310, 1_800),
    Level::new(3_000_000, 300_000_000, 2_310, 5_100),
    Level::new(11_000_000, 1_100_000_000, 2_310, 10_600),
];

fn attempts(bits: usize) -> impl Iterator<Item = &'static Level> {
    let fits = move |line: &&(usize, Level)| bits <= line.0;
    ATTEMPTS.iter().filter(fits).take(1).map(|(_, level)| level)
}

fn for_ever() -> impl Iterator<Item = &'static Level> {
    let (last, others) = WIDE_LEVELS.split_last().expect("there are some");
    others.iter().chain(std::iter::repeat(last))
}

/// Gives the prime factors of n >= 1 to `found`, in no particular order.
pub(crate) fn prime_factors_word(n: u64, found: &mut impl FnMut(u64)) {
    match trial::divide(n, &mut *found) {
        Left::Done(1) => {}
        Left::Done(prime) => found(prime),
        Left::Open(rest) => split_word(rest, found),
    }
}

/// The prime factors of a number without small ones.
fn split_word(n: u64, found: &mut impl FnMut(u64)) {
    if is_prime_word(n) {
        return found(n);
    }
    let factor = find_factor_word(n);
    split_word_part(factor, found);
    split_word_part(n / factor, found);
}

/// As [`split_word`], for what may be too small to be composite.
fn split_word_part(n: u64, found: &mut impl FnMut(u64)) {
    if n < trial::DONE_BELOW { found(n) } else { split_word(n, found) }
}

/// A proper factor of an odd composite without small factors.
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
        Some(factor) => u64::try_from(&factor).expect("it divides a word"),
        None => trial::least_factor(n),
    }
}

/// Numbers of up to this many bits are only divided by the first of the [segments](smooth::SEGMENTS): curves split them sooner
/// than all of the primes below 2^20 are tried.
const FEW_SEGMENTS: usize = 640;

/// How many segments are tried for numbers of so many bits.
fn segments(bits: usize) -> usize {
    if bits <= sieve::MOST_BITS {
        1
    } else if bits <= FEW_SEGMENTS {
        3
    } else {
        smooth::SEGMENTS.len()
    }
}

/// Gives the prime factors of a number of any size, above 0, with exponents to `found`, in no particular order. The same
/// prime may come several times.
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

/// The prime factors of a number without small ones.
fn split_wide(n: UBig, found: &mut impl FnMut(UBig, usize)) {
    let mut open = vec![(n, 1)];
    while let Some((number, times)) = open.pop() {
        if let Ok(word) = u64::try_from(&number) {
            if word > 1 {
                split_word_part(word, &mut |prime| found(prime.into(), times));
            }
        } else if is_prime(&number) {
            found(number, times);
        } else if let Some((base, exponent)) = powers::root(&number) {
            open.push((base, times * exponent));
        } else {
            let factor = find_factor(&number);
            open.push((number / &factor, times));
            open.push((factor, times));
        }
    }
}

/// A proper factor of an odd composite of more than a word, without small factors, that is no perfect power.
fn find_factor(n: &UBig) -> UBig {
    in_ring_of(n, FindFactor(n))
}

struct FindFactor<'a>(&'a UBig);

impl Task for FindFactor<'_> {
    type Output = UBig;

    fn run<R: Ring>(self, ring: &R) -> UBig {
        let FindFactor(n) = self;
        let fits_sieve = n.bit_len() <= sieve::MOST_BITS;
        let by_short_curves = || ecm::find_factor(ring, (!fits_sieve).then_some(&SHORT));
        let by_sieve = || fits_sieve.then(|| sieve::find_factor(n)).flatten();
        // Rho takes apart what has several factors of up to some 20 bits, which a curve would find all at once.
        by_short_curves()
            .or_else(|| rho::find_factor(ring, 1 << 10))
            .or_else(|| ecm::find_factor(ring, attempts(n.bit_len())))
            .or_else(by_sieve)
            .or_else(|| ecm::find_factor(ring, for_ever()))
            .expect("some curve splits a composite")
    }
}
