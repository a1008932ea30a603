//! Squares modulo n whose remainders are known to have small factors only.

use std::collections::{HashMap, HashSet};

use dashu_int::UBig;

use super::base::Base;

/// root^2 = square^2 * (the product of the columns) modulo n.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    root: UBig,
    square: UBig,
    /// 0 for the sign, otherwise one more than the prime's place in the base; as often as it divides.
    columns: Vec<u32>,
}

impl Relation {
    /// The columns that occur an odd number of times.
    pub(super) fn odd_columns(&self) -> Vec<u32> {
        let mut columns = self.columns.clone();
        columns.sort_unstable();
        columns.chunk_by(|a, b| a == b).filter(|equal| equal.len() % 2 == 1).map(|equal| equal[0]).collect()
    }
}

/// All that have been found.
pub(super) struct Relations<'a> {
    n: &'a UBig,
    full: Vec<Relation>,
    /// Those with one larger prime, by that prime: two of them make a full one.
    partial: HashMap<u64, Relation>,
    roots: HashSet<u128>,
}

impl<'a> Relations<'a> {
    pub(super) fn new(n: &'a UBig) -> Relations<'a> {
        Relations { n, full: Vec::new(), partial: HashMap::new(), roots: HashSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.full.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Relation> {
        self.full.iter()
    }

    /// Takes the root of a square, the columns of its remainder, and the larger prime that is left of that, or 1.
    pub(super) fn add(&mut self, root: u128, columns: Vec<u32>, left: u64) {
        // Two polynomials may have the same square.
        if !self.roots.insert(root) {
            return;
        }
        let relation = Relation { root: root.into(), square: UBig::ONE, columns };
        if left == 1 {
            self.full.push(relation);
        } else if let Some(other) = self.partial.get(&left) {
            self.full.push(Relation {
                root: relation.root * &other.root % self.n,
                square: left.into(),
                columns: [relation.columns, other.columns.clone()].concat(),
            });
        } else {
            self.partial.insert(left, relation);
        }
    }

    /// The two sides of the product of some relations, each of which is the root of a square.
    pub(super) fn roots(&self, chosen: &[usize], base: &Base) -> (UBig, UBig) {
        let n = self.n;
        let mut times = vec![0usize; base.primes.len() + 1];
        let (mut x, mut y) = (UBig::ONE, UBig::ONE);
        for relation in chosen.iter().map(|&index| &self.full[index]) {
            x = x * &relation.root % n;
            y = y * &relation.square % n;
            relation.columns.iter().for_each(|&column| times[column as usize] += 1);
        }
        for (prime, &times) in base.primes.iter().zip(&times[1..]) {
            debug_assert!(times % 2 == 0, "a dependency has only even exponents");
            if times > 0 {
                y = y * UBig::from(prime.p).pow(times / 2) % n;
            }
        }
        (x, y)
    }
}
