//! Nodes, servers and submitters that are killed or disconnected: the output is the same, and each job is
//! stored once.

use std::{
    env, fs, thread,
    time::{Duration, Instant},
};

use end_to_end::{
    gcd_jobs,
    nats::{Nats, Node, Proxy, wait_until},
};
use nix::sys::signal::Signal;

/// Chooses pseudorandomly, in the same way in each run.
fn choose(state: &mut u64, count: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % count
}

#[test]
fn killed_nodes_servers_and_submitters_do_not_change_the_output() {
    let Some(mut nats) = Nats::start() else { return };
    // More than a minute with RUNNER_LONG=1.
    let rounds = if env::var_os("RUNNER_LONG").is_some() { 60 } else { 6 };
    let count = 400 * rounds;
    let jobs: String =
        (0..count).map(|n| format!("{{\"op\":\"sleep\",\"seconds\":0.00{}}}\n", 1 + n % 9)).collect();
    let expected: String =
        (0..count).map(|n| format!("{{\"id\":{n},\"ok\":true,\"result\":0.00{}}}\n", 1 + n % 9)).collect();
    let file = nats.path("jobs");
    fs::write(&file, jobs).unwrap();
    let call = |nats: &Nats| nats.call(&["--run-id", "chaos", file.to_str().unwrap()]);
    let node = |nats: &Nats| nats.node(&["-w", "1", "--ack-wait", "1"]);
    let mut nodes: Vec<Node> = (0..3).map(|_| node(&nats)).collect();
    let (mut state, mut submitter) = (7, Some(call(&nats).start()));
    let mut output = None;
    for round in 0..rounds {
        let start = Instant::now();
        let victim = nodes.swap_remove(choose(&mut state, 3));
        drop(victim.end(Signal::SIGKILL));
        if round == 1 || round == rounds / 2 {
            nats.restart();
        }
        if round == 2 {
            let submitter = submitter.take().unwrap();
            submitter.signal(Signal::SIGKILL);
            drop(submitter.wait());
            output = Some(call(&nats).start());
        }
        nodes.push(node(&nats));
        thread::sleep(Duration::from_secs(1).saturating_sub(start.elapsed()));
    }
    let output = output.unwrap().wait();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert!(output.text() == expected, "the output differs: {}", output.stderr);
    // A killed server loses acknowledgements; messages that it redelivers already have a result.
    wait_until("the queue is empty", || nats.status()["runs"][0]["waiting_jobs"] == 0);
    assert_eq!(nats.status()["runs"][0]["stored_jobs"], count, "each job is stored once");
    nodes.into_iter().for_each(|node| drop(node.end(Signal::SIGTERM)));
}

#[test]
fn purged_batches_are_published_again() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "1"]);
    let count = 600;
    let jobs = "{\"op\":\"sleep\",\"seconds\":0.005}\n".repeat(count);
    let expected: String =
        (0..count).map(|n| format!("{{\"id\":{n},\"ok\":true,\"result\":0.005}}\n")).collect();
    let run = nats.call(&["--run-id", "purged"]).stdin(jobs).start();
    node.wait_for_log("of run purged");
    nats.jetstream(async |jetstream| {
        let purged = jetstream.get_stream("RUNNER_q_JOBS").await.unwrap().purge().await.unwrap();
        // More than are checked at a time.
        assert!(purged.purged > 40, "{}", purged.purged);
    });
    let output = run.wait();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert!(output.text() == expected, "{}", output.stderr);
    assert!(output.elapsed < Duration::from_secs(15), "{:?}", output.elapsed);
    let status = nats.status();
    assert_eq!(status["runs"][0]["stored_jobs"], count, "each job is stored once: {status}");
    drop(node.end(Signal::SIGTERM));
}

#[test]
fn batches_of_a_disconnected_node_are_redone_and_its_late_results_ignored() {
    let Some(nats) = Nats::start() else { return };
    let proxy = Proxy::to(nats.port());
    let call = nats.call(&["node", "-v", "-w", "1", "--ack-wait", "1"]);
    let far = Node::start(call.with(|command| command.env("RUNNER_CLUSTER", proxy.url())), &nats.path(""));
    let jobs = "{\"op\":\"sleep\",\"seconds\":0.2}\n".repeat(20);
    let run = nats.call(&["--run-id", "cut"]).stdin(jobs).start();
    far.wait_for_log("jobs 0 to");
    proxy.cut();
    let near = nats.node(&["-w", "2"]);
    let output = run.wait();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.kinds().len(), 20, "{}", output.stderr);
    proxy.restore();
    far.wait_for_log("connection restored");
    // Its late results are rejected, and it continues to serve.
    let (jobs, expected) = gcd_jobs(100);
    let (_, log) = near.end(Signal::SIGTERM);
    assert!(!log.contains(" 0 redelivered"), "{log}");
    let output = nats.call(&[]).stdin(jobs).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), &*expected, "{}", output.stderr);
    let status = nats.status();
    let cut = status["runs"].as_array().unwrap().iter().find(|run| run["run"] == "cut").unwrap();
    assert_eq!((&cut["stored_jobs"], &cut["waiting_jobs"]), (&20.into(), &0.into()), "{status}");
    let (_, log) = far.end(Signal::SIGTERM);
    assert!(!log.contains(" 0 too late"), "{log}");
}
