//! The options of the sandbox, and its verdict.

use std::fs;

use end_to_end::{
    Case, Output,
    probe::{Probe, TIMEOUT, builder, finish},
    runner,
};
use pool::{Executor, JobError, error::BuildError, settings::Sandbox};

const JOBS: &str = "{\"op\":\"sum\",\"n\":4}\n";

fn run(arguments: &[&str]) -> Output {
    runner(arguments).stdin(JOBS).run()
}

/// Returns the fields `NoNewPrivs` and `Seccomp` of a worker's status.
fn state_of_workers(arguments: &[&str]) -> Vec<String> {
    let mut running = runner(arguments).stdin("{\"op\":\"sleep\",\"seconds\":1000}\n").start();
    let mut found = Vec::new();
    running.wait_until("a worker runs the job", |running| {
        let workers = running.workers();
        let Some(worker) = workers.first() else { return false };
        let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        found = vec![field("NoNewPrivs:"), field("Seccomp:")];
        // Nanosleep is the job's.
        let place = fs::read_to_string(format!("/proc/{worker}/syscall")).unwrap_or_default();
        place.starts_with(&libc::SYS_clock_nanosleep.to_string())
    });
    running.signal_twice();
    let _ = running.wait();
    found
}

#[test]
fn the_default_depends_on_what_can_run() {
    assert_eq!(state_of_workers(&["-w", "1"]), ["1", "2"]);
    assert_eq!(state_of_workers(&["-w", "1", "--sandbox", "strict"]), ["1", "2"]);
    assert_eq!(state_of_workers(&["-w", "1", "--sandbox", "off"]), ["0", "0"]);
    // The worker has to start programs.
    assert_eq!(state_of_workers(&["-w", "1", "--allow-command"]), ["0", "0"]);
    assert_eq!(state_of_workers(&["-w", "1", "--allow-command", "--sandbox", "strict"]), ["0", "0"]);
    assert_eq!(state_of_workers(&["-w", "1", "--define", "x=cat"]), ["0", "0"]);
}

#[test]
fn exceptions_need_a_sandbox() {
    for (option, value) in [("--sandbox-read", "/"), ("--sandbox-write", "/tmp")] {
        let output = run(&["--sandbox", "off", option, value]);
        assert_eq!(output.code(), 2);
        assert!(output.stderr.contains(&format!("{option} needs a sandbox")), "{}", output.stderr);
        assert_eq!(run(&["--allow-command", option, value]).code(), 2);
        assert_eq!(run(&[option, value]).code(), 0);
    }
}

#[test]
fn other_executors_have_no_sandbox() {
    for arguments in [&["--sandbox", "off"][..], &["--sandbox-net"], &["--sandbox", "strict"]] {
        let output = run(&[&["--executor", "serial"], arguments].concat());
        assert_eq!(output.code(), 2);
        assert!(output.stderr.contains("requires worker processes"), "{}", output.stderr);
    }
    assert_eq!(run(&["--executor", "threads"]).code(), 0);
}

#[test]
fn a_path_that_does_not_exist_is_reported_before_a_worker_starts() {
    let output = run(&["--sandbox-read", "/no/such/path"]);
    assert_eq!(output.code(), 4);
    let expected = "runner: cannot apply the sandbox: cannot open \"/no/such/path\": No such file";
    assert!(output.stderr.starts_with(expected), "{}", output.stderr);
    let built = builder::<Probe>(1).sandbox(Sandbox::compute().read("/no/such/path")).build();
    assert!(matches!(built, Err(BuildError::Sandbox(_))));
}

#[test]
fn a_job_that_is_killed_for_what_it_does_is_denied_and_not_retried() {
    let _case = Case::begin();
    let pool = builder::<Probe>(1).retries(5).sandbox(Sandbox::compute().strict()).build().unwrap();
    let denied = pool.submit(Probe::Shell("true".into())).unwrap();
    let Err(JobError::Denied(details)) = denied.result_timeout(TIMEOUT) else { panic!("it was not denied") };
    assert_eq!(details.attempts, 1);
    let error: JobError<String> = (*details).into();
    assert!(error.is_denied() && !error.is_crash() && error.signal_name() == Some("SIGSYS"));
    assert!(error.to_string().starts_with("the sandbox does not allow what the job did: process"));
    // The replacement is confined as well.
    assert_eq!(pool.submit(Probe::Double(4)).unwrap().result_timeout(TIMEOUT).unwrap(), 8);
    let again = pool.submit(Probe::Shell("true".into())).unwrap().result_timeout(TIMEOUT);
    assert!(matches!(again, Err(JobError::Denied(_))));
    finish(&pool);
}

#[test]
fn without_a_sandbox_the_same_signal_is_a_crash() {
    let _case = Case::begin();
    let pool = builder::<Probe>(1).retries(0).build().unwrap();
    let outcome = pool.submit(Probe::Raise(libc::SIGSYS)).unwrap().result_timeout(TIMEOUT);
    assert!(matches!(outcome, Err(JobError::Crashed(_))), "{outcome:?}");
    finish(&pool);
}

#[test]
fn files_are_readable_and_writable_on_request() {
    let _case = Case::begin();
    for sandbox in [Sandbox::compute(), Sandbox::compute().strict()] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("marks");
        let pool =
            builder::<Probe>(1).retries(0).sandbox(sandbox.clone().write(folder.path())).build().unwrap();
        let mark = || pool.submit(Probe::Mark(file.clone())).unwrap().result_timeout(TIMEOUT);
        assert!(mark().is_ok() && mark().is_ok());
        assert_eq!(fs::read_to_string(&file).unwrap(), "x\nx\n");
        finish(&pool);
        let pool = builder::<Probe>(1).retries(0).sandbox(sandbox.read(folder.path())).build().unwrap();
        let outcome = pool.submit(Probe::Mark(file)).unwrap().result_timeout(TIMEOUT);
        assert!(matches!(outcome, Err(JobError::Panicked(_))), "{outcome:?}");
        finish(&pool);
    }
}
