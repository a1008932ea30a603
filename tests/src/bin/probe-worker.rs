//! A worker for the tests' jobs: a test's own binary cannot be one.

use end_to_end::{answer::Answer, nest::Nest, probe::Probe, tally::Add};

fn main() {
    pool::enter_if_worker::<Answer>();
    pool::enter_if_worker::<Add>();
    pool::enter_if_worker::<Nest>();
    pool::serve_as_worker::<Probe>()
}
