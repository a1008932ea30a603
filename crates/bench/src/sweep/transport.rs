//! The sweep over transports.

use pool::settings::Transport;

use crate::{
    candidate::Candidate,
    point::{Point, US},
    report::Sweep,
    settings::Settings,
};

const TRANSPORTS: [Transport; 2] = [Transport::Rings, Transport::Channel];

/// Work in the smallest jobs, in nanoseconds: less than either transport adds.
const SMALLEST: f64 = 50.0;

/// Grains from the smallest to 1 ms, then round trips, with both transports in the same rounds.
pub(super) fn points(settings: &Settings) -> Vec<Point> {
    let grains: &[f64] = if settings.quick {
        &[SMALLEST, 10.0 * US, 1000.0 * US]
    } else {
        &[SMALLEST, US, 10.0 * US, 100.0 * US, 1000.0 * US]
    };
    let candidates =
        || TRANSPORTS.map(|transport| Candidate::processes(settings.workers).with_transport(transport));
    let point = |grain_ns, candidates| Point { sweep: Sweep::Transport, grain_ns, bytes: 0, candidates };
    let throughput = grains.iter().map(|&grain_ns| point(grain_ns, candidates().to_vec()));
    let round_trips = point(SMALLEST, candidates().map(Candidate::one_in_flight).to_vec());
    throughput.chain([round_trips]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_transports_run_jobs_of_all_grains_and_round_trips_in_the_same_rounds() {
        let points = points(&Settings::with_defaults(false));
        let grains: Vec<f64> = points.iter().map(|point| point.grain_ns).collect();
        assert_eq!(grains, [50.0, 1e3, 1e4, 1e5, 1e6, 50.0]);
        for point in &points {
            let transports: Vec<_> = point.candidates.iter().map(|candidate| candidate.transport).collect();
            assert_eq!(transports, [Some(Transport::Rings), Some(Transport::Channel)]);
        }
        let one_in_flight =
            points.iter().map(|point| point.candidates.iter().all(|candidate| candidate.one_in_flight));
        assert_eq!(one_in_flight.collect::<Vec<_>>(), [false, false, false, false, false, true]);
    }
}
