//! Jobs that need more memory than there is.

#![allow(clippy::unwrap_used)]

use std::{fs, os::unix::process::CommandExt, path::Path};

use end_to_end::{
    Case, KILL_WORKER,
    probe::{LIMIT, Probe, Stage, builder, finish, marks},
    runner, shell_jobs,
};
use pool::{DeathCause, Executor, JobError, JobOptions, ResultError};

const ENOUGH: u64 = 256 << 20;

/// Has its worker keep 300 MB of output.
const GREEDY: &str = "head -c 300000000 /dev/zero";

#[test]
fn a_job_that_takes_too_much_fails_with_a_verdict_of_its_own_and_is_not_tried_again() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).max_memory(ENOUGH).retries(5).build().unwrap();
    let stage = Stage::new();
    let [before, after] = ["before", "after"].map(|name| stage.file(name));
    let jobs = vec![Probe::Mark(before.clone()), Probe::Hoard, Probe::Mark(after.clone())];
    let futures = executor.submit_many(jobs, JobOptions::default()).unwrap();
    let Err(ResultError::Failed(JobError::Memory { death, attempts, .. })) = futures[1].result(LIMIT) else {
        panic!("another verdict: {:?}", futures[1].result(LIMIT))
    };
    assert_eq!((death.cause, attempts), (DeathCause::Signalled(6), 1));
    assert!(futures[0].result(LIMIT).is_ok() && futures[2].result(LIMIT).is_ok());
    assert_eq!((marks(&before), marks(&after)), (1, 1));
    finish(&executor);
}

#[test]
fn a_job_that_copes_with_having_none_is_not_blamed_for_it() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).max_memory(ENOUGH).retries(0).build().unwrap();
    // It dies in the next job, of something else.
    let jobs = vec![Probe::AskForTooMuch(3), Probe::Exit(4)];
    let futures = executor.submit_many(jobs, JobOptions::default()).unwrap();
    let crash = |job: &pool::JobFuture<Probe>| job.result(LIMIT);
    assert!(
        matches!(crash(&futures[0]), Err(ResultError::Failed(JobError::Memory { .. }))),
        "it exits in the same job"
    );
    assert!(matches!(crash(&futures[1]), Err(ResultError::Failed(JobError::Crashed { .. }))));
    finish(&executor);
}

#[test]
fn without_a_limit_a_crash_is_a_crash() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).retries(0).build().unwrap();
    let aborted = executor.submit(Probe::Abort).unwrap().result(LIMIT);
    assert!(matches!(aborted, Err(ResultError::Failed(JobError::Crashed { .. }))));
    finish(&executor);
}

#[test]
fn the_command_line_reports_it_as_memory() {
    let jobs = format!("{}{{\"op\":\"sum\",\"n\":4}}\n", shell_jobs(&[GREEDY]));
    let output =
        runner(["-w", "1", "--max-memory", "64M", "--allow-command", "--max-output", "1G"]).stdin(jobs).run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    let records = output.records();
    assert_eq!(records[0]["error"]["kind"], "memory", "{}", output.stderr);
    assert_eq!((&records[0]["error"]["attempts"], &records[1]["result"]), (&1.into(), &10.into()));
}

/// The bytes of address space that a worker needs at least, as it says where it has none. The larger the program, the more.
fn needed_by_a_worker() -> u64 {
    let output = runner(["-w", "1", "--max-memory", "1"]).stdin("{\"op\":\"sum\",\"n\":4}\n").run();
    let (_, after) = output.stderr.split_once("is too low: a worker needs at least ").unwrap();
    after.split_once(' ').unwrap().0.parse().unwrap()
}

#[test]
fn a_job_that_is_too_large_to_be_received_is_charged_with_it() {
    // Room for the second job beside what a worker itself needs, and not for bytes of the first.
    let limit = (needed_by_a_worker() + (2 << 20)).to_string();
    let number = format!("1{}", "0".repeat(8_000_000));
    let jobs = format!("{{\"op\":\"gcd\",\"a\":{number},\"b\":{number}}}\n{{\"op\":\"sum\",\"n\":4}}\n");
    let output = runner(["-w", "1", "--max-memory", &limit, "--max-digits", "9000000"]).stdin(jobs).run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    assert_eq!(output.kinds(), ["memory", "ok"], "{}", output.stderr);
}

#[test]
fn a_limit_below_what_a_worker_needs_is_refused_and_no_job_is_charged_with_it() {
    let jobs = "{\"op\":\"sum\",\"n\":4}\n".repeat(20);
    let with_limit = |limit: &str| runner(["-w", "2", "--max-memory", limit]).stdin(jobs.clone()).run();
    let mut needed = String::new();
    for limit in ["1", "4096", "1M", "8M"] {
        let output = with_limit(limit);
        assert_eq!(output.code(), 4, "{limit}: {}", output.stderr);
        assert!(output.kinds().iter().all(|kind| kind == "cancelled"), "{limit}: {:?}", output.kinds());
        let (_, after) = output.stderr.split_once("is too low: a worker needs at least ").unwrap();
        after.split_once(' ').unwrap().0.clone_into(&mut needed);
    }
    // With the size that the message names jobs run.
    let size = needed.parse::<u64>().unwrap() + (64 << 10);
    let output = with_limit(&size.to_string());
    assert!(output.kinds().iter().all(|kind| kind == "ok"), "{size}: {:?} {}", output.kinds(), output.stderr);
    assert_eq!((output.code(), output.kinds().len()), (0, 20), "{}", output.stderr);
}

#[test]
fn the_library_tells_what_a_worker_needs() {
    let _case = Case::begin();
    let executor = builder::<Probe>(2).max_memory(1 << 20).build().unwrap();
    let Err(ResultError::Failed(JobError::Abandoned(cause))) =
        executor.submit(Probe::Double(1)).unwrap().result(LIMIT)
    else {
        panic!("it runs")
    };
    assert!(cause.contains("1048576 bytes is too low: a worker needs at least "), "{cause}");
    finish(&executor);
}

#[test]
fn a_limit_on_memory_needs_processes() {
    let output = runner(["--executor", "threads", "--max-memory", "1G"]).stdin("[]").run();
    assert_eq!(output.code(), 2);
}

#[test]
fn a_hard_limit_that_is_lower_already_stays() {
    let limit = |max_memory: &str, soft: u64, hard: u64| {
        let jobs = format!("{}{}", shell_jobs(&["ulimit -v; ulimit -Hv"]), "{\"op\":\"sum\",\"n\":4}\n");
        let call = runner(["-w", "1", "--allow-command", "--max-memory", max_memory]).stdin(jobs);
        let output = call.address_space(soft, hard).run();
        assert_eq!(output.code(), 0, "{}", output.stderr);
        output.records()[0]["result"]["stdout"].as_str().unwrap().to_owned()
    };
    const GIB: u64 = 1 << 30;
    let both = |kib: u64| format!("{kib}\n{kib}\n");
    assert_eq!(limit("8G", 4 * GIB, 4 * GIB), both(4 << 20), "the lower one");
    assert_eq!(limit("2G", 4 * GIB, 4 * GIB), both(2 << 20), "the option");
    assert_eq!(limit("4G", 4 * GIB, 4 * GIB), both(4 << 20));
    assert_eq!(limit("3G", 2 * GIB, 4 * GIB), both(3 << 20), "a soft limit may be raised");
    assert_eq!(limit("3G", 2 * GIB, u64::MAX), both(3 << 20));
}

#[test]
fn what_passes_a_hard_limit_that_was_there_before_is_told_as_memory() {
    let jobs = format!("{}{{\"op\":\"sum\",\"n\":4}}\n", shell_jobs(&[GREEDY]));
    let options =
        ["-w", "1", "--max-memory", "8G", "--allow-command", "--max-output", "1G", "--max-result", "4G"];
    let call = runner(options).stdin(jobs);
    let output = call.address_space(400 << 20, 400 << 20).run();
    assert_eq!(output.kinds(), ["memory", "ok"], "{}", output.stderr);
}

/// A control group of version 1 that bounds memory, gone at the end.
struct Group(std::path::PathBuf);

impl Group {
    fn new(bytes: u64) -> Option<Group> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = groups.lines().find_map(|line| line.split_once(":memory:"))?.1;
        let folder = Path::new("/sys/fs/cgroup/memory")
            .join(own.trim_start_matches('/'))
            .join(format!("runner-test-{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let group = Group(folder);
        fs::write(group.0.join("memory.limit_in_bytes"), bytes.to_string()).ok()?;
        Some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// Has a call run in a group.
fn join_group(command: &mut std::process::Command, group: &Group) {
    let tasks = group.0.join("cgroup.procs");
    // SAFETY: writing a number to a file is safe between fork and exec.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(move || fs::write(&tasks, "0"));
    }
}

/// The records of these jobs, run one after the other in a group of 96 MB; `None` where there can be no such group.
fn records_in_a_group(jobs: &str) -> Option<Vec<serde_json::Value>> {
    let Some(group) = Group::new(96 << 20) else {
        eprintln!("NOT RUN: no control group of version 1 can be made here");
        return None;
    };
    let options = ["-w", "1", "--retries", "0", "--allow-command", "--max-output", "1G"];
    let call = runner(options).stdin(jobs).with(|command| {
        join_group(command, &group);
        command
    });
    let output = call.run();
    eprintln!("{}", output.stderr);
    Some(output.records())
}

#[test]
fn a_worker_that_the_kernel_kills_for_lack_of_memory_is_recognised() {
    let jobs = format!("{0}{1}{0}", "{\"op\":\"sum\",\"n\":4}\n", shell_jobs(&[GREEDY]));
    let Some(records) = records_in_a_group(&jobs) else { return };
    assert!(records[0]["ok"] == true && records[2]["ok"] == true, "{records:?}");
    assert_eq!(records[1]["error"]["kind"], "memory", "{records:?}");
}

#[test]
fn a_kernel_kill_of_a_program_is_not_credited_to_a_worker_that_is_killed_later() {
    // The first program is killed itself; while the second runs, the kill becomes old; the third kills its worker.
    let greedy = "head -c 200000000 /dev/zero | tail -n 1 > /dev/null; sleep 0.6";
    let Some(records) = records_in_a_group(&shell_jobs(&[greedy, KILL_WORKER])) else { return };
    assert_eq!(records[0]["ok"], true, "the program alone was killed: {records:?}");
    assert_eq!(records[1]["error"]["kind"], "crashed", "{records:?}");
}
