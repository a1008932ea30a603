//! Jobs that need more memory than is available.

use std::{fs, os::unix::process::CommandExt, path::Path};

use end_to_end::{
    Call, Case, KILL_WORKER,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, line_count},
    program, runner, shell_jobs,
};
use pool::{
    Executor, JobError,
    error::{DeathCause, OutOfMemory},
    settings::JobOptions,
};

const MEMORY_LIMIT: u64 = 256 << 20;

/// Script whose output of 300 MB is kept by its worker.
const LARGE_OUTPUT: &str = "head -c 300000000 /dev/zero";

#[test]
fn job_without_memory_fails_as_memory_and_is_not_retried() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).max_memory(MEMORY_LIMIT).retries(5).build().unwrap();
    let barrier = Barrier::new();
    let [before, after] = ["before", "after"].map(|name| barrier.file(name));
    let jobs = vec![Probe::Mark(before.clone()), Probe::AllocateForever, Probe::Mark(after.clone())];
    let futures = executor.submit_many(jobs, JobOptions::default()).unwrap();
    let Err(JobError::OutOfMemory(details)) = futures[1].result_timeout(TIMEOUT) else {
        panic!("unexpected result: {:?}", futures[1].result_timeout(TIMEOUT))
    };
    let OutOfMemory { death, attempts, .. } = *details;
    assert_eq!((death.cause, attempts), (DeathCause::Signalled(6), 1));
    assert!(futures[0].result_timeout(TIMEOUT).is_ok() && futures[2].result_timeout(TIMEOUT).is_ok());
    assert_eq!((line_count(&before), line_count(&after)), (1, 1));
    finish(&executor);
}

#[test]
fn any_allocator_can_be_watched() {
    let _case = Case::begin();
    let worker = program("allocator-probe");
    assert_eq!(Call::new(&worker, [""; 0]).run().text(), "counted: 1\n");
    let settings = builder::<Probe>(1).worker_program(worker).max_memory(MEMORY_LIMIT).retries(0);
    let executor = settings.build().unwrap();
    let outcome = executor.submit(Probe::AllocateForever).unwrap().result_timeout(TIMEOUT);
    assert!(matches!(outcome, Err(JobError::OutOfMemory(_))), "{outcome:?}");
    finish(&executor);
}

#[test]
fn job_that_handles_a_failed_allocation_is_not_blamed_later() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).max_memory(MEMORY_LIMIT).retries(0).build().unwrap();
    // The worker dies in the next job for another reason.
    let jobs = vec![Probe::FailAllocation(3), Probe::Exit(4)];
    let futures = executor.submit_many(jobs, JobOptions::default()).unwrap();
    let crash = |job: &pool::JobFuture<Probe>| job.result_timeout(TIMEOUT);
    assert!(matches!(crash(&futures[0]), Err(JobError::OutOfMemory(_))), "the worker exits in the same job");
    assert!(matches!(crash(&futures[1]), Err(JobError::Crashed(_))));
    finish(&executor);
}

#[test]
fn without_a_limit_a_crash_is_a_crash() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).retries(0).build().unwrap();
    let aborted = executor.submit(Probe::Abort).unwrap().result_timeout(TIMEOUT);
    assert!(matches!(aborted, Err(JobError::Crashed(_))));
    finish(&executor);
}

#[test]
fn command_line_reports_the_kind_memory() {
    let jobs = format!("{}{{\"op\":\"sum\",\"n\":4}}\n", shell_jobs(&[LARGE_OUTPUT]));
    let output =
        runner(["-w", "1", "--max-memory", "64M", "--allow-command", "--max-output", "1G"]).stdin(jobs).run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    let records = output.records();
    assert_eq!(records[0]["error"]["kind"], "memory", "{}", output.stderr);
    assert_eq!((&records[0]["error"]["attempts"], &records[1]["result"]), (&1.into(), &10.into()));
}

/// Returns the minimum address space of a worker in bytes, taken from the error message. It grows with the
/// program.
fn needed_by_a_worker() -> u64 {
    let output = runner(["-w", "1", "--max-memory", "1"]).stdin("{\"op\":\"sum\",\"n\":4}\n").run();
    let (_, after) = output.stderr.split_once("is too low: a worker needs at least ").unwrap();
    after.split_once(' ').unwrap().0.parse().unwrap()
}

#[test]
fn job_too_large_to_be_received_is_blamed() {
    // Room for a worker and the second job, but not for the bytes of the first.
    let limit = (needed_by_a_worker() + (2 << 20)).to_string();
    let number = format!("1{}", "0".repeat(8_000_000));
    let jobs = format!("{{\"op\":\"gcd\",\"a\":{number},\"b\":{number}}}\n{{\"op\":\"sum\",\"n\":4}}\n");
    let output = runner(["-w", "1", "--max-memory", &limit, "--max-digits", "9000000"]).stdin(jobs).run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    assert_eq!(output.kinds(), ["memory", "ok"], "{}", output.stderr);
}

#[test]
fn limit_below_the_needs_of_a_worker_is_rejected_and_blames_no_job() {
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
    // Jobs run with the size from the message.
    let size = needed.parse::<u64>().unwrap() + (64 << 10);
    let output = with_limit(&size.to_string());
    assert!(output.kinds().iter().all(|kind| kind == "ok"), "{size}: {:?} {}", output.kinds(), output.stderr);
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.kinds().len(), 20, "{}", output.stderr);
}

#[test]
fn library_reports_the_needs_of_a_worker() {
    let _case = Case::begin();
    let executor = builder::<Probe>(2).max_memory(1 << 20).build().unwrap();
    let Err(JobError::Broken(cause)) = executor.submit(Probe::Double(1)).unwrap().result_timeout(TIMEOUT)
    else {
        panic!("the job ran")
    };
    assert!(cause.contains("1048576 bytes is too low: a worker needs at least "), "{cause}");
    finish(&executor);
}

#[test]
fn memory_limit_needs_processes() {
    let output = runner(["--executor", "threads", "--max-memory", "1G"]).stdin("[]").run();
    assert_eq!(output.code(), 2);
}

#[test]
fn lower_hard_limit_is_kept() {
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
fn exceeding_an_inherited_hard_limit_is_reported_as_memory() {
    let jobs = format!("{}{{\"op\":\"sum\",\"n\":4}}\n", shell_jobs(&[LARGE_OUTPUT]));
    let options =
        ["-w", "1", "--max-memory", "8G", "--allow-command", "--max-output", "1G", "--max-result", "4G"];
    let call = runner(options).stdin(jobs);
    let output = call.address_space(400 << 20, 400 << 20).run();
    assert_eq!(output.kinds(), ["memory", "ok"], "{}", output.stderr);
}

/// A control group of version 1 with a memory limit. Removed on drop.
struct ControlGroup(std::path::PathBuf);

impl ControlGroup {
    fn new(bytes: u64) -> Option<ControlGroup> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = groups.lines().find_map(|line| line.split_once(":memory:"))?.1;
        let folder = Path::new("/sys/fs/cgroup/memory")
            .join(own.trim_start_matches('/'))
            .join(format!("runner-test-{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let group = ControlGroup(folder);
        fs::write(group.0.join("memory.limit_in_bytes"), bytes.to_string()).ok()?;
        Some(group)
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// Makes a command run in a control group.
fn join_group(command: &mut std::process::Command, group: &ControlGroup) {
    let tasks = group.0.join("cgroup.procs");
    // SAFETY: writing a number to a file is safe between fork and exec.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(move || fs::write(&tasks, "0"));
    }
}

/// Runs jobs on one worker in a control group of 96 MB and returns the records; `None` where such a group
/// cannot be created.
fn records_in_a_group(jobs: &str) -> Option<Vec<serde_json::Value>> {
    let Some(group) = ControlGroup::new(96 << 20) else {
        eprintln!("NOT RUN: cannot create a control group of version 1");
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
fn worker_killed_by_the_kernel_for_lack_of_memory_is_recognized() {
    let jobs = format!("{0}{1}{0}", "{\"op\":\"sum\",\"n\":4}\n", shell_jobs(&[LARGE_OUTPUT]));
    let Some(records) = records_in_a_group(&jobs) else { return };
    assert!(records[0]["ok"] == true && records[2]["ok"] == true, "{records:?}");
    assert_eq!(records[1]["error"]["kind"], "memory", "{records:?}");
}

#[test]
fn kernel_kill_of_a_program_is_not_attributed_to_a_worker_killed_later() {
    // The kernel kills the first program. When that kill is old enough, the second job kills its worker.
    let large = "head -c 200000000 /dev/zero | tail -n 1 > /dev/null; sleep 0.6";
    let Some(records) = records_in_a_group(&shell_jobs(&[large, KILL_WORKER])) else { return };
    assert_eq!(records[0]["ok"], true, "the program alone was killed: {records:?}");
    assert_eq!(records[1]["error"]["kind"], "crashed", "{records:?}");
}
