//! The numbers to factor, the same in each run.

/// A kind of number.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Count per round.
    pub(crate) per_round: usize,
    /// Whether `factor` takes less than a millisecond for each.
    pub(crate) suits_factor: bool,
    make: fn(&mut Random) -> u128,
    seed: u64,
}

/// Returns all kinds. Eleven rounds have at least a thousand numbers of each of the first three kinds and a
/// hundred of the others.
pub(crate) fn kinds(quick: bool) -> Vec<Kind> {
    let kind = |name, per_round: usize, suits_factor, make, seed| Kind {
        name,
        per_round: if quick { per_round.div_ceil(10) } else { per_round },
        suits_factor,
        make,
        seed,
    };
    vec![
        kind("64 bits: two primes of 32", 200, true, |random| random.product(32), 1),
        kind("64 bits: random", 1_000, true, |random| u128::from(random.word().max(1)), 2),
        kind("96 bits: two primes of 48", 100, false, |random| random.product(48), 3),
        kind("128 bits: two primes of 64", 10, false, |random| random.product(64), 4),
        kind("128 bits: random", 50, false, |random| random.wide().max(1), 5),
    ]
}

impl Kind {
    /// Returns the numbers of each round.
    pub(crate) fn numbers(&self, rounds: usize) -> Vec<Vec<u128>> {
        let mut random = Random(self.seed);
        (0..rounds).map(|_| (0..self.per_round).map(|_| (self.make)(&mut random)).collect()).collect()
    }
}

/// SplitMix64: G. Steele, D. Lea and C. Flood, "Fast splittable pseudorandom number generators", 2014.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn wide(&mut self) -> u128 {
        u128::from(self.word()) << 64 | u128::from(self.word())
    }

    /// Returns a random prime of this many bits.
    fn prime(&mut self, bits: u32) -> u64 {
        loop {
            let candidate = self.word() >> (64 - bits) | 1 << (bits - 1) | 1;
            if numtheory::factor(&candidate.into()).is_ok_and(|factors| factors.len() == 1) {
                return candidate;
            }
        }
    }

    fn product(&mut self, bits: u32) -> u128 {
        u128::from(self.prime(bits)) * u128::from(self.prime(bits))
    }
}
