//! Status and removal of queues, nodes that leave, and quarantine of batches.

use std::time::Duration;

use end_to_end::{
    gcd_jobs,
    nats::{Nats, wait_until},
    shell_jobs,
};
use nix::sys::signal::Signal;

/// Script that kills its node: the parent of the leader of its process group.
const KILL_NODE: &str =
    "kill -KILL $(cut -d ' ' -f 4 /proc/$(cut -d ' ' -f 5 /proc/$$/stat)/stat); sleep 100";

#[test]
fn batch_that_kills_its_nodes_is_quarantined() {
    let Some(nats) = Nats::start() else { return };
    let node = || nats.node(&["-w", "1", "--allow-command", "--ack-wait", "0.5", "--max-deliveries", "2"]);
    let first = node();
    let run = nats.call(&["--run-id", "deadly"]).stdin(shell_jobs(&[KILL_NODE])).start();
    for node in [first, node()] {
        assert_eq!(node.running.wait().signal(), Signal::SIGKILL as i32);
    }
    let judge = node();
    let output = run.wait();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    let error = &output.records()[0]["error"];
    assert_eq!((&error["kind"], &error["attempts"]), (&"crashed".into(), &2.into()));
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("quarantined: delivered 2 times") && message.contains("job 0 of run deadly"),
        "{message}"
    );
    let status = nats.status();
    assert_eq!(
        status["quarantined"],
        serde_json::json!([{"run": "deadly", "first_job": 0, "last_job": 0}]),
        "{status}"
    );
    let (_, log) = judge.end(Signal::SIGTERM);
    assert!(log.contains("quarantined jobs 0 to 0 of run deadly"), "{log}");
}

#[test]
fn status_lists_nodes_runs_and_waiting_jobs() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "2"]);
    let (jobs, _) = gcd_jobs(100);
    assert_eq!(nats.call(&["--run-id", "done"]).stdin(jobs).run().code(), 0);
    let status = nats.status();
    assert_eq!(status["nodes"].as_array().unwrap().len(), 1, "{status}");
    assert_eq!((&status["nodes"][0]["workers"], &status["nodes"][0]["jobs_done"]), (&2.into(), &100.into()));
    assert_eq!((&status["queued"], &status["in_flight"]), (&0.into(), &0.into()), "{status}");
    assert_eq!((&status["runs"][0]["run"], &status["runs"][0]["stored_jobs"]), (&"done".into(), &100.into()));
    let text = nats.call(&["cluster", "status"]).run();
    assert!(text.text().contains("protocol 1, job type builtin"), "{}", text.text());
    drop(node.end(Signal::SIGTERM));
    assert_eq!(nats.status()["nodes"], serde_json::json!([]), "the node is still listed");
}

#[test]
fn runs_and_queues_are_removed_only_on_request() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "1"]);
    let (jobs, expected) = gcd_jobs(20);
    for run in ["one", "two"] {
        assert_eq!(nats.call(&["--run-id", run]).stdin(jobs.clone()).run().code(), 0);
    }
    let clean = nats.call(&["cluster", "clean", "--run-id", "one"]).run();
    assert_eq!(clean.code(), 0, "{}", clean.stderr);
    let runs = nats.status()["runs"].clone();
    assert_eq!((runs.as_array().unwrap().len(), &runs[0]["run"]), (1, &"two".into()));
    assert_eq!(nats.call(&["cluster", "clean"]).run().code(), 0);
    assert_eq!(nats.call(&["cluster", "status"]).run().code(), 4, "the queue still exists");
    // The node continues to serve as soon as the queue exists again.
    let output = nats.call(&["--run-id", "one"]).stdin(jobs).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), &*expected, "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
}

#[test]
fn run_that_ends_or_is_stopped_does_not_affect_others() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "1"]);
    let jobs = |count| "{\"op\":\"sleep\",\"seconds\":0.05}\n".repeat(count);
    let long = nats.call(&["--run-id", "long"]).stdin(jobs(100)).start();
    node.wait_for_log("of run long");
    assert_eq!(nats.call(&["--run-id", "short"]).stdin("").run().code(), 0);
    let stopped = nats.call(&["--run-id", "stopped"]).stdin(jobs(100)).start();
    wait_until("the run is queued", || {
        let status = nats.status();
        let runs = status["runs"].as_array().unwrap();
        runs.iter().any(|run| run["run"] == "stopped" && run["waiting_jobs"].as_u64() >= Some(50))
    });
    stopped.signal(Signal::SIGINT);
    assert_eq!(stopped.wait().signal(), Signal::SIGINT as i32);
    let output = long.wait();
    assert_eq!(output.kinds(), ["ok"; 100], "{}", output.stderr);
    // No batch had to time out first.
    assert!(output.elapsed < Duration::from_secs(9), "{:?}", output.elapsed);
    let (_, log) = node.end(Signal::SIGTERM);
    assert!(log.contains(" 0 redelivered, 0 too late"), "{log}");
}

#[test]
fn leaving_node_hands_back_unfinished_batches() {
    let Some(nats) = Nats::start() else { return };
    let leaving = nats.node(&["-w", "1"]);
    let jobs = "{\"op\":\"sleep\",\"seconds\":6}\n{\"op\":\"sum\",\"n\":4}\n{\"op\":\"sum\",\"n\":4}\n";
    let run = nats.call(&[]).stdin(jobs).start();
    wait_until("the node has received the batch", || nats.status()["in_flight"] == 1);
    let (output, log) = leaving.end(Signal::SIGTERM);
    assert_eq!(output.signal(), Signal::SIGTERM as i32);
    assert!(output.elapsed < Duration::from_secs(15) && log.contains(" 1 handed back"), "{log}");
    // Redelivered immediately, not after the ack wait of 30 seconds.
    let other = nats.node(&["-w", "1"]);
    let output = run.wait();
    assert_eq!(output.kinds(), ["ok"; 3], "{}", output.stderr);
    assert!(output.elapsed < Duration::from_secs(25), "{:?}", output.elapsed);
    let (_, log) = other.end(Signal::SIGTERM);
    assert!(log.contains("stopped: 3 jobs in 1 messages"), "{log}");
}

#[test]
fn stopped_submitter_withdraws_queued_jobs_and_can_resume() {
    let Some(nats) = Nats::start() else { return };
    let jobs = "{\"op\":\"sleep\",\"seconds\":0.2}\n".repeat(60);
    let node = nats.node(&["-w", "1"]);
    let run = nats.call(&["--run-id", "stopped"]).stdin(jobs.clone()).start();
    node.wait_for_log("of run stopped");
    run.signal(Signal::SIGINT);
    let output = run.wait();
    assert_eq!(output.signal(), Signal::SIGINT as i32, "{}", output.stderr);
    assert_eq!(output.kinds().len(), 60, "{}", output.stderr);
    assert!(output.elapsed < Duration::from_secs(10), "{:?}", output.elapsed);
    let done = output.kinds().iter().filter(|kind| *kind == "ok").count();
    assert!((1..60).contains(&done), "{done}");
    let status = nats.status();
    assert_eq!(status["queued"], 0, "{status}");
    let output = nats.call(&["--run-id", "stopped"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["ok"; 60], "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
}

#[test]
fn batches_longer_than_the_ack_wait_are_not_redelivered() {
    let Some(nats) = Nats::start() else { return };
    let nodes = [nats.node(&["-w", "1", "--ack-wait", "0.6"]), nats.node(&["-w", "1"])];
    let output = nats.call(&[]).stdin("{\"op\":\"sleep\",\"seconds\":2}\n").run();
    assert_eq!(output.kinds(), ["ok"]);
    for node in nodes {
        let (_, log) = node.end(Signal::SIGTERM);
        assert!(log.contains(" 0 redelivered"), "{log}");
    }
}

#[test]
fn nodes_adapt_to_a_shorter_ack_wait() {
    let Some(nats) = Nats::start() else { return };
    let first = nats.node(&["-w", "1"]);
    let run = nats.call(&[]).stdin("{\"op\":\"sleep\",\"seconds\":3}\n").start();
    wait_until("the node has received the batch", || nats.status()["in_flight"] == 1);
    let second = nats.node(&["-w", "1", "--ack-wait", "0.6"]);
    assert_eq!(run.wait().kinds(), ["ok"]);
    for node in [first, second] {
        let (_, log) = node.end(Signal::SIGTERM);
        assert!(log.contains(" 0 redelivered"), "{log}");
    }
}
