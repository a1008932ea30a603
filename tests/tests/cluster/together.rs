//! What happens to the batches of a run when another one ends, or when somebody removes them.

#![allow(clippy::unwrap_used)]

use std::{future::Future, io::Write, process::Stdio, time::Duration};

use async_nats::jetstream::{self, Context};
use end_to_end::nats::{Nats, Node, read_lines, wait_until};
use nix::sys::signal::Signal;

/// Sooner than a batch is looked for of which nothing has been heard.
const PROMPTLY: Duration = Duration::from_secs(5);

fn sleeps(seconds: f64, count: usize) -> String {
    format!("{{\"op\":\"sleep\",\"seconds\":{seconds}}}\n").repeat(count)
}

/// Asks the server something behind everybody's back.
fn ask<F: Future>(nats: &Nats, question: impl FnOnce(Context) -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { question(jetstream::new(async_nats::connect(nats.url()).await.unwrap())).await })
}

/// A server on which somebody has made the queue: a run without jobs.
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

/// Ends a node; how many jobs it has run, and what it has said.
fn end(node: Node) -> (u64, String) {
    let (_, log) = node.end(Signal::SIGTERM);
    let words: Vec<&str> = log.lines().last().unwrap().split_whitespace().collect();
    let place = words.iter().position(|&word| word == "jobs").unwrap();
    (words[place - 1].parse().unwrap(), log)
}

#[test]
fn the_end_of_a_run_does_not_hold_up_another_one() {
    let Some(nats) = with_queue() else { return };
    let node = nats.node(&["-w", "1"]);
    let first = nats.call(&["--run-id", "first"]).stdin(sleeps(0.25, 8)).start();
    wait_until("the first run is at work", || nats.status()["in_flight"] != 0);
    let second = nats.call(&["--run-id", "second"]).stdin(sleeps(0.02, 40)).start();
    wait_until("the second run is queued", || waiting_jobs(&nats, "second") >= 40);
    let first = first.wait();
    assert_eq!(first.kinds(), ["ok"; 8], "{}", first.stderr);
    let second = second.wait();
    assert_eq!(second.kinds(), ["ok"; 40], "{}", second.stderr);
    assert!(second.elapsed - Duration::from_secs(2) < PROMPTLY, "{:?}", second.elapsed);
    let (jobs, log) = end(node);
    assert!(jobs == 48 && log.contains(" 0 redelivered"), "{log}");
}

#[test]
fn a_run_that_is_stopped_takes_back_its_own_batches_only() {
    let Some(nats) = with_queue() else { return };
    let node = nats.node(&["-w", "1"]);
    let first = nats.call(&["--run-id", "first"]).stdin(sleeps(0.25, 40)).start();
    wait_until("the first run is at work", || nats.status()["in_flight"] != 0);
    let second = nats.call(&["--run-id", "second"]).stdin(sleeps(0.02, 40)).start();
    wait_until("both are queued", || waiting_jobs(&nats, "second") >= 40);
    first.signal(Signal::SIGINT);
    let first = first.wait();
    assert_eq!(first.signal(), Signal::SIGINT as i32, "{}", first.stderr);
    assert_eq!(waiting_jobs(&nats, "first"), 0);
    let second = second.wait();
    assert_eq!(second.kinds(), ["ok"; 40], "{}", second.stderr);
    assert!(second.elapsed < PROMPTLY + Duration::from_secs(3), "{:?}", second.elapsed);
    let (jobs, log) = end(node);
    assert!(jobs < 80 && log.contains(" 0 redelivered"), "{log}");
}

#[test]
fn the_removal_of_a_run_does_not_hold_up_another_one() {
    let Some(nats) = with_queue() else { return };
    let node = nats.node(&["-w", "1"]);
    assert_eq!(nats.call(&["--run-id", "first"]).stdin(sleeps(0.0, 8)).run().code(), 0);
    let second = nats.call(&["--run-id", "second"]).stdin(sleeps(0.05, 40)).start();
    wait_until("the second run is at work", || nats.status()["in_flight"] != 0);
    assert_eq!(nats.call(&["cluster", "clean", "--run-id", "first"]).run().code(), 0);
    let second = second.wait();
    assert_eq!(second.kinds(), ["ok"; 40], "{}", second.stderr);
    assert!(second.elapsed < PROMPTLY, "{:?}", second.elapsed);
    drop(end(node));
}

#[test]
fn batches_that_somebody_removes_are_published_again_all_at_once() {
    let Some(nats) = with_queue() else { return };
    let run = nats.call(&["--run-id", "purged"]).stdin(sleeps(0.01, 400)).start();
    // Of four jobs each, as long as nothing is known of them.
    wait_until("all is queued", || waiting_jobs(&nats, "purged") == 400);
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
fn what_nodes_have_is_waited_for_although_there_were_failures_enough() {
    let Some(nats) = with_queue() else { return };
    let node = nats.node(&["-w", "12", "--allow-command"]);
    let other = nats.call(&["--run-id", "other"]).stdin(sleeps(8.0, 4)).start();
    wait_until("the other run is at work", || nats.status()["in_flight"] == 1);
    // Two batches of four jobs each.
    let failing = "{\"op\":\"command\",\"argv\":[\"/no such program\"]}\n";
    let jobs = [&sleeps(0.5, 1), failing, &sleeps(0.5, 2), &sleeps(1.5, 4)].concat();
    let output = nats.call(&["--run-id", "failing", "--fail-fast"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["ok", "failed", "ok", "ok", "ok", "ok", "ok", "ok"], "{}", output.stderr);
    assert!(output.elapsed < PROMPTLY, "it does not wait for the other run: {:?}", output.elapsed);
    other.signal(Signal::SIGKILL);
    drop(other.wait());
    drop(end(node));
}

#[test]
fn a_wrong_input_leaves_what_the_right_one_has_in_the_queue() {
    let Some(nats) = with_queue() else { return };
    let call = || nats.call(&["--run-id", "known"]);
    let right = call().stdin(sleeps(0.001, 100)).start();
    wait_until("it is queued", || waiting_jobs(&nats, "known") == 100);
    right.signal(Signal::SIGKILL);
    drop(right.wait());
    for (wrong, words) in [
        (sleeps(0.002, 200), "job 0 differs from the one stored for run known"),
        (sleeps(0.001, 50), "the input ended after 50 jobs"),
    ] {
        let output = call().stdin(wrong).run();
        assert_eq!(output.code(), 4, "{}", output.stderr);
        assert!(output.stderr.contains(words), "{}", output.stderr);
        assert_eq!(waiting_jobs(&nats, "known"), 100, "nothing is published, and nothing taken back");
    }
    let node = nats.node(&["-w", "1"]);
    // Another time limit of the run makes no other jobs.
    let output = call().stdin(sleeps(0.001, 100)).with(|command| command.args(["--timeout", "9"])).run();
    assert_eq!(output.kinds(), ["ok"; 100], "{}", output.stderr);
    let again = call().stdin(sleeps(0.001, 100)).run();
    assert_eq!(again.kinds(), ["ok"; 100], "{}", again.stderr);
    assert_eq!(end(node).0, 100, "each job ran once");
}

#[test]
fn jobs_of_a_known_batch_are_not_held_back_for_ever() {
    let Some(nats) = with_queue() else { return };
    let node = nats.node(&["-w", "1"]);
    let call = || nats.call(&["--run-id", "slow"]);
    assert_eq!(call().stdin(sleeps(0.0, 4)).run().code(), 0);
    let mut run = call().with(|command| command.stdin(Stdio::piped())).start_bare();
    let mut input = run.child.stdin.take().unwrap();
    // Their batch has four jobs, and the next ones come only when these have their results.
    input.write_all(sleeps(0.0, 2).as_bytes()).unwrap();
    read_lines(&mut run, 2);
    run.signal(Signal::SIGKILL);
    drop((input, run.wait()));
    drop(end(node));
}

#[test]
fn a_queue_that_is_removed_for_good_ends_its_runs() {
    let Some(nats) = with_queue() else { return };
    let run = nats.call(&["--run-id", "left", "--cluster-timeout", "1"]).stdin(sleeps(0.01, 8)).start();
    wait_until("it is queued", || waiting_jobs(&nats, "left") == 8);
    assert_eq!(nats.call(&["cluster", "clean"]).run().code(), 0);
    let output = run.wait();
    assert_eq!(output.code(), 4, "{}", output.stderr);
    assert!(output.stderr.contains("queue q does not exist"), "{}", output.stderr);
    assert!(output.elapsed < Duration::from_secs(20), "{:?}", output.elapsed);
}
