//! Errors of the cluster are reported with exit code 4, errors of the command line with 2.

use std::{
    net::{TcpListener, TcpStream},
    time::Duration,
};

use async_nats::jetstream::stream;
use end_to_end::{
    Output, gcd_jobs,
    nats::{Nats, can_run, wait_until},
    runner,
    workers::exists,
};
use nix::sys::signal::Signal;

fn expect(output: &Output, code: i32, words: &str) {
    assert_eq!(output.code(), code, "{}", output.stderr);
    assert!(output.stderr.contains(words), "{words:?} is missing in {}", output.stderr);
    assert!(output.stdout.is_empty(), "{}", output.text());
}

#[test]
fn no_server_at_the_address() {
    if !can_run() {
        return;
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("nats://{free}");
    for first in [&["node"][..], &["cluster", "status"], &["cluster", "clean"], &[]] {
        let rest = ["--cluster", &url, "--queue", "q", "--cluster-timeout", "0.5"];
        let output = runner([first, &rest].concat()).run();
        expect(&output, 4, "cannot reach a NATS server at nats://127.0.0.1");
        assert!(output.elapsed < Duration::from_secs(3), "{:?}", output.elapsed);
    }
}

#[test]
fn server_without_jetstream() {
    let Some(nats) = Nats::start_with(&[], "") else { return };
    for first in [&["node"][..], &["cluster", "status"], &[]] {
        expect(&nats.call(first).run(), 4, "has no JetStream (start it with -js");
    }
}

#[test]
fn missing_leader_is_not_reported_as_missing_jetstream() {
    let alone = "server_name: a
        cluster {
            name: c, listen: \"127.0.0.1:-1\", routes: [\"nats://127.0.0.1:1\", \"nats://127.0.0.1:2\"]
        }";
    let Some(nats) = Nats::start_with(&["-js"], alone) else { return };
    for first in [&["node"][..], &["cluster", "status"], &[]] {
        let output = nats.call(&[first, &["--cluster-timeout", "1"]].concat()).run();
        expect(&output, 4, "no answer from the NATS server");
    }
}

#[test]
fn queue_of_another_version() {
    let Some(nats) = Nats::start() else { return };
    nats.jetstream(async |context| {
        let config = stream::Config {
            name: "RUNNER_q_JOBS".to_owned(),
            description: Some("runner queue q, protocol 99, job type builtin".to_owned()),
            subjects: vec!["runner.q.jobs.>".to_owned()],
            ..stream::Config::default()
        };
        context.create_stream(config).await.unwrap();
    });
    for first in [&["node"][..], &[]] {
        let output = nats.call(first).run();
        expect(&output, 4, "queue q has another version");
        assert!(output.stderr.contains("protocol 99"), "{}", output.stderr);
    }
}

#[test]
fn full_queue() {
    let Some(nats) = Nats::start() else { return };
    let (jobs, _) = gcd_jobs(100_000);
    let options = ["--run-id", "much", "--stream-bytes", "4K", "--cluster-timeout", "1"];
    let output = nats.call(&options).stdin(jobs).run();
    assert_eq!(output.code(), 4, "{}", output.stderr);
    assert!(
        output.stderr.contains("is full, and no job left it for 1 s: the stream is full"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("; run much can be resumed"), "{}", output.stderr);
    assert!(output.kinds().iter().all(|kind| kind == "cancelled"));
    // The queued jobs have been withdrawn.
    assert_eq!(nats.status()["queued"], 0);
}

#[test]
fn invalid_messages_do_not_end_the_node() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "1"]);
    nats.jetstream(async |jetstream| {
        let mut ours = async_nats::HeaderMap::new();
        ours.insert("Runner-Version", "protocol 1, job type builtin");
        for (subject, headers) in [
            ("runner.q.jobs.nonsense", ours.clone()),
            ("runner.q.jobs.other.0.4", async_nats::HeaderMap::new()),
            ("runner.q.jobs.endless.0.1152921504606846976", ours.clone()),
            ("runner.q.jobs.empty.0.2", ours),
        ] {
            let stored = jetstream.publish_with_headers(subject, headers, "nothing".into()).await.unwrap();
            stored.await.unwrap();
        }
    });
    let (jobs, expected) = gcd_jobs(100);
    let output = nats.call(&[]).stdin(jobs).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), &*expected, "{}", output.stderr);
    wait_until("the queue is empty", || nats.status()["queued"] == 0 && nats.status()["in_flight"] == 0);
    assert_eq!(nats.status()["quarantined"].as_array().unwrap().len(), 2, "{}", nats.status());
    let (output, log) = node.end(Signal::SIGTERM);
    assert_eq!(output.signal(), Signal::SIGTERM as i32, "{log}");
    assert!(log.contains("invalid message from the queue: \"runner.q.jobs.nonsense\""), "{log}");
    assert!(log.contains("quarantined jobs 0 to 3 of run other: of another version"), "{log}");
    assert!(log.contains(" 2 quarantined"), "{log}");
}

#[test]
fn processes_of_a_failing_test_are_killed() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "1"]);
    let run = nats.call(&[]).stdin("{\"op\":\"sleep\",\"seconds\":50}\n").start();
    wait_until("a worker has started", || !node.running.workers().is_empty());
    let pids = [node.running.processes(), run.processes()].concat();
    let port = nats.port();
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _left = (node, run, nats);
        std::panic::resume_unwind(Box::new("a test fails"))
    }));
    assert!(failed.is_err() && pids.len() >= 3, "{pids:?}");
    wait_until("all processes have exited", || pids.iter().all(|pid| !exists(u64::try_from(*pid).unwrap())));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the server is still running");
}

#[test]
fn server_without_space() {
    let Some(nats) = Nats::start_with(&[], "jetstream { max_file_store: 1048576 }") else { return };
    expect(&nats.call(&["--stream-bytes", "1G"]).run(), 4, "the NATS server has no space for queue q");
}

#[test]
fn no_such_queue() {
    let Some(nats) = Nats::start() else { return };
    expect(&nats.call(&["cluster", "status"]).run(), 4, "queue q does not exist");
    expect(&nats.call(&["cluster", "clean"]).run(), 4, "queue q does not exist");
}

#[test]
fn invalid_command_lines() {
    if !can_run() {
        return;
    }
    let cluster = ["--cluster", "nats://localhost", "--queue", "q"];
    for option in
        [&["-w", "2"][..], &["--executor", "threads"], &["--retries", "3"], &["--pin"], &["--journal", "j"]]
    {
        expect(&runner([&cluster[..], option].concat()).run(), 2, "cannot be used with --cluster");
    }
    expect(&runner(&cluster[..2]).run(), 2, "--queue is missing");
    expect(&runner(["node"]).run(), 2, "--cluster is missing");
    expect(&runner(["node", "--cluster", "ftp://x", "--queue", "q"]).run(), 2, "expected nats://HOST:PORT");
    expect(&runner([&cluster[..], &["--cluster-cert", "c"]].concat()).run(), 2, "must be given together");
    expect(&runner(["node", "--cluster", "a", "--queue", "a.b"]).run(), 2, "a name must have 1 to 64");
}

#[test]
fn password_in_the_url_is_rejected_and_not_printed() {
    if !can_run() {
        return;
    }
    for first in [&["node"][..], &["cluster", "status"], &[]] {
        let output =
            runner([first, &["--cluster", "nats://me:sesame@localhost", "--queue", "q"]].concat()).run();
        expect(&output, 2, "credentials must not be part of the address");
        assert!(output.stderr.contains("--cluster-password-file"), "{}", output.stderr);
        assert!(!output.stderr.contains("sesame"), "{}", output.stderr);
    }
}
