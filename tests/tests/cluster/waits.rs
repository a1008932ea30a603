//! What is waited for, and what is said of it: servers that do not answer, nodes that are not there, other submitters.

#![allow(clippy::unwrap_used)]

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
fn a_signal_ends_at_once_what_is_still_connecting() {
    if !can_run() {
        return;
    }
    // It takes connections and says nothing.
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
fn two_signals_end_a_node_and_a_run_whose_messages_nobody_reads() {
    let Some(nats) = Nats::start() else { return };
    for arguments in [&["node", "-w", "1"][..], &["-w", "1"]] {
        let Pipe { reader, writer } = Pipe::new().filled();
        let call = nats.call(arguments).stdin("{\"op\":\"sum\",\"n\":4}").with(|c| c.stderr(writer));
        let mut run = call.start();
        run.until("it waits for the reader", |run| run.is_writing_to_a_pipe());
        run.signal_twice();
        let start = Instant::now();
        assert_eq!(run.wait().signal(), 2, "{arguments:?}");
        assert!(start.elapsed() < Duration::from_secs(10), "{arguments:?}");
        drop(reader);
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up_in_time() {
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
fn a_run_without_nodes_says_so_once_and_when_it_goes_on() {
    let Some(nats) = Nats::start() else { return };
    let (jobs, expected) = gcd_jobs(100);
    let told = nats.path("told");
    let telling = File::create(&told).unwrap();
    let run = nats.call(&[]).stdin(jobs.clone()).with(|c| c.stderr(telling)).start();
    let quiet = nats.call(&["-q"]).stdin(jobs).start();
    let told = || fs::read_to_string(&told).unwrap();
    wait_until("it is said", || told().contains("runner: no node serves the queue q; waiting\n"));
    assert!(!told().contains("is served"), "{}", told());
    let node = nats.node(&["-w", "1"]);
    for run in [run, quiet] {
        let output = run.wait();
        assert_eq!((output.code(), output.text()), (0, &*expected), "{}", output.stderr);
        assert_eq!(output.stderr, "");
    }
    for words in ["no node serves", "runner: the queue q is served; the run continues\n"] {
        assert_eq!(told().matches(words).count(), 1, "{}", told());
    }
    drop(node.end(Signal::SIGTERM));
}

#[test]
fn of_a_node_that_is_busy_it_is_not_said_that_there_is_none() {
    let Some(nats) = Nats::start() else { return };
    let node = nats.node(&["-w", "1"]);
    let output = nats.call(&[]).stdin("{\"op\":\"sleep\",\"seconds\":6}\n").run();
    assert_eq!(output.kinds(), ["ok"]);
    assert!(!output.stderr.contains("serve"), "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
}

/// A run under the name `r`, as soon as its jobs are in the queue.
fn queued(nats: &Nats, jobs: &str) -> Running {
    let run = nats.call(&["--run-id", "r"]).stdin(jobs).start();
    wait_until("the jobs are queued", || nats.status()["runs"][0]["waiting_jobs"].as_u64() >= Some(100));
    run
}

#[test]
fn one_submitter_at_a_time_works_on_a_run_and_the_next_one_at_once_when_it_is_killed() {
    let Some(nats) = Nats::start() else { return };
    wait_until("there is a server", || nats.call(&["--run-id", "x"]).stdin("").run().code() == 0);
    let (jobs, expected) = gcd_jobs(100);
    let first = queued(&nats, &jobs);
    let second = nats.call(&["--run-id", "r"]).stdin(jobs.clone()).run();
    assert_eq!(second.code(), 4, "{}", second.stderr);
    assert!(second.stderr.contains("run r is in use by another submitter"), "{}", second.stderr);
    assert_eq!(nats.status()["runs"][0]["waiting_jobs"], 100, "it has not touched what is queued");
    first.signal(Signal::SIGKILL);
    drop(first.wait());
    let node = nats.node(&["-w", "1"]);
    let third = nats.call(&["--run-id", "r"]).stdin(jobs.clone()).run();
    assert_eq!((third.code(), third.text()), (0, &*expected), "{}", third.stderr);
    assert!(third.elapsed < Duration::from_secs(4), "{:?}", third.elapsed);
    // One that has ended leaves it too.
    let again = nats.call(&["--run-id", "r"]).stdin(jobs).run();
    assert_eq!((again.code(), again.text()), (0, &*expected), "{}", again.stderr);
    assert!(again.elapsed < Duration::from_secs(4), "{:?}", again.elapsed);
    drop(node.end(Signal::SIGTERM));
}

#[test]
fn a_submitter_that_stood_still_gives_way_to_the_one_that_went_on() {
    let Some(nats) = Nats::start() else { return };
    wait_until("there is a server", || nats.call(&["--run-id", "x"]).stdin("").run().code() == 0);
    let (jobs, expected) = gcd_jobs(100);
    let first = queued(&nats, &jobs);
    first.signal(Signal::SIGSTOP);
    let second =
        nats.call(&["--run-id", "r"]).stdin(jobs).with(|c| c.stderr(File::create(nats.path("e")).unwrap()));
    let second = second.start();
    wait_until("it has begun", || fs::read_to_string(nats.path("e")).unwrap().contains("run r on queue q"));
    first.signal(Signal::SIGCONT);
    let output = first.wait();
    assert_eq!(output.code(), 4, "{}", output.stderr);
    assert!(output.stderr.contains("another submitter took over run r"), "{}", output.stderr);
    assert_eq!(nats.status()["runs"][0]["waiting_jobs"], 100, "what is queued is the other one's");
    let node = nats.node(&["-w", "1"]);
    let output = second.wait();
    assert_eq!((output.code(), output.text()), (0, &*expected), "{}", output.stderr);
    drop(node.end(Signal::SIGTERM));
}
