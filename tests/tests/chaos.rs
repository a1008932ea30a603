//! Runs among signals that come at random. `scripts/chaos` runs them at full length.

#![allow(clippy::unwrap_used)]

use std::{
    thread,
    time::{Duration, Instant},
};

use end_to_end::{KILL_WORKER, Kept, Logged, gcd_jobs, runner, shell_jobs};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

fn at_full_length() -> bool {
    std::env::var_os("CHAOS").is_some_and(|length| length == "full")
}

/// A count for the suite, or the one that is promised.
fn count(short: u64, full: u64) -> u64 {
    if at_full_length() { full } else { short }
}

/// Random numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// One of the living workers.
    fn pick(&mut self, workers: &[i32]) -> Option<i32> {
        (!workers.is_empty()).then(|| workers[self.below(workers.len() as u64) as usize])
    }
}

fn send(pid: i32, signal: Signal) {
    // It may be gone by now.
    let _ = kill(Pid::from_raw(pid), signal);
}

#[test]
fn workers_killed_stopped_and_continued_change_no_byte() {
    let (jobs, expected) = gcd_jobs(count(150_000, 1_000_000));
    let mut run = runner(["-w", "8", "--retries", "1000"]).stdin(jobs).start();
    let (mut dice, mut killed, mut stopped, mut standing) = (Dice(7), 0, 0, None);
    run.until("all is done", |run| {
        // A rate is asked for, so there is no event to wait for.
        thread::sleep(Duration::from_millis(20));
        if let Some(pid) = standing.take() {
            send(pid, Signal::SIGCONT);
        }
        let workers = run.workers();
        if let Some(pid) = dice.pick(&workers) {
            send(pid, Signal::SIGKILL);
            killed += 1;
        }
        if let Some(pid) = dice.pick(&workers) {
            send(pid, Signal::SIGSTOP);
            (standing, stopped) = (Some(pid), stopped + 1);
        }
        run.child.try_wait().unwrap().is_some()
    });
    let output = run.wait();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert!(output.text() == expected, "the output differs");
    println!("{killed} workers killed, {stopped} stopped and continued: {}", output.stderr.trim());
}

#[test]
fn a_run_that_is_killed_again_and_again_is_finished_in_the_end() {
    let rounds = count(10, 100);
    let kept = Kept::new();
    let jobs = Logged::new(&kept, rounds as usize * 20);
    let arguments = ["-w", "2", "--allow-command"];
    let (mut dice, mut killed) = (Dice(11), 0);
    for _ in 0..rounds {
        let mut run = kept.resume(&arguments).stdin(jobs.jobs.clone()).start();
        let wanted = kept.length() + dice.below(1_500);
        run.until("some more is recorded", |run| {
            kept.length() > wanted || run.child.try_wait().unwrap().is_some()
        });
        thread::sleep(Duration::from_micros(dice.below(8_000)));
        let _ = run.child.kill();
        // That no orphan is left a second later is proven by the harness.
        killed += u32::from(run.wait().signal() == 9);
    }
    let recorded = kept.recorded();
    let before = jobs.runs();
    let output = kept.resume(&arguments).stdin(jobs.jobs.clone()).run();
    assert_eq!((output.code(), output.text() == jobs.expected), (0, true), "{}", output.stderr);
    let after = jobs.runs();
    assert!(recorded.iter().all(|position| before[position] == after[position]), "a recorded job ran again");
    println!("killed {killed} times");
}

#[test]
fn an_interrupt_at_any_moment_ends_a_run_in_time_with_whole_lines_and_a_whole_journal() {
    let (jobs, expected) = gcd_jobs(60_000);
    let slow = "{\"op\":\"sleep\",\"seconds\":1000}\n".repeat(4);
    let (mut dice, mut slowest) = (Dice(13), Duration::ZERO);
    for round in 0..count(6, 100) {
        let kept = Kept::new();
        // Every third is interrupted while jobs run that do not end by themselves.
        let input = if round % 3 == 0 { format!("{slow}{jobs}") } else { jobs.clone() };
        let run = kept.runner(&["-w", "2"]).stdin(input.clone()).start();
        thread::sleep(Duration::from_micros(dice.below(120_000)));
        let start = Instant::now();
        send(run.pid(), Signal::SIGINT);
        let output = run.wait();
        slowest = slowest.max(start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        assert!(output.text().is_empty() || output.text().ends_with('\n'), "a torn line");
        // Parsing fails if a line is not whole.
        let records = output.records();
        assert!(records.iter().zip(0..).all(|(record, id)| record["id"] == id), "out of order");
        if round % 3 > 0 {
            let output = kept.resume(&["-w", "2"]).stdin(input).run();
            assert_eq!((output.code(), output.text() == expected), (0, true), "{}", output.stderr);
        }
    }
    println!("the slowest end took {slowest:?}");
}

#[test]
fn bad_jobs_among_good_ones_harm_only_themselves() {
    let storm: Vec<String> = (0..count(40, 400))
        .map(|n| format!("for i in 1 2 3 4 5; do (exit 0) & done; wait; echo {n}"))
        .collect();
    let storm: Vec<&str> = storm.iter().map(String::as_str).collect();
    let bad = shell_jobs(&[
        &format!("{KILL_WORKER} # poison"),
        "while :; do :; done # hangs",
        "head -c 3000000000 /dev/zero # leaks into its worker",
    ]);
    let good = "{\"op\":\"gcd\",\"a\":12,\"b\":18}\n".repeat(2_000);
    let jobs = format!("{good}{bad}{good}{}{good}", shell_jobs(&storm));
    let arguments =
        ["-w", "2", "--allow-command", "--timeout", "3", "--max-memory", "128M", "--max-output", "4G"];
    let output = runner(arguments).stdin(jobs).run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    let kinds = output.kinds();
    let failed: Vec<(usize, &str)> = kinds
        .iter()
        .enumerate()
        .filter(|(_, kind)| *kind != "ok")
        .map(|(id, kind)| (id, kind.as_str()))
        .collect();
    assert_eq!(failed, [(2000, "crashed"), (2001, "timeout"), (2002, "memory")], "{}", output.stderr);
    assert_eq!(kinds.len(), 6_003 + storm.len());
}
