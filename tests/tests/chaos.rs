//! Runs that receive signals at random times. `scripts/chaos` runs these tests at full length.

use std::{
    thread,
    time::{Duration, Instant},
};

use end_to_end::{JournalDir, KILL_WORKER, LoggedCommands, gcd_jobs, runner, shell_jobs};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

fn at_full_length() -> bool {
    std::env::var_os("CHAOS").is_some_and(|length| length == "full")
}

/// Returns the count for the normal suite or for `scripts/chaos`.
fn count(short: u64, full: u64) -> u64 {
    if at_full_length() { full } else { short }
}

/// A generator of the same random numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// Picks one of the live workers.
    fn pick(&mut self, workers: &[i32]) -> Option<i32> {
        (!workers.is_empty()).then(|| workers[self.below(workers.len() as u64) as usize])
    }
}

fn send(pid: i32, signal: Signal) {
    // The process may have exited.
    let _ = kill(Pid::from_raw(pid), signal);
}

#[test]
fn killed_and_stopped_workers_do_not_change_the_output() {
    let (jobs, expected) = gcd_jobs(count(150_000, 1_000_000));
    let mut run = runner(["-w", "8", "--retries", "1000"]).stdin(jobs).start();
    let (mut random, mut killed, mut stopped, mut suspended) = (Random(7), 0, 0, None);
    run.wait_until("the run has exited", |run| {
        // The test needs a rate of signals, so there is no event to wait for.
        thread::sleep(Duration::from_millis(20));
        if let Some(pid) = suspended.take() {
            send(pid, Signal::SIGCONT);
        }
        let workers = run.workers();
        if let Some(pid) = random.pick(&workers) {
            send(pid, Signal::SIGKILL);
            killed += 1;
        }
        if let Some(pid) = random.pick(&workers) {
            send(pid, Signal::SIGSTOP);
            (suspended, stopped) = (Some(pid), stopped + 1);
        }
        run.child.try_wait().unwrap().is_some()
    });
    let output = run.wait();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert!(output.text() == expected, "the output differs");
    println!("{killed} workers killed, {stopped} stopped and continued: {}", output.stderr.trim());
}

#[test]
fn killed_and_recycled_workers_run_jobs_of_all_priorities() {
    let (jobs, expected) = gcd_jobs(count(100_000, 1_000_000));
    let mut random = Random(17);
    let mut with_priority = |line: &str| {
        let priority = random.below(7) as i64 - 3;
        format!("{},\"priority\":{priority}}}\n", line.strip_suffix('}').unwrap())
    };
    let jobs: String = jobs.lines().map(&mut with_priority).collect();
    let arguments =
        ["-w", "4", "--retries", "1000", "--max-jobs-per-worker", "3000", "--recycle-rss", "100M"];
    let mut run = runner(arguments).stdin(jobs).start();
    let mut killed = 0;
    run.wait_until("the run has exited", |run| {
        // The test needs a rate of signals, so there is no event to wait for.
        thread::sleep(Duration::from_millis(20));
        if let Some(pid) = random.pick(&run.workers()) {
            send(pid, Signal::SIGKILL);
            killed += 1;
        }
        run.child.try_wait().unwrap().is_some()
    });
    let output = run.wait();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert!(output.text() == expected, "the output differs");
    println!("{killed} workers killed: {}", output.stderr.trim());
}

#[test]
fn repeatedly_killed_run_can_be_completed() {
    let rounds = count(10, 100);
    let dir = JournalDir::new();
    let jobs = LoggedCommands::new(&dir, rounds as usize * 20);
    let arguments = ["-w", "2", "--allow-command"];
    let (mut random, mut killed) = (Random(11), 0);
    for _ in 0..rounds {
        let mut run = dir.resume(&arguments).stdin(jobs.jobs.clone()).start();
        let wanted = dir.length() + random.below(1_500);
        run.wait_until("more jobs are recorded", |run| {
            dir.length() > wanted || run.child.try_wait().unwrap().is_some()
        });
        thread::sleep(Duration::from_micros(random.below(8_000)));
        let _ = run.child.kill();
        // `wait` checks that no orphan is left after a second.
        killed += u32::from(run.wait().signal() == 9);
    }
    let recorded = dir.recorded();
    let before = jobs.runs();
    let output = dir.resume(&arguments).stdin(jobs.jobs.clone()).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert!(output.text() == jobs.expected, "{}", output.stderr);
    let after = jobs.runs();
    assert!(recorded.iter().all(|position| before[position] == after[position]), "a recorded job ran again");
    println!("killed {killed} times");
}

#[test]
fn interrupted_run_ends_in_time_with_complete_output_and_journal() {
    let (jobs, expected) = gcd_jobs(60_000);
    let slow = "{\"op\":\"sleep\",\"seconds\":1000}\n".repeat(4);
    let (mut random, mut slowest) = (Random(13), Duration::ZERO);
    for round in 0..count(6, 100) {
        let dir = JournalDir::new();
        // Every third run is interrupted while jobs run that never end.
        let input = if round % 3 == 0 { format!("{slow}{jobs}") } else { jobs.clone() };
        let run = dir.runner(&["-w", "2"]).stdin(input.clone()).start();
        thread::sleep(Duration::from_micros(random.below(120_000)));
        let start = Instant::now();
        send(run.pid(), Signal::SIGINT);
        let output = run.wait();
        slowest = slowest.max(start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        assert!(output.text().is_empty() || output.text().ends_with('\n'), "a torn line");
        // Parsing fails if a line is incomplete.
        let records = output.records();
        assert!(records.iter().zip(0..).all(|(record, id)| record["id"] == id), "out of order");
        if round % 3 > 0 {
            let output = dir.resume(&["-w", "2"]).stdin(input).run();
            assert_eq!(output.code(), 0, "{}", output.stderr);
            assert!(output.text() == expected, "{}", output.stderr);
        }
    }
    println!("the slowest end took {slowest:?}");
}

#[test]
fn bad_jobs_do_not_affect_good_ones() {
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
