//! A worker that serves before `main`, for jobs that attempt what a sandbox forbids.

use end_to_end::hostile::{Attempt, Threaded};

pool::worker!(Attempt);
pool::worker!(Threaded);

fn main() {}
