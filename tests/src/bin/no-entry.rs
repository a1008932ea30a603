//! A program that means to be its own worker and forgot to say so at the start of `main`.

use std::{env, path::Path};

use end_to_end::probe::{LIMIT, Probe, mark};
use pool::{Executor, ProcessPool};

fn main() {
    let file = env::var_os("BODY").expect("the name of a file");
    mark(Path::new(&file));
    match ProcessPool::<Probe>::builder().workers(2).build() {
        Ok(pool) => {
            let job = pool.submit(Probe::Double(1)).expect("an open pool");
            println!("{:?}", job.result(LIMIT));
            pool.shutdown(true, false);
        }
        Err(error) => eprintln!("{error}"),
    }
}
