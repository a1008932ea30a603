//! Runs that end early because of failed jobs or the time limit.

use std::{
    io::{Read, Write},
    process::Stdio,
    time::Duration,
};

use end_to_end::{JournalDir, KILL_WORKER, runner, shell_jobs};
use nix::sys::signal::Signal;

const GOOD: &str = "{\"op\":\"sum\",\"n\":4}\n";
/// Fails without worker processes, since it has a time limit.
const LIMITED: &str = "{\"op\":\"sum\",\"n\":4,\"timeout\":5}\n";

fn sleeping(seconds: f64) -> String {
    format!("{{\"op\":\"sleep\",\"seconds\":{seconds}}}\n")
}

#[test]
fn no_job_starts_after_the_maximum_number_of_failures() {
    let jobs = format!("{GOOD}{LIMITED}{GOOD}{LIMITED}{GOOD}{GOOD}");
    for (arguments, kinds) in [
        (&["--max-failures", "3"][..], &["ok", "failed", "ok", "failed", "ok", "ok"][..]),
        (&["--max-failures", "2"], &["ok", "failed", "ok", "failed"]),
        (&["--max-failures", "1"], &["ok", "failed"]),
        (&["--fail-fast"], &["ok", "failed"]),
    ] {
        let output = runner(arguments).with(|c| c.args(["--executor", "serial"])).stdin(jobs.clone()).run();
        assert_eq!(output.code(), 1);
        assert_eq!(output.kinds(), kinds.iter().map(|&kind| kind.to_owned()).collect::<Vec<_>>());
        assert_eq!(output.stderr.contains("no more jobs are started"), kinds.len() < 6, "{}", output.stderr);
    }
}

#[test]
fn invalid_jobs_are_reported_only_if_they_have_a_record() {
    let jobs = "{\"op\":\"none\"}\n".repeat(200);
    let output = runner(["--executor", "serial", "--fail-fast", "--verbose"]).stdin(jobs).run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    let reported = output.stderr.lines().filter(|line| line.contains("line ")).count();
    assert_eq!(reported, output.records().len(), "{}", output.stderr);
}

#[test]
fn running_jobs_finish_when_no_more_are_started() {
    // Longer than the grace period after a signal.
    let jobs = sleeping(2.6) + &shell_jobs(&[KILL_WORKER]) + &sleeping(1000.0).repeat(50);
    let call = runner(["-w", "2", "--allow-command", "--retries", "0", "--fail-fast", "--batch", "1"]);
    let output = call.stdin(jobs).run();
    let mut kinds = output.kinds();
    // A job may start between the crash and the decision to start no more jobs.
    assert_eq!(output.code(), 1, "{}", output.stderr);
    assert!(kinds.len() >= 2, "{}", output.stderr);
    assert_eq!(kinds.drain(..2).collect::<Vec<_>>(), ["ok", "crashed"]);
    assert!(kinds.iter().all(|kind| kind == "cancelled"), "{kinds:?}");
    assert!(output.stderr.contains("a job did not succeed; no more jobs are started"), "{}", output.stderr);
}

#[test]
fn run_waiting_for_its_last_jobs_can_be_interrupted() {
    let jobs = sleeping(1000.0) + "5\n" + GOOD;
    let mut run = runner(["-w", "2", "--fail-fast"]).with(|c| c.stdin(Stdio::piped())).start_raw();
    let mut input = run.child.stdin.take().unwrap();
    input.write_all(sleeping(1000.0).as_bytes()).unwrap();
    run.wait_until("the worker has started", |run| run.workers().len() == 1);
    run.wait_until_idle();
    input.write_all(&jobs.as_bytes()[sleeping(1000.0).len()..]).unwrap();
    let mut stderr = run.child.stderr.take().unwrap();
    let mut messages = Vec::new();
    while !String::from_utf8_lossy(&messages).contains("no more jobs are started") {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        messages.push(byte[0]);
    }
    run.signal(Signal::SIGINT);
    let output = run.wait();
    assert_eq!(output.signal(), 2);
    assert!(output.elapsed < Duration::from_secs(8), "{:?}", output.elapsed);
}

#[test]
fn first_invalid_job_ends_a_strict_run() {
    let jobs = format!("{GOOD}{GOOD}5\n{GOOD}6\n");
    let output = runner(["--strict", "--executor", "serial"]).stdin(jobs.clone()).run();
    assert_eq!(output.code(), 1);
    assert_eq!(output.kinds(), ["ok", "ok", "invalid"].map(String::from).to_vec());
    assert!(output.stderr.contains("a job is not valid; no more jobs are started"), "{}", output.stderr);
    let output = runner(["--strict", "-w", "2"]).stdin(jobs.clone()).run();
    assert_eq!(output.code(), 1);
    assert_eq!(output.kinds().len(), 3);
    assert_eq!(output.kinds()[2].as_str(), "invalid");
    let output = runner(["--strict", "--dry-run"]).stdin(jobs).run();
    assert_eq!(output.code(), 1);
    assert!(output.stderr.contains("2 jobs (2 sum), 1 invalid"), "{}", output.stderr);
    assert_eq!(runner(["--strict", "-w", "1"]).stdin(GOOD).run().code(), 0);
}

#[test]
fn time_limit_of_a_run_stops_it_like_a_signal() {
    let jobs = format!("{GOOD}{}{}{}{GOOD}", sleeping(1000.0), sleeping(2.0), sleeping(1000.0));
    let output = runner(["-w", "2", "--time-limit", "1", "--batch", "1"]).stdin(jobs).run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    assert_eq!(output.kinds(), ["ok", "cancelled", "ok", "cancelled", "cancelled"]);
    assert!(output.stderr.contains("time limit of 1 s reached; stopping the run"), "{}", output.stderr);
    assert!((3.0..5.0).contains(&output.elapsed.as_secs_f64()), "{:?}", output.elapsed);
}

#[test]
fn time_limit_ends_a_run_waiting_for_input() {
    for executor in ["processes", "threads", "serial"] {
        let call = runner(["-w", "1", "--time-limit", "0.3", "--executor", executor]);
        let mut run = call.with(|c| c.stdin(Stdio::piped())).start_raw();
        let input = run.child.stdin.take();
        let output = run.wait();
        drop(input);
        assert_eq!(output.code(), 1);
        assert!(output.elapsed < Duration::from_secs(2), "{:?}", output.elapsed);
        let output = runner(["-w", "1", "--time-limit", "60", "--executor", executor]).stdin(GOOD).run();
        assert_eq!(output.code(), 0);
        assert_eq!(output.text(), "{\"id\":0,\"ok\":true,\"result\":10}\n");
    }
}

#[test]
fn recorded_failures_do_not_end_a_resumed_run() {
    let dir = JournalDir::new();
    let jobs = format!("{GOOD}{LIMITED}{GOOD}{LIMITED}{GOOD}");
    let arguments = ["--executor", "serial", "--fail-fast"];
    for kinds in
        [&["ok", "failed"][..], &["ok", "failed", "ok", "failed"], &["ok", "failed", "ok", "failed", "ok"]]
    {
        let output = dir.resume(&arguments).stdin(jobs.clone()).run();
        assert_eq!(output.code(), 1);
        assert_eq!(output.kinds(), kinds.iter().map(|&kind| kind.to_owned()).collect::<Vec<_>>());
    }
}
