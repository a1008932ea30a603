//! Relations: squares modulo n whose remainders have only small prime factors.

use std::collections::{HashMap, HashSet};

use dashu_int::UBig;

use super::base::FactorBase;

/// The relation root^2 = square^2 * (product of the columns) modulo n.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    root: UBig,
    square: UBig,
    /// 0 for a negative sign, and the index in the base plus one for each prime factor, with multiplicity.
    columns: Vec<u32>,
}

impl Relation {
    /// Returns the columns that occur an odd number of times.
    pub(super) fn odd_columns(&self) -> Vec<u32> {
        let mut columns = self.columns.clone();
        columns.sort_unstable();
        columns.chunk_by(|a, b| a == b).filter(|equal| equal.len() % 2 == 1).map(|equal| equal[0]).collect()
    }
}

/// All relations that have been found.
pub(super) struct Relations<'a> {
    n: &'a UBig,
    full: Vec<Relation>,
    /// Relations with a large prime, by that prime. Two of them can be combined into a full relation.
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

    /// Adds the relation of a square. `columns` are the prime factors of its remainder, and `cofactor` is the
    /// large prime, or 1.
    pub(super) fn add(&mut self, root: u128, columns: Vec<u32>, cofactor: u64) {
        // Two polynomials can yield the same square.
        if !self.roots.insert(root) {
            return;
        }
        let relation = Relation { root: root.into(), square: UBig::ONE, columns };
        if cofactor == 1 {
            self.full.push(relation);
        } else if let Some(other) = self.partial.get(&cofactor) {
            self.full.push(Relation {
                root: relation.root * &other.root % self.n,
                square: cofactor.into(),
                columns: [relation.columns, other.columns.clone()].concat(),
            });
        } else {
            self.partial.insert(cofactor, relation);
        }
    }

    /// Returns x and y with x^2 = y^2 modulo n, for the product of a dependent set of relations.
    pub(super) fn roots(&self, chosen: &[usize], base: &FactorBase) -> (UBig, UBig) {
        let n = self.n;
        let mut exponents = vec![0usize; base.primes.len() + 1];
        let (mut x, mut y) = (UBig::ONE, UBig::ONE);
        for relation in chosen.iter().map(|&index| &self.full[index]) {
            x = x * &relation.root % n;
            y = y * &relation.square % n;
            relation.columns.iter().for_each(|&column| exponents[column as usize] += 1);
        }
        for (prime, &exponent) in base.primes.iter().zip(&exponents[1..]) {
            debug_assert!(exponent % 2 == 0, "exponents of a dependency must be even");
            if exponent > 0 {
                y = y * UBig::from(prime.p).pow(exponent / 2) % n;
            }
        }
        (x, y)
    }
}
