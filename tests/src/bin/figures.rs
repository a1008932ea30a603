//! Measures the performance figures in the README; `scripts/bench-readme` builds everything and runs this
//! program.
//!
//! Compared programs run alternately, several times, and medians are printed.

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{Running, gcd_jobs, runner};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const ROUNDS: usize = 7;

fn main() -> ExitCode {
    let all = [memory(), kills(), sleepers(), overhead()];
    if all.iter().all(|&reached| reached) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(what: &str, figure: &str, wanted: &str, reached: bool) -> bool {
    println!("{what:<72} {figure:>26}   wanted {wanted:<12} {}", if reached { "reached" } else { "MISSED" });
    reached
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Measures the peak memory of the parent for a hundred thousand and for a million jobs.
fn memory() -> bool {
    let inputs = [100_000, 1_000_000].map(gcd_jobs);
    let mut peaks = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for ((jobs, expected), peaks) in inputs.iter().zip(&mut peaks) {
            let mut run = runner(["-w", "2"]).stdin(jobs.clone()).start_with_input();
            let (output, peak) = run.read_watching_memory();
            assert!(output == expected.as_bytes(), "wrong results");
            assert_eq!(run.wait().code(), 0);
            peaks.push(peak as f64);
        }
    }
    let [few, many] = peaks.map(median);
    let megabytes = show(
        "peak memory of the parent, 1,000,000 gcd jobs, 2 workers",
        &format!("{:.1} MiB", many / 1024.0),
        "< 64 MiB",
        many < 65536.0,
    );
    let ratio = many / few;
    show("the same, against 100,000 jobs", &format!("{ratio:.2}"), "0.8 to 1.2", (0.8..=1.2).contains(&ratio))
        && megabytes
}

/// Runs a million jobs while workers are killed at random times.
fn kills() -> bool {
    let (jobs, expected) = gcd_jobs(1_000_000);
    let run = runner(["-w", "2", "--retries", "1000"]).stdin(jobs).start();
    let (output, killed) = kill_workers_until_the_end(run);
    let same = output.text() == expected && output.code() == 0;
    show(
        "1,000,000 gcd jobs with workers killed at random: same bytes",
        &format!("{same}, {killed} killed"),
        "true",
        same && killed > 0,
    )
}

fn kill_workers_until_the_end(mut run: Running) -> (end_to_end::Output, usize) {
    let (mut killed, mut moment) = (0, 1u64);
    run.wait_until("all jobs are done", |run| {
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        thread::sleep(Duration::from_micros(moment >> 49));
        let workers = run.workers();
        if let Some(&pid) = workers.get((moment >> 33) as usize % workers.len().max(1)) {
            killed += usize::from(kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok());
        }
        run.child.try_wait().is_ok_and(|status| status.is_some())
    });
    (run.wait(), killed)
}

/// Runs eight jobs that sleep for a second.
fn sleepers() -> bool {
    let jobs = "{\"op\":\"sleep\",\"seconds\":1}\n".repeat(8);
    let elapsed = |arguments: &[&str]| runner(arguments).stdin(jobs.clone()).run().elapsed.as_secs_f64();
    let side_by_side = median((0..ROUNDS).map(|_| elapsed(&["-w", "8"])).collect());
    let serial = elapsed(&["--executor", "serial"]);
    let reached = show(
        "8 jobs of `sleep 1`, 8 workers",
        &format!("{side_by_side:.2} s"),
        "< 1.3 s",
        side_by_side < 1.3,
    );
    show("the same, serial", &format!("{serial:.2} s"), "8 s", (8.0..8.2).contains(&serial)) && reached
}

/// Compares two hundred CPU-bound jobs on two workers with two concurrent serial runs of half of them.
fn overhead() -> bool {
    let job = "{\"op\":\"factorize\",\"n\":5000000,\"method\":\"trial\"}\n";
    let pool = || runner(["-w", "2"]).stdin(job.repeat(200)).run().elapsed.as_secs_f64();
    let serial = || {
        let start = Instant::now();
        let halves = [0; 2].map(|_| runner(["--executor", "serial"]).stdin(job.repeat(100)).start());
        halves.into_iter().for_each(|half| assert_eq!(half.wait().code(), 0));
        start.elapsed().as_secs_f64()
    };
    let ratios = (0..ROUNDS).map(|round| {
        // Both take turns at running first.
        if round % 2 == 0 {
            let pooled = pool();
            pooled / serial()
        } else {
            let alone = serial();
            pool() / alone
        }
    });
    let ratio = median(ratios.collect());
    show(
        "200 trial jobs of ~10 ms, 2 workers, against two serial halves",
        &format!("{ratio:.3}"),
        "<= 1.04",
        ratio <= 1.04,
    )
}
