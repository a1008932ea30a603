//! Only batches that kill their nodes are given up.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
};

use end_to_end::{
    nats::{Nats, wait_until},
    shell_jobs,
};
use nix::sys::signal::Signal;

/// Script that kills its node: the parent of the leader of its process group.
const KILL_NODE: &str =
    "sleep 0.5; kill -KILL $(cut -d ' ' -f 4 /proc/$(cut -d ' ' -f 5 /proc/$$/stat)/stat); sleep 100";

/// Returns the kinds of the records in a text.
fn kinds(text: &str) -> Vec<String> {
    let kind = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        record["error"]["kind"].as_str().unwrap_or("ok").to_owned()
    };
    text.lines().map(kind).collect()
}

#[test]
fn only_the_batch_that_kills_its_nodes_is_quarantined() {
    let Some(nats) = Nats::start() else { return };
    let node = || nats.node(&["-w", "4", "--allow-command", "--ack-wait", "0.5", "--max-deliveries", "3"]);
    let mut serving = node();
    let mut run = nats.call(&["--run-id", "beside"]).with(|c| c.stdin(Stdio::piped())).start_raw();
    let mut input = run.child.stdin.take().unwrap();
    let mut output = BufReader::new(run.child.stdout.take().unwrap());
    // After a few long jobs, each message holds one job.
    input.write_all(shell_jobs(&["sleep 0.2"; 4]).as_bytes()).unwrap();
    let mut text = String::new();
    for _ in 0..4 {
        output.read_line(&mut text).unwrap();
    }
    let innocent = "sleep 1.5";
    input.write_all(shell_jobs(&[innocent, innocent, innocent, KILL_NODE]).as_bytes()).unwrap();
    drop(input);
    for _ in 0..3 {
        assert_eq!(serving.running.wait().signal(), Signal::SIGKILL as i32);
        serving = node();
    }
    output.read_to_string(&mut text).unwrap();
    assert_eq!(kinds(&text), ["ok", "ok", "ok", "ok", "ok", "ok", "ok", "crashed"], "{text}");
    drop(run.wait());
    let given_up = serde_json::json!([{"run": "beside", "first_job": 7, "last_job": 7}]);
    assert_eq!(nats.status()["quarantined"], given_up);
    drop(serving.end(Signal::SIGTERM));
}

#[test]
fn long_job_survives_any_number_of_graceful_node_exits() {
    let Some(nats) = Nats::start() else { return };
    let node = || nats.node(&["-w", "1", "--max-deliveries", "3"]);
    let is_held = |nats: &Nats| nats.status()["nodes"][0]["batches_held"] == 1;
    let mut serving = node();
    let run = nats.call(&["--run-id", "long"]).stdin("{\"op\":\"sleep\",\"seconds\":4}\n").start();
    for _ in 0..6 {
        wait_until("the node has received the batch", || is_held(&nats));
        let (_, log) = serving.end(Signal::SIGTERM);
        assert!(log.contains(" 1 handed back"), "{log}");
        serving = node();
    }
    let output = run.wait();
    assert_eq!(output.kinds(), ["ok"], "{}", output.stderr);
    let (_, log) = serving.end(Signal::SIGTERM);
    assert!(log.contains(" 0 quarantined"), "{log}");
}
