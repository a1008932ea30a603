//! Concurrent runs on one queue: a run is not affected when another one ends, is stopped or is removed.

use std::{future::Future, io::Write, process::Stdio, time::Duration};

use async_nats::jetstream::{self, Context};
use end_to_end::nats::{Nats, Node, read_lines, wait_until};
use nix::sys::signal::Signal;

/// Shorter than the time after which a missing batch is looked for.
const PROMPT: Duration = Duration::from_secs(5);

fn sleeps(seconds: f64, count: usize) -> String {
    format!("{{\"op\":\"sleep\",\"seconds\":{seconds}}}\n").repeat(count)
}

/// Calls a function with a separate connection to the server.
fn ask<F: Future>(nats: &Nats, question: impl FnOnce(Context) -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { question(jetstream::new(async_nats::connect(nats.url()).await.unwrap())).await })
}

/// Starts a server on which a run without jobs has created the queue.
fn with_queue() -> Option<Nats> {
    let nats = Nats::start()?;
    assert_eq!(nats.call(&["--run-id", "none"]).stdin("").run().code(), 0);
    Some(nats)
}

fn waiting_jobs(nats: &Nats, run: &str) -> u64 {
    let runs = nats.status()["runs"].clone();
    let run = runs.as_array().unwrap().iter().find(|one| one["run"] == run).cloned();
    run.map_or(0, |run| run["waiting_jobs"].as_u64().unwrap())
}

/// Stops a node and returns the number of jobs that it has run, and its log.
fn end(node: Node) -> (u64, String) {
    let (_, log) = node.end(Signal::SIGTERM);
    let words: Vec<&str> = log.lines().last().unwrap().split_whitespace().collect();
    let place = words.iter().position(|&word| word == "jobs").unwrap();
    (words[place - 1].parse().unwrap(), log)
}

#[test]
fn end_of_a_run_does_not_delay_another_run() {
    let Some(nats) = with_queue() else { return };
    let node = nats.node(&["-w", "1"]);
    let first = nats.call(&["--run-id", "first"]).stdin(sleeps(0.25, 8)).start();
    wait_until("the first run is being processed", || nats.status()["in_flight"] != 0);
    let second = nats.call(&["--run-id", "second"]).stdin(sleeps(0.02, 40)).start();
    wait_until("the second run is queued", || waiting_jobs(&nats, "second") >= 40);
    let first = first.wait();
    assert_eq!(first.kinds(), ["ok"; 8], "{}", first.stderr);
    let second = second.wait();
    assert_eq!(second.kinds(), ["ok"; 40], "{}", second.stderr);
    assert!(second.elapsed - Duration::from_secs(2) < PROMPT, "{:?}", second.elapsed);
    let (jobs, log) = end(node);
    assert!(jobs == 48 && log.contains(" 0 redelivered"), "{log}");
}

#[test]
fn stopped_run_withdraws_only_its_own_batches() {
    let Some(nats) = with_queue() else { return };
    let node = nats.node(&["-w", "1"]);
    let first = nats.call(&["--run-id", "first"]).stdin(sleeps(0.25, 40)).start();
    wait_until("the first run is being processed", || nats.status()["in_flight"] != 0);
    let second = nats.call(&["--run-id", "second"]).stdin(sleeps(0.02, 40)).start();
    wait_until("both are queued", || waiting_jobs(&nats, "second") >= 40);
    first.signal(Signal::SIGINT);
    let first = first.wait();
    assert_eq!(first.signal(), Signal::SIGINT as i32, "{}", first.stderr);
    assert_eq!(waiting_jobs(&nats, "first"), 0);
    let second = second.wait();
    assert_eq!(second.kinds(), ["ok"; 40], "{}", second.stderr);
    assert!(second.elapsed < PROMPT + Duration::from_secs(3), "{:?}", second.elapsed);
    let (jobs, log) = end(node);
    assert!(jobs < 80 && log.contains(" 0 redelivered"), "{log}");
}

#[test]
fn removal_of_a_run_does_not_delay_another_run() {
    let Some(nats) = with_queue() else { return };
    let node = nats.node(&["-w", "1"]);
    assert_eq!(nats.call(&["--run-id", "first"]).stdin(sleeps(0.0, 8)).run().code(), 0);
    let second = nats.call(&["--run-id", "second"]).stdin(sleeps(0.05, 40)).start();
    wait_until("the second run is being processed", || nats.status()["in_flight"] != 0);
    assert_eq!(nats.call(&["cluster", "clean", "--run-id", "first"]).run().code(), 0);
    let second = second.wait();
    assert_eq!(second.kinds(), ["ok"; 40], "{}", second.stderr);
    assert!(second.elapsed < PROMPT, "{:?}", second.elapsed);
    drop(end(node));
}

#[test]
fn purged_batches_are_published_again_together() {
    let Some(nats) = with_queue() else { return };
    let run = nats.call(&["--run-id", "purged"]).stdin(sleeps(0.01, 400)).start();
    // Four jobs per message, since no job has been measured yet.
    wait_until("all jobs are queued", || waiting_jobs(&nats, "purged") == 400);
    ask(&nats, async |context| {
        let jobs = context.get_stream("RUNNER_q_JOBS").await.unwrap();
        assert_eq!(jobs.purge().await.unwrap().purged, 100);
    });
    let nodes = [nats.node(&["-w", "1"]), nats.node(&["-w", "1"])];
    let output = run.wait();
    assert_eq!(output.kinds(), ["ok"; 400], "{}", output.stderr);
    assert!(output.elapsed < Duration::from_secs(20), "{:?}", output.elapsed);
    let done: u64 = nodes.map(|node| end(node).0).iter().sum();
    assert_eq!(done, 400, "each job ran once");
}

#[test]
fn fail_fast_waits_for_batches_of_nodes() {
    let Some(nats) = with_queue() else { return };
    let node = nats.node(&["-w", "12", "--allow-command"]);
    let other = nats.call(&["--run-id", "other"]).stdin(sleeps(8.0, 4)).start();
    wait_until("the other run is being processed", || nats.status()["in_flight"] == 1);
    // Two messages of four jobs each.
    let failing = "{\"op\":\"command\",\"argv\":[\"/no such program\"]}\n";
    let jobs = [&sleeps(0.5, 1), failing, &sleeps(0.5, 2), &sleeps(1.5, 4)].concat();
    let output = nats.call(&["--run-id", "failing", "--fail-fast"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["ok", "failed", "ok", "ok", "ok", "ok", "ok", "ok"], "{}", output.stderr);
    assert!(output.elapsed < PROMPT, "waited for the other run: {:?}", output.elapsed);
    other.signal(Signal::SIGKILL);
    drop(other.wait());
    drop(end(node));
}

#[test]
fn wrong_input_does_not_change_the_queue() {
    let Some(nats) = with_queue() else { return };
    let call = || nats.call(&["--run-id", "known"]);
    let right = call().stdin(sleeps(0.001, 100)).start();
    wait_until("the run is queued", || waiting_jobs(&nats, "known") == 100);
    right.signal(Signal::SIGKILL);
    drop(right.wait());
    for (wrong, words) in [
        (sleeps(0.002, 200), "job 0 differs from the one stored for run known"),
        (sleeps(0.001, 50), "the input ended after 50 jobs"),
    ] {
        let output = call().stdin(wrong).run();
        assert_eq!(output.code(), 4, "{}", output.stderr);
        assert!(output.stderr.contains(words), "{}", output.stderr);
        assert_eq!(waiting_jobs(&nats, "known"), 100, "the queue has changed");
    }
    let node = nats.node(&["-w", "1"]);
    // The time limit of the run is not part of the jobs.
    let output = call().stdin(sleeps(0.001, 100)).with(|command| command.args(["--timeout", "9"])).run();
    assert_eq!(output.kinds(), ["ok"; 100], "{}", output.stderr);
    let again = call().stdin(sleeps(0.001, 100)).run();
    assert_eq!(again.kinds(), ["ok"; 100], "{}", again.stderr);
    assert_eq!(end(node).0, 100, "each job ran once");
}

#[test]
fn jobs_of_a_stored_batch_are_not_delayed() {
    let Some(nats) = with_queue() else { return };
    let node = nats.node(&["-w", "1"]);
    let call = || nats.call(&["--run-id", "slow"]);
    assert_eq!(call().stdin(sleeps(0.0, 4)).run().code(), 0);
    let mut run = call().with(|command| command.stdin(Stdio::piped())).start_raw();
    let mut input = run.child.stdin.take().unwrap();
    // Their batch has four jobs, and the next two are written only after the results of these.
    input.write_all(sleeps(0.0, 2).as_bytes()).unwrap();
    read_lines(&mut run, 2);
    run.signal(Signal::SIGKILL);
    drop((input, run.wait()));
    drop(end(node));
}

#[test]
fn removed_queue_ends_its_runs() {
    let Some(nats) = with_queue() else { return };
    let run = nats.call(&["--run-id", "left", "--cluster-timeout", "1"]).stdin(sleeps(0.01, 8)).start();
    wait_until("the run is queued", || waiting_jobs(&nats, "left") == 8);
    assert_eq!(nats.call(&["cluster", "clean"]).run().code(), 0);
    let output = run.wait();
    assert_eq!(output.code(), 4, "{}", output.stderr);
    assert!(output.stderr.contains("queue q does not exist"), "{}", output.stderr);
    assert!(output.elapsed < Duration::from_secs(20), "{:?}", output.elapsed);
}
