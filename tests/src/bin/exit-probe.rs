//! A program with a pool, for tests of the exit of such programs. Its workers run `probe-worker`.

use std::{
    env, mem,
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use end_to_end::probe::{Probe, TIMEOUT, builder, line_count, processes, threads, wait_until};
use nix::sys::resource::{Resource, setrlimit};
use pool::{Executor, JobFuture, ProcessPool};

fn main() {
    let mut arguments = env::args().skip(1);
    let action = arguments.next().expect("usage: exit-probe ACTION [DIRECTORY]");
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    match action.as_str() {
        "return" => drop(busy(&folder)),
        "forget" => mem::forget(busy(&folder)),
        "exit" => leave(busy(&folder), 3),
        "shutdown" => busy(&folder).0.close(),
        "stop" => busy(&folder).0.stop(TIMEOUT),
        "linger" => linger(&busy(&folder)),
        "work" => work(&processes(1)),
        "work-without-input" => {
            // The next descriptor then gets this number.
            nix::unistd::close(0).expect("standard input is closed");
            work(&processes(1));
        }
        "exhaust-threads" => exhaust_threads(),
        "work-on-threads" => work(&threads(1)),
        "workers" => println!("{}", default_workers()),
        "nest" => nest(folder.join("inner")),
        other => panic!("unknown action {other}"),
    }
}

type Busy = (ProcessPool<Probe>, Vec<JobFuture<Probe>>);

/// Returns a pool with two running jobs and two waiting ones.
fn busy(folder: &Path) -> Busy {
    let pool = processes(2);
    let hold = || Probe::Hold(folder.join("started"), folder.join("release"));
    let jobs = (0..4).map(|_| pool.submit(hold()).expect("the pool is closed")).collect();
    wait_until("two jobs run", || line_count(&folder.join("started")) == 2);
    println!("busy");
    (pool, jobs)
}

fn leave(_: Busy, code: i32) {
    process::exit(code);
}

fn linger(_: &Busy) {
    thread::sleep(Duration::from_secs(1000));
}

/// Runs three jobs and prints their results.
fn work(pool: &dyn Executor<Probe>) {
    for n in 1..=3 {
        match pool.submit(Probe::Double(n)) {
            Ok(job) => println!("{:?}", job.result_timeout(TIMEOUT)),
            Err(refused) => println!("{refused:?}"),
        }
    }
    pool.join();
    println!("broken: {:?}", pool.broken());
}

/// Loses its worker after the limit on threads and processes was lowered to its own three threads and one
/// worker.
fn exhaust_threads() {
    let pool = builder(1).retries(0).time_limit(TIMEOUT).build().expect("cannot build the pool");
    println!("{:?}", pool.submit(Probe::Double(1)).map(|job| job.result_timeout(TIMEOUT)));
    setrlimit(Resource::RLIMIT_NPROC, 4, 4).expect("cannot lower the limit");
    println!("{:?}", pool.submit(Probe::Exit(1)).map(|job| job.result_timeout(TIMEOUT).is_err()));
    wait_until("the pool is broken", || pool.submit(Probe::Double(2)).is_err());
    pool.join();
    println!("broken: {:?}", pool.broken());
}

/// Returns the default number of workers of a pool.
fn default_workers() -> usize {
    let worker = end_to_end::program("probe-worker");
    ProcessPool::<Probe>::builder().worker_program(worker).build().map_or(0, |pool| pool.workers())
}

/// Runs a job that leaks a nested pool, and shuts down.
fn nest(file: PathBuf) {
    let pool = processes(1);
    let job = pool.submit(Probe::NestedLeft(4, file)).expect("the pool is closed");
    println!("{:?}", job.result_timeout(TIMEOUT));
    pool.join();
    println!("done");
}
