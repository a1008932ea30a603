//! Prime factors and divisors of numbers that are known to be difficult for factorization programs.

use dashu_int::{UBig, fast_div::ConstDivisor};
use job::{Context as _, Job};
use numtheory::Natural;
use ops::{Builtin, BuiltinError, Limits, MAX_DIVISORS, Method, Value};
use proptest::prelude::*;

/// Returns whether n passes the Miller-Rabin test for the first 40 primes. This implementation is independent
/// of the code under test.
fn is_prime(n: &UBig) -> bool {
    let small: Vec<u32> = (2..=173u32).filter(|n| (2..*n).all(|d| n % d != 0)).collect();
    assert_eq!(small.len(), 40);
    if small.iter().any(|&p| n % p == 0) {
        return small.iter().any(|&p| *n == UBig::from(p));
    }
    if *n < UBig::from(173u32 * 173) {
        return *n > UBig::ONE;
    }
    let ring = ConstDivisor::new(n.clone());
    let below = n - UBig::ONE;
    let twos = below.trailing_zeros().expect("n - 1 is above 0");
    small.iter().all(|&base| {
        let mut power = ring.reduce(base).pow(&(&below >> twos));
        power.residue().is_one()
            || (0..twos).any(|_| {
                let is_minus_one = power.residue() == below;
                power = power.sqr();
                is_minus_one
            })
    })
}

/// Returns the prime factors of n, after checking that they are prime and that their product is n.
fn checked_factors(n: impl Into<UBig>) -> Vec<UBig> {
    let n = n.into();
    let found = numtheory::factor(&n.clone().into()).expect("n is not 0");
    let found: Vec<UBig> = found.into_iter().map(Natural::into_big).collect();
    assert_eq!(found.iter().product::<UBig>(), n);
    assert!(found.is_sorted(), "{n}: {found:?}");
    assert!(found.iter().all(is_prime), "{n}: {found:?}");
    found
}

/// Returns the divisors of n >= 1, ascending.
fn divisors(n: impl Into<Natural>) -> Result<Vec<Natural>, BuiltinError> {
    let Ok(mut context) = ops::Context::start(Limits { max_result: u64::MAX, ..Limits::default() });
    match (Builtin::Factorize { n: n.into(), method: Method::Fast }).run(&mut context)? {
        Value::Naturals(naturals) => Ok(naturals),
        other => panic!("{other:?}"),
    }
}

fn power_of_two(exponent: usize) -> UBig {
    UBig::ONE << exponent
}

#[test]
fn all_numbers_up_to_100_000() {
    (1u32..100_000).for_each(|n| drop(checked_factors(n)));
}

#[test]
fn neighbours_of_powers_of_two() {
    for exponent in [32, 63, 64, 127, 128] {
        for distance in 0u32..=20 {
            checked_factors(power_of_two(exponent) - UBig::from(distance));
            checked_factors(power_of_two(exponent) + UBig::from(distance));
        }
    }
}

#[test]
fn powers_of_two_plus_and_minus_one() {
    for exponent in 1..=136 {
        checked_factors(power_of_two(exponent) - UBig::ONE);
        checked_factors(power_of_two(exponent) + UBig::ONE);
        assert_eq!(checked_factors(power_of_two(exponent)).len(), exponent);
    }
}

#[test]
fn powers_of_primes() {
    for p in [1_019u64, 1_021, 65_521, 65_537, 2_097_143, 4_294_967_291, 4_294_967_311, (1 << 61) - 1] {
        for exponent in 1..=6 {
            assert_eq!(
                checked_factors(UBig::from(p).pow(exponent)),
                vec![UBig::from(p); exponent],
                "{p}^{exponent}"
            );
        }
    }
    let p = power_of_two(89) - UBig::ONE;
    assert_eq!(checked_factors(p.pow(3)), vec![p.clone(); 3]);
    let q = UBig::from(1_000_003u32);
    assert_eq!(checked_factors((&p * &q).pow(2)), [q.clone(), q, p.clone(), p]);
}

/// Composites that pass Fermat's test for every coprime base: OEIS A002997, and J. Chernick's form
/// (6 k + 1) (12 k + 1) (18 k + 1).
#[test]
fn carmichael_numbers() {
    for n in [561u64, 1_105, 1_729, 2_465, 2_821, 6_601, 8_911, 825_265, 321_197_185, 9_746_347_772_161] {
        assert!(checked_factors(n).len() >= 3, "{n}");
    }
    let mut found = 0;
    for k in (1u64 << 20)..(1 << 20) + 20_000 {
        let factors = [6 * k + 1, 12 * k + 1, 18 * k + 1].map(UBig::from);
        if factors.iter().all(is_prime) {
            assert_eq!(checked_factors(factors.iter().product::<UBig>()), factors);
            found += 1;
        }
    }
    assert!(found > 5, "{found}");
}

/// Composites that pass the Miller-Rabin test for the first 1, 2, 3, ... prime bases (OEIS A014233), and the
/// smallest one that passes for the bases used for 32 bits.
#[test]
fn strong_pseudoprimes() {
    for n in [
        "2047",
        "1373653",
        "25326001",
        "3215031751",
        "4759123141",
        "2152302898747",
        "3474749660383",
        "341550071728321",
        "3825123056546413051",
        "318665857834031151167461",
        "3317044064679887385961981",
    ] {
        assert!(checked_factors(n.parse::<UBig>().unwrap()).len() >= 2, "{n}");
    }
}

#[test]
fn products_of_many_primes_above_the_bound_of_trial_division() {
    let primes: Vec<UBig> = (1_021u32..1_200).map(UBig::from).filter(is_prime).collect();
    for count in 2..=primes.len() {
        assert_eq!(checked_factors(primes[..count].iter().product::<UBig>()), primes[..count]);
    }
}

/// Products of two primes on both sides of every bound at which the method changes.
#[test]
fn bounds_of_each_method() {
    let next =
        |start: UBig| (0u32..).map(|step| &start + step).find(is_prime).expect("a larger prime exists");
    for bits in [40, 41, 42, 43, 55, 56, 57, 63, 64, 65, 74, 75, 112, 113, 128, 129] {
        let p = next(power_of_two(bits / 2));
        for above in [UBig::ZERO, power_of_two(bits / 2 - 1)] {
            let q = next(power_of_two(bits - bits / 2) + above);
            assert_eq!(checked_factors(&p * &q), if p <= q { [p.clone(), q] } else { [q, p.clone()] });
        }
    }
}

#[test]
fn squares_times_a_large_prime() {
    let (p, q) = (UBig::from(4_294_967_311u64), UBig::from(1_099_511_627_791u64));
    assert_eq!(checked_factors(&p * &p * &q), [p.clone(), p.clone(), q.clone()]);
    assert_eq!(checked_factors(&p * &q * &q), [p, q.clone(), q]);
}

/// Above 200 bits only curves are used, and not the sieve.
#[test]
fn factors_of_fifteen_digits_in_large_numbers() {
    let (p, q) = (UBig::from(999_999_999_999_989u64), power_of_two(521) - UBig::ONE);
    assert_eq!(checked_factors(&p * &q), [p, q]);
}

#[test]
fn factor_word_appends_factors() {
    let mut found = vec![7];
    [12, 0, 1].into_iter().for_each(|n| numtheory::factor_word(n, &mut found));
    assert_eq!(found, [7, 2, 2, 3]);
}

#[test]
fn rejects_too_many_divisors() {
    let product = |primes: &[u32]| primes.iter().product::<UBig>();
    let primes: Vec<u32> = (2..=71).filter(|n| (2..*n).all(|d| n % d != 0)).collect();
    // The product of 20 primes has 2^20 divisors, which is the maximum. One more prime doubles the number.
    let mut fits = primes.iter().map(|&p| UBig::from(p)).collect::<Vec<_>>();
    assert_eq!(fits.len(), 20);
    assert_eq!(divisors(product(&primes)).unwrap().len(), MAX_DIVISORS);
    fits.push(73u32.into());
    assert_eq!(divisors(fits.iter().product::<UBig>()), Err(BuiltinError::TooManyDivisors));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_numbers(n in 1u64.., wide in 1u128.., shift in 0u32..100) {
        checked_factors(n);
        checked_factors((wide >> shift).max(1));
    }

    #[test]
    fn products_of_factors_of_all_sizes(parts in prop::collection::vec((1u64.., 0u32..64), 1..6)) {
        let factor = |(part, shift): (u64, u32)| UBig::from((part >> shift).max(1) >> 24 | 1);
        checked_factors(parts.into_iter().map(factor).product::<UBig>());
    }

    #[test]
    fn divisors_are_complete(n in 1u32..1_000_000) {
        let all: Vec<Natural> = (1..=n).filter(|d| n % d == 0).map(|d| u64::from(d).into()).collect();
        prop_assert_eq!(divisors(u64::from(n)).unwrap(), all);
    }

    #[test]
    fn divisors_of_large_numbers(n in 1u128..1 << 90) {
        let found = divisors(n).unwrap();
        prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(found.iter().all(|d| (UBig::from(n) % d.clone().into_big()).is_zero()));
        let factors = checked_factors(n);
        let count: usize = factors.chunk_by(|a, b| a == b).map(|equal| equal.len() + 1).product();
        prop_assert_eq!(found.len(), count);
    }
}

/// Finding each factor separately would take minutes; the time limit is much shorter.
#[test]
fn factors_smooth_numbers_of_any_size_fast() {
    let start = std::time::Instant::now();
    let primes_below = |range: std::ops::Range<u32>| {
        let mut is_composite = vec![false; range.end as usize];
        for n in 2..range.end as usize {
            if !is_composite[n] {
                is_composite.iter_mut().skip(n * n).step_by(n).for_each(|flag| *flag = true);
            }
        }
        range.filter(|&n| n > 1 && !is_composite[n as usize]).collect::<Vec<u32>>()
    };
    let powers = |powers: &[(u32, usize)]| {
        let n: UBig = powers.iter().map(|&(prime, exponent)| UBig::from(prime).pow(exponent)).product();
        let expected: Vec<(Natural, usize)> =
            powers.iter().map(|&(prime, exponent)| (u64::from(prime).into(), exponent)).collect();
        assert_eq!(numtheory::prime_powers(&n.into()), Ok(expected));
    };
    // Legendre's formula.
    let in_factorial = |prime: u32| {
        std::iter::successors(Some(5_000 / prime), |rest| Some(rest / prime))
            .take_while(|&rest| rest > 0)
            .sum::<u32>()
    };
    let factorial: Vec<_> = primes_below(0..5_001).iter().map(|&p| (p, in_factorial(p) as usize)).collect();
    powers(&factorial);
    let once = |range| primes_below(range).into_iter().map(|p| (p, 1)).collect::<Vec<_>>();
    powers(&once(1_021..3_000));
    powers(&once(0..30_000));
    powers(&once(1_000_000..1 << 20));
    powers(&primes_below(0..600).into_iter().zip(1..).collect::<Vec<_>>());
    powers(&[(3, 50_000), (1_048_573, 3_000)]);
    powers(&[(2, 3), (524_287, 100), (524_309, 7), (1_048_573, 1)]);
    // Primes above the limit of remainder trees: curves find several of them at the same time.
    powers(&once(1 << 20..(1 << 20) + 500));
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}
