//! Waiting for servers that do not answer, for missing nodes and for other submitters.

use std::{
    fs::{self, File},
    net::TcpListener,
    time::{Duration, Instant},
};

use end_to_end::{
    Running, gcd_jobs,
    nats::{Nats, can_run, wait_until},
    pipe::Pipe,
    runner,
};
use nix::sys::signal::Signal;

#[test]
fn signal_ends_connecting_immediately() {
    if !can_run() {
        return;
    }
    // Accepts connections and sends nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", silent.local_addr().unwrap());
    for first in [&["node", "-w", "1"][..], &["cluster", "status"], &[]] {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let rest = ["--cluster", &url, "--queue", "q", "--cluster-timeout", "60"];
            let run = runner([first, &rest].concat()).start();
            let connection = silent.accept().unwrap();
            run.signal(signal);
            let output = run.wait();
            assert_eq!(output.signal(), signal as i32, "{}", output.stderr);
            assert!(output.elapsed < Duration::from_secs(3), "{first:?}: {:?}", output.elapsed);
            assert!(output.stdout.is_empty(), "{}", output.text());
            drop(connection);
        }
    }
}

#[test]
fn two_signals_end_a_node_and_a_run_blocked_on_standard_error() {
    let Some(nats) = Nats::start() else { return };
    for arguments in [&["node", "-w", "1"][..], &["-w", "1"]] {
        let Pipe { reader, writer } = Pipe::new().filled();
        let call = nats.call(arguments).stdin("{\"op\":\"sum\",\"n\":4}").with(|c| c.stderr(writer));
        let mut run = call.start();
        run.wait_until("it is blocked on the pipe", |run| run.is_writing_to_a_pipe());
        run.signal_twice();
        let start = Instant::now();
        assert_eq!(run.wait().signal(), 2, "{arguments:?}");
        assert!(start.elapsed() < Duration::from_secs(10), "{arguments:?}");
        drop(reader);
    }
}

#[test]
fn silent_server_times_out() {
    if !can_run() {
        return;
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", silent.local_addr().unwrap());
    let output = runner(["--cluster", &url, "--queue", "q", "--cluster-timeout", "0.3"]).run();
    assert_eq!(output.code(), 4, "{}", output.stderr);
    assert!(output.stderr.contains("within 0.3 s: no answer"), "{}", output.stderr);
    assert!(output.elapsed < Duration::from_millis(900), "{:?}", output.elapsed);
}

#[test]
fn missing_and_returning_nodes_are_reported_once() {
    let Some(nats) = Nats::start() else { return };
    let (jobs, expected) = gcd_jobs(100);
    let path = nats.path("stderr");
    let file = File::create(&path).unwrap();
    let run = nats.call(&[]).stdin(jobs.clone()).with(|c| c.stderr(file)).start();
    let quiet = nats.call(&["-q"]).stdin(jobs).start();
    let stderr = || fs::read_to_string(&path).unwrap();
    wait_until("the message is printed", || {
        stderr().contains("runner: no node serves the queue q; waiting\n")
    });
    assert!(!stderr().contains("is served"), "{}", stderr());
    let node = nats.node(&["-w", "1"]);
    for run in [run, quiet] {
        let output = run.wait();
        assert_eq!(output.code(), 0, "{}", output.stderr);
        assert_eq!(output.text(), &*expected, "{}", output.stderr);
        assert_eq!(output.stderr, "");
    }
    for words in ["no node serves", "runner: the queue q is served; the run continues\n"] {
        assert_eq!(stderr().matches(words).count(), 1, "{}", stderr());
    }
    drop(node.end(Signal::SIGTERM));
}

#[test]
fn busy_node_is_not_reported_as_missing() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "1"]);
    let output = nats.call(&[]).stdin("{\"op\":\"sleep\",\"seconds\":6}\n").run();
    assert_eq!(output.kinds(), ["ok"]);
    assert!(!output.stderr.contains("serve"), "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
}

/// Starts the run `r` and waits until its jobs are queued.
fn queued(nats: &Nats, jobs: &str) -> Running {
    let run = nats.call(&["--run-id", "r"]).stdin(jobs).start();
    wait_until("the jobs are queued", || nats.status()["runs"][0]["waiting_jobs"].as_u64() >= Some(100));
    run
}

#[test]
fn run_is_locked_until_its_submitter_exits() {
    let Some(nats) = Nats::start() else { return };
    wait_until("the server is reachable", || nats.call(&["--run-id", "x"]).stdin("").run().code() == 0);
    let (jobs, expected) = gcd_jobs(100);
    let first = queued(&nats, &jobs);
    let second = nats.call(&["--run-id", "r"]).stdin(jobs.clone()).run();
    assert_eq!(second.code(), 4, "{}", second.stderr);
    assert!(second.stderr.contains("run r is in use by another submitter"), "{}", second.stderr);
    assert_eq!(nats.status()["runs"][0]["waiting_jobs"], 100, "the queue has changed");
    first.signal(Signal::SIGKILL);
    drop(first.wait());
    let node = nats.node(&["-w", "1"]);
    let third = nats.call(&["--run-id", "r"]).stdin(jobs.clone()).run();
    assert_eq!(third.code(), 0, "{}", third.stderr);
    assert_eq!(third.text(), &*expected, "{}", third.stderr);
    assert!(third.elapsed < Duration::from_secs(4), "{:?}", third.elapsed);
    // A submitter that has exited also releases the run.
    let again = nats.call(&["--run-id", "r"]).stdin(jobs).run();
    assert_eq!(again.code(), 0, "{}", again.stderr);
    assert_eq!(again.text(), &*expected, "{}", again.stderr);
    assert!(again.elapsed < Duration::from_secs(4), "{:?}", again.elapsed);
    drop(node.end(Signal::SIGTERM));
}

#[test]
fn stopped_submitter_yields_to_its_successor() {
    let Some(nats) = Nats::start() else { return };
    wait_until("the server is reachable", || nats.call(&["--run-id", "x"]).stdin("").run().code() == 0);
    let (jobs, expected) = gcd_jobs(100);
    let first = queued(&nats, &jobs);
    first.signal(Signal::SIGSTOP);
    let second =
        nats.call(&["--run-id", "r"]).stdin(jobs).with(|c| c.stderr(File::create(nats.path("e")).unwrap()));
    let second = second.start();
    wait_until("the second run has started", || {
        fs::read_to_string(nats.path("e")).unwrap().contains("run r on queue q")
    });
    first.signal(Signal::SIGCONT);
    let output = first.wait();
    assert_eq!(output.code(), 4, "{}", output.stderr);
    assert!(output.stderr.contains("another submitter took over run r"), "{}", output.stderr);
    assert_eq!(
        nats.status()["runs"][0]["waiting_jobs"],
        100,
        "the queued jobs of the other run were removed"
    );
    let node = nats.node(&["-w", "1"]);
    let output = second.wait();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), &*expected, "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
}
