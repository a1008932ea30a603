//! A program that should be its own worker, but has only an entry for another job type.

use std::{env, path::Path};

use end_to_end::{
    probe::{Probe, TIMEOUT, mark},
    tally::Add,
};
use pool::{Executor, ProcessPool};

fn main() {
    pool::enter_if_worker::<Add>();
    let file = env::var_os("BODY").expect("BODY is not set");
    mark(Path::new(&file));
    match ProcessPool::<Probe>::builder().workers(2).build() {
        Ok(pool) => {
            let job = pool.submit(Probe::Double(1)).expect("the pool is closed");
            println!("{:?}", job.result_timeout(TIMEOUT));
            pool.join();
        }
        Err(error) => eprintln!("{error}"),
    }
}
