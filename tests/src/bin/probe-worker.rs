//! A worker for the job types of the tests, which need not begin with the entry of a worker themselves.

use end_to_end::{answer::Answer, blob::Blob, probe::Probe, stateful::Look, tally::Add, trap::Trapped};

#[global_allocator]
static ALLOCATOR: pool::WatchedAllocator = pool::WatchedAllocator;

fn main() {
    pool::enter_if_worker::<Add>();
    pool::enter_if_worker::<Answer>();
    pool::enter_if_worker::<Blob>();
    pool::enter_if_worker::<Look>();
    pool::enter_if_worker::<Trapped>();
    pool::serve_as_worker::<Probe>()
}
