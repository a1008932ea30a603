//! A program with a pool, for tests of how such a program ends. Its workers are its sibling `probe-worker`.

use std::{
    env, mem,
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use end_to_end::probe::{LIMIT, Probe, builder, marks, processes, threads, until};
use nix::sys::resource::{Resource, setrlimit};
use pool::{Executor, JobFuture, ProcessPool};

fn main() {
    let mut arguments = env::args().skip(1);
    let deed = arguments.next().expect("what to do");
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    match deed.as_str() {
        "return" => drop(busy(&folder)),
        "forget" => mem::forget(busy(&folder)),
        "exit" => leave(busy(&folder), 3),
        "shutdown" => busy(&folder).0.shutdown(false, false),
        "stop" => busy(&folder).0.stop(LIMIT),
        "linger" => linger(&busy(&folder)),
        "work" => work(&processes(1)),
        "work-without-input" => {
            // The number is the next descriptor's then.
            nix::unistd::close(0).expect("standard input is open");
            work(&processes(1));
        }
        "work-until-starved" => note_alloc_failure(),
        "work-on-threads" => work(&threads(1)),
        "workers" => println!("{}", default_workers()),
        "nest" => nest(folder.join("inner")),
        other => panic!("{other} is nothing to do"),
    }
}

type Busy = (ProcessPool<Probe>, Vec<JobFuture<Probe>>);

/// A pool with two running jobs and two waiting ones.
fn busy(folder: &Path) -> Busy {
    let pool = processes(2);
    let hold = || Probe::Hold(folder.join("started"), folder.join("release"));
    let jobs = (0..4).map(|_| pool.submit(hold()).expect("an open pool")).collect();
    until("two jobs run", || marks(&folder.join("started")) == 2);
    println!("busy");
    (pool, jobs)
}

fn leave(_: Busy, code: i32) {
    process::exit(code);
}

fn linger(_: &Busy) {
    thread::sleep(Duration::from_secs(1000));
}

/// Runs three jobs and tells of them.
fn work(pool: &dyn Executor<Probe>) {
    for n in 1..=3 {
        match pool.submit(Probe::Double(n)) {
            Ok(job) => println!("{:?}", job.result(LIMIT)),
            Err(refused) => println!("{refused:?}"),
        }
    }
    pool.shutdown(true, false);
    println!("broken: {:?}", pool.broken());
}

/// Loses its worker when there may be no more threads and processes than its own three and a worker.
fn note_alloc_failure() {
    let pool = builder(1).retries(0).time_limit(LIMIT).build().expect("a pool can be built");
    println!("{:?}", pool.submit(Probe::Double(1)).map(|job| job.result(LIMIT)));
    setrlimit(Resource::RLIMIT_NPROC, 4, 4).expect("a limit can be lowered");
    println!("{:?}", pool.submit(Probe::Exit(1)).map(|job| job.result(LIMIT).is_err()));
    until("the pool cannot go on", || pool.submit(Probe::Double(2)).is_err());
    pool.shutdown(true, false);
    println!("broken: {:?}", pool.broken());
}

/// How many workers a pool has if nobody says.
fn default_workers() -> usize {
    let worker = end_to_end::program("probe-worker");
    ProcessPool::<Probe>::builder().worker_program(worker).build().map_or(0, |pool| pool.workers())
}

/// A job that leaves a pool of its own behind, and a shutdown.
fn nest(file: PathBuf) {
    let pool = processes(1);
    let job = pool.submit(Probe::NestedLeft(4, file)).expect("an open pool");
    println!("{:?}", job.result(LIMIT));
    pool.shutdown(true, false);
    println!("done");
}
