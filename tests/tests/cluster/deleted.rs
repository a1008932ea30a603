//! Deletion of streams, consumers and chunks of messages: they are created again, or the run ends with the
//! cause. Also the removal of a run that nodes are working on.

use std::{
    fs::{self, File},
    thread,
    time::Duration,
};

use end_to_end::{
    Running, gcd_jobs,
    nats::{Nats, Node, wait_until},
    shell_jobs,
};
use nix::sys::signal::Signal;

/// Time for the check of the server every 5 s, and for the recovery.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(14);

const CREATED_AGAIN: &str = "has been created again";

fn sleeps(seconds: f64, count: usize) -> String {
    format!("{{\"op\":\"sleep\",\"seconds\":{seconds}}}\n").repeat(count)
}

/// Starts a node that works on a run of 40 jobs, most of them queued.
fn node_with_run() -> Option<(Nats, Node, Running)> {
    let nats = Nats::start()?;
    let node = nats.node(&["-w", "1"]);
    let run = nats.call(&["--run-id", "r"]).stdin(sleeps(0.06, 40)).start();
    node.wait_for_log("of run r");
    Some((nats, node, run))
}

fn delete_stream(nats: &Nats, name: &str) {
    nats.jetstream(async |context| context.delete_stream(name).await.unwrap());
}

fn delete_consumer(nats: &Nats) {
    nats.jetstream(async |context| {
        let jobs = context.get_stream("RUNNER_q_JOBS").await.unwrap();
        jobs.delete_consumer("nodes").await.unwrap();
    });
}

/// Checks that all jobs soon have results and that the node has logged the recovery.
fn expect_all(node: Node, run: Running) {
    let output = run.wait();
    assert_eq!(output.kinds(), ["ok"; 40], "{}\n{}", output.stderr, node.log());
    assert!(output.elapsed < RECOVERY_TIMEOUT, "{:?}", output.elapsed);
    let (_, log) = node.end(Signal::SIGTERM);
    assert!(log.contains(CREATED_AGAIN), "{log}");
}

#[test]
fn deleted_consumer_is_created_again() {
    let Some((nats, node, run)) = node_with_run() else { return };
    delete_consumer(&nats);
    expect_all(node, run);
}

#[test]
fn consumer_deleted_while_nodes_are_idle_or_busy_is_created_again() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "1"]);
    delete_consumer(&nats);
    let (jobs, expected) = gcd_jobs(100);
    let output = nats.call(&[]).stdin(jobs).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), &*expected, "{}", output.stderr);
    assert!(output.elapsed < RECOVERY_TIMEOUT, "{:?}", output.elapsed);
    // The node has all batches that it requested, so no request is pending that the server could reject.
    let run = nats.call(&["--run-id", "r"]).stdin(sleeps(2.0, 1) + &sleeps(0.0, 39)).start();
    wait_until("the node has received batches", || nats.status()["in_flight"].as_u64() >= Some(1));
    delete_consumer(&nats);
    expect_all(node, run);
}

#[test]
fn deleted_stream_of_jobs_is_created_and_filled_again() {
    let Some((nats, node, run)) = node_with_run() else { return };
    delete_stream(&nats, "RUNNER_q_JOBS");
    expect_all(node, run);
}

#[test]
fn deleted_stream_of_results_is_created_again_and_its_jobs_rerun() {
    let Some((nats, node, run)) = node_with_run() else { return };
    delete_stream(&nats, "RUNNER_q_RESULTS");
    expect_all(node, run);
}

#[test]
fn deleted_stream_of_quarantine_notes_is_created_again() {
    let Some((nats, node, run)) = node_with_run() else { return };
    delete_stream(&nats, "RUNNER_q_QUARANTINE");
    node.wait_for_log(CREATED_AGAIN);
    expect_all(node, run);
    assert_eq!(nats.status()["quarantined"], serde_json::json!([]));
}

/// Deletes a stream of a queue without nodes, and checks that its run ends with the cause.
fn expect_end(stream: &str, words: &str) {
    let Some(nats) = Nats::start() else { return };
    let run = nats.call(&["--run-id", "r", "--cluster-timeout", "8"]).stdin(sleeps(0.01, 8)).start();
    wait_until("the run is queued", || {
        let status = nats.call(&["cluster", "status", "--json"]).run();
        status.text().contains("\"waiting_jobs\":8")
    });
    delete_stream(&nats, stream);
    let output = run.wait();
    assert_eq!(output.code(), 4, "{}", output.stderr);
    assert!(output.stderr.contains(words), "{}", output.stderr);
    // The timeout starts when the stream was last found.
    assert!(output.elapsed < RECOVERY_TIMEOUT, "{stream}: {:?}", output.elapsed);
    // The rest of the queue can be removed.
    assert_eq!(nats.call(&["cluster", "clean"]).run().code(), 0);
    assert_eq!(nats.call(&["cluster", "clean"]).run().code(), 4);
}

#[test]
fn deleted_stream_without_a_node_ends_the_run_with_the_cause() {
    thread::scope(|scope| {
        scope.spawn(|| expect_end("RUNNER_q_JOBS", "queue q does not exist"));
        for stream in ["RUNNER_q_RESULTS", "RUNNER_q_QUARANTINE"] {
            scope.spawn(move || {
                expect_end(stream, &format!("stream {stream} of queue q was deleted"));
            });
        }
    });
}

/// Returns a job whose message is sent in several chunks.
fn large_job() -> String {
    let long = "x".repeat(3 << 20);
    serde_json::json!({"op": "command", "argv": ["cat"], "stdin": long}).to_string() + "\n"
}

/// Deletes the second chunk of the first large message in the queue.
fn delete_chunk(nats: &Nats) {
    nats.jetstream(async |context| {
        let results = context.get_stream("RUNNER_q_RESULTS").await.unwrap();
        let piece = results.get_raw_message(2).await.unwrap();
        assert!(piece.subject.starts_with("runner.q.parts.large."), "{}", piece.subject);
        results.delete_message(2).await.unwrap();
    });
}

#[test]
fn batch_with_a_missing_chunk_ends_the_run_which_can_be_resumed() {
    let Some(nats) = Nats::start() else { return };
    let call = || nats.call(&["--run-id", "large"]).stdin(large_job());
    let run = call().start();
    wait_until("the run is queued", || {
        let status = nats.call(&["cluster", "status", "--json"]).run();
        status.text().contains("\"waiting_jobs\":1")
    });
    delete_chunk(&nats);
    let node = nats.node(&["-w", "1", "--allow-command", "--max-output", "8M"]);
    let output = run.wait();
    assert_eq!(output.code(), 4, "{}", output.stderr);
    let words = "cannot read jobs 0 to 0 of run large from the queue: a chunk of the message is missing";
    assert!(output.stderr.contains(words), "{}", output.stderr);
    assert!(output.elapsed < RECOVERY_TIMEOUT, "{:?}", output.elapsed);
    node.wait_for_log("cannot run jobs 0 to 0 of run large");
    let output = call().run();
    assert_eq!(output.kinds(), ["ok"], "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
}

#[test]
fn result_with_a_missing_chunk_ends_the_run() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "1", "--allow-command", "--max-output", "8M"]);
    let job = "{\"op\":\"command\",\"argv\":[\"sh\",\"-c\",\"yes | head -c 3000000\"]}\n";
    let call = || nats.call(&["--run-id", "large"]).stdin(job);
    assert_eq!(call().run().kinds(), ["ok"]);
    delete_chunk(&nats);
    let output = call().run();
    assert_eq!(output.code(), 4, "{}", output.stderr);
    assert!(output.stderr.contains("a chunk of the message is missing"), "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
}

/// Starts a node that works on the run `r`, whose jobs last until the file `end` exists.
fn node_with_held_jobs() -> Option<(Nats, Node, Running)> {
    let nats = Nats::start()?;
    let node = nats.node(&["-w", "1", "--allow-command"]);
    let wait = format!("until [ -e {} ]; do sleep 0.01; done", nats.path("end").display());
    let run = nats.call(&["--run-id", "r"]).stdin(shell_jobs(&[&*wait; 12])).start();
    wait_until("the node has received a batch", || nats.status()["in_flight"].as_u64() >= Some(1));
    Some((nats, node, run))
}

/// Removes the run `r` and checks that another run of that name gets its own results.
fn expect_no_trace(nats: &Nats, node: Node) {
    let stderr = nats.path("stderr");
    let file = File::create(&stderr).unwrap();
    let clean = nats.call(&["cluster", "clean", "--run-id", "r"]).with(|c| c.stderr(file)).start();
    wait_until("it reports that it waits", || {
        fs::read_to_string(&stderr)
            .unwrap()
            .contains("waiting for messages of the run that nodes are processing")
    });
    fs::write(nats.path("end"), "").unwrap();
    assert_eq!(clean.wait().code(), 0, "{}", fs::read_to_string(&stderr).unwrap());
    assert_eq!(nats.status()["runs"], serde_json::json!([]), "{}", node.log());
    let (jobs, expected) = gcd_jobs(100);
    let output = nats.call(&["--run-id", "r"]).stdin(jobs).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), &*expected, "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
}

#[test]
fn removal_of_a_run_waits_for_batches_of_nodes() {
    let Some((nats, node, run)) = node_with_held_jobs() else { return };
    run.signal(Signal::SIGKILL);
    drop(run.wait());
    expect_no_trace(&nats, node);
}

#[test]
fn removal_of_an_interrupted_run_waits_for_batches_of_nodes() {
    let Some((nats, node, run)) = node_with_held_jobs() else { return };
    run.signal(Signal::SIGINT);
    drop(run.wait());
    // The queue is empty, but the node is still working.
    assert_eq!(nats.status()["runs"], serde_json::json!([]));
    expect_no_trace(&nats, node);
}

#[test]
fn removal_of_a_run_does_not_wait_for_a_dead_node() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "1"]);
    let run = nats.call(&["--run-id", "r"]).stdin(sleeps(50.0, 8)).start();
    wait_until("the node has received a batch", || nats.status()["in_flight"].as_u64() >= Some(1));
    for running in [run, node.running] {
        running.signal(Signal::SIGKILL);
        drop(running.wait());
    }
    let clean = nats.call(&["cluster", "clean", "--run-id", "r"]).run();
    assert_eq!(clean.code(), 0, "{}", clean.stderr);
    assert!(clean.elapsed < Duration::from_secs(10), "{:?}", clean.elapsed);
    assert_eq!(nats.status()["runs"], serde_json::json!([]));
}
