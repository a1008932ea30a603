//! Points of the sweeps, each of which varies one factor.

mod batch;
mod codec;
mod grain;
mod transport;
mod workers;

use crate::{point::Point, report::Sweep, settings::Settings};

/// The points of a sweep.
pub(crate) fn points(sweep: Sweep, settings: &Settings) -> Vec<Point> {
    match sweep {
        Sweep::Grain => grain::points(settings),
        Sweep::Workers => workers::points(settings),
        Sweep::Batch => batch::points(settings),
        Sweep::Codec => codec::points(settings),
        Sweep::Transport => transport::points(settings),
    }
}
