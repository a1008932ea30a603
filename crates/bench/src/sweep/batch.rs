//! The sweep over sizes of batches.

use std::num::NonZeroU64;

use crate::{
    candidate::Candidate,
    point::{Point, US},
    report::Sweep,
    settings::Settings,
};

/// The size that the pool chooses and several fixed ones, for jobs of 1 us.
pub(super) fn points(settings: &Settings) -> Vec<Point> {
    let sizes: &[u64] = if settings.quick { &[1, 100, 10_000] } else { &[1, 10, 100, 1000, 10_000] };
    let fixed = sizes.iter().map(|&size| NonZeroU64::new(size));
    let point = |batch| Point {
        sweep: Sweep::Batch,
        grain_ns: US,
        bytes: 0,
        candidates: vec![Candidate::processes(settings.workers).with_batch(batch)],
    };
    std::iter::once(None).chain(fixed).map(point).collect()
}
