//! How many jobs should travel together.

use std::num::NonZeroU64;

use super::US;
use crate::{entrant::Entrant, point::Point, report::Sweep, settings::Settings};

/// As many as the pool likes, and fixed numbers, for jobs of a microsecond.
pub(super) fn points(settings: &Settings) -> Vec<Point> {
    let sizes: &[u64] = if settings.quick { &[1, 100, 10_000] } else { &[1, 10, 100, 1000, 10_000] };
    let fixed = sizes.iter().map(|&size| NonZeroU64::new(size));
    let point = |batch| Point {
        sweep: Sweep::Batch,
        grain_ns: US,
        bytes: 0,
        entrants: vec![Entrant::processes(settings.workers).with_batch(batch)],
    };
    std::iter::once(None).chain(fixed).map(point).collect()
}
