//! How much work goes into one curve, and into how many of them.

use std::sync::OnceLock;

use super::{chain::Program, pairs::Pairs};
use crate::primes::primes_up_to;

/// Curves of one kind.
#[derive(Debug)]
pub(crate) struct Level {
    /// The first stage finds groups whose order has no prime power above this.
    b1: u32,
    /// The second stage allows one prime up to this.
    b2: u32,
    /// The step of the second stage.
    giant: usize,
    /// How many are tried.
    pub(super) curves: usize,
    plan: OnceLock<Plan>,
}

/// What the bounds of a level mean for a curve: worked out once.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) program: Program,
    pub(super) pairs: Pairs,
}

impl Level {
    pub(crate) const fn new(b1: u32, b2: u32, giant: usize, curves: usize) -> Level {
        Level { b1, b2, giant, curves, plan: OnceLock::new() }
    }

    pub(super) fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| Plan {
            program: Program::new(&primes_up_to(self.b1 as usize), self.b1),
            pairs: Pairs::new(self.b1, self.b2, self.giant),
        })
    }
}
