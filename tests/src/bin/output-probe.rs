//! A program that prints a JSON record, whose jobs print, too.
//!
//! `output-probe [STDOUT STDERR]` sets where the streams of the workers go: `inherit`, `stderr`, `null` or
//! `capture`.

use std::env;

use end_to_end::printing::{Printing, printers, run};
use pool::{Executor, output::WorkerStdio};

fn main() {
    pool::enter_if_worker::<Printing>();
    let streams: Vec<WorkerStdio> = env::args().skip(1).map(|name| by_name(&name)).collect();
    let mut builder = printers(1);
    if let [stdout, stderr] = streams[..] {
        builder = builder.stdout(stdout).stderr(stderr);
    }
    let pool = builder.build().expect("cannot build the pool");
    run(&pool, Printing::Out("out\n".to_owned()));
    run(&pool, Printing::Err("err\n".to_owned()));
    run(&pool, Printing::Shell("echo child; echo child-err >&2".to_owned()));
    pool.join();
    println!("{{\"jobs\":3}}");
}

fn by_name(name: &str) -> WorkerStdio {
    match name {
        "inherit" => WorkerStdio::Inherit,
        "stderr" => WorkerStdio::Stderr,
        "null" => WorkerStdio::Null,
        "capture" => WorkerStdio::Capture,
        other => panic!("unknown setting {other}"),
    }
}
