//! Worker for the job types of the tests, so that test binaries need not call `enter_if_worker` themselves.

use end_to_end::{
    answer::Answer, bad_serde::FailingJob, blob::Blob, large_data::Large, probe::Probe, stateful::Inspect,
    tally::Add,
};

#[global_allocator]
static ALLOCATOR: pool::worker::WatchedAllocator = pool::worker::WatchedAllocator::system();

fn main() {
    pool::enter_if_worker::<Add>();
    pool::enter_if_worker::<Answer>();
    pool::enter_if_worker::<Blob>();
    pool::enter_if_worker::<Inspect>();
    pool::enter_if_worker::<Large>();
    pool::enter_if_worker::<FailingJob>();
    pool::worker::serve_as_worker::<Probe>()
}
