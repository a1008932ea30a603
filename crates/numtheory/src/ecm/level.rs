//! Bounds and number of curves.

use std::sync::OnceLock;

use super::{chain::StageOne, pairs::StageTwo};
use crate::primes::primes_up_to;

/// Curves with the same bounds.
#[derive(Debug)]
pub(crate) struct Level {
    /// Stage 1 finds factors whose group order has no prime power above this bound.
    b1: u32,
    /// Stage 2 allows one additional prime up to this bound.
    b2: u32,
    /// Giant step of stage 2.
    giant: usize,
    /// Number of curves to try.
    pub(super) curves: usize,
    plan: OnceLock<Plan>,
}

/// Precomputed steps of a curve for the bounds of a level.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) stage_one: StageOne,
    pub(super) stage_two: StageTwo,
}

impl Level {
    pub(crate) const fn new(b1: u32, b2: u32, giant: usize, curves: usize) -> Level {
        Level { b1, b2, giant, curves, plan: OnceLock::new() }
    }

    /// Returns the plan, which is computed on first use.
    pub(super) fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| Plan {
            stage_one: StageOne::new(&primes_up_to(self.b1 as usize), self.b1),
            stage_two: StageTwo::new(self.b1, self.b2, self.giant),
        })
    }
}
