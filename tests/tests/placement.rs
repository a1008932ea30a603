//! CPU affinity and niceness of workers.

use std::{fs, io, process::Command, thread};

use end_to_end::{
    Case, KILL_WORKER,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, wait_until},
    runner, shell_jobs,
    workers::{exists, kill_and_wait},
};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use pool::{Executor, ProcessPool, error::BuildError};
use sys::placement::cores;

/// Maximum niceness.
const MAX_NICENESS: i64 = 19;

/// Returns `Cpus_allowed_list` of a process from `/proc/PID/status`.
fn allowed(pid: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list:")).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

fn niceness(pid: &str) -> i64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The first field after the name is field 3.
    let after_name = stat.rsplit(") ").next().unwrap();
    after_name.split(' ').nth(19 - 3).unwrap().parse().unwrap()
}

fn own_niceness() -> i64 {
    niceness("thread-self")
}

/// Returns the slot and the process id of each live worker.
fn places(executor: &ProcessPool<Probe>) -> Vec<(usize, u64)> {
    let figures = executor.worker_stats().into_iter();
    let known = figures.filter_map(|worker| Some((worker.worker.slot as usize, u64::from(worker.pid?))));
    let mut living: Vec<_> = known.filter(|&(_, pid)| exists(pid)).collect();
    living.sort_unstable();
    living
}

/// Starts all workers of a pool and runs a job on each of them.
fn occupy(executor: &ProcessPool<Probe>) -> Vec<(usize, u64)> {
    let barrier = Barrier::new();
    let jobs = barrier.hold_many(executor, executor.workers());
    let workers = places(executor);
    barrier.release();
    assert!(jobs.iter().all(|job| job.result_timeout(TIMEOUT).is_ok()));
    assert_eq!(workers.len(), executor.workers());
    workers
}

fn assert_on_their_cores(workers: &[(usize, u64)], cores: &[usize]) {
    for (slot, pid) in workers {
        let core = cores[slot % cores.len()];
        assert_eq!(allowed(&pid.to_string()), core.to_string(), "the worker in slot {slot}");
    }
}

/// Calls a function on a thread that may use only these cores.
fn confined<T: Send>(to: &[usize], action: impl FnOnce() -> T + Send) -> T {
    let confine = || {
        let mut some = CpuSet::new();
        to.iter().for_each(|&core| some.set(core).unwrap());
        sched_setaffinity(Pid::from_raw(0), &some).unwrap();
        action()
    };
    thread::scope(|scope| scope.spawn(confine).join().unwrap())
}

#[test]
fn two_workers_run_on_a_core_each() {
    let _case = Case::begin();
    let executor = builder::<Probe>(2).pin(true).build().unwrap();
    assert_on_their_cores(&occupy(&executor), &cores().unwrap());
    finish(&executor);
}

#[test]
fn more_workers_than_cores_share_them_in_turn() {
    let _case = Case::begin();
    let two: Vec<usize> = cores().unwrap().into_iter().take(2).collect();
    let executor = confined(&two, || builder::<Probe>(5).pin(true).build().unwrap());
    assert_on_their_cores(&occupy(&executor), &two);
    finish(&executor);
}

#[test]
fn cores_are_determined_when_the_pool_is_built() {
    let _case = Case::begin();
    for core in cores().unwrap().into_iter().take(2) {
        let executor = confined(&[core], || builder::<Probe>(2).pin(true).build().unwrap());
        // This thread, which starts the workers, may use all cores.
        assert_on_their_cores(&occupy(&executor), &[core]);
        finish(&executor);
    }
}

#[test]
fn replacement_runs_on_the_core_of_its_predecessor() {
    let _case = Case::begin();
    let cores = cores().unwrap();
    let executor = builder::<Probe>(3).pin(true).nice(1).build().unwrap();
    let before = occupy(&executor);
    for &(slot, pid) in &before {
        kill_and_wait(pid);
        executor.prestart();
        let successor = || {
            places(&executor)
                .into_iter()
                .find(|&(other, found)| (other, found) != (slot, pid) && other == slot)
        };
        wait_until("the worker is replaced", || successor().is_some());
    }
    let after = occupy(&executor);
    assert!(before.iter().all(|worker| !after.contains(worker)));
    assert_on_their_cores(&after, &cores);
    let expected = (own_niceness() + 1).min(MAX_NICENESS);
    assert!(after.iter().all(|(_, pid)| niceness(&pid.to_string()) == expected));
    finish(&executor);
}

#[test]
fn niceness_is_relative_to_the_parent() {
    let _case = Case::begin();
    for nice in [0, 3, 19] {
        let executor = builder::<Probe>(2).nice(nice).build().unwrap();
        for (_, pid) in occupy(&executor) {
            assert_eq!(niceness(&pid.to_string()), (own_niceness() + i64::from(nice)).min(MAX_NICENESS));
        }
        finish(&executor);
    }
}

#[test]
fn workers_inherit_affinity_and_niceness_by_default() {
    let _case = Case::begin();
    let executor = builder::<Probe>(2).build().unwrap();
    for (_, pid) in occupy(&executor) {
        let pid = pid.to_string();
        assert_eq!((allowed(&pid), niceness(&pid)), (allowed("thread-self"), own_niceness()));
    }
    finish(&executor);
}

#[test]
fn invalid_niceness_is_rejected_by_the_builder() {
    for nice in [-1, 20, i32::MIN, i32::MAX] {
        let Err(error @ BuildError::Nice(_)) = builder::<Probe>(1).nice(nice).build() else {
            panic!("{nice} was accepted")
        };
        let message = format!("the niceness of workers must be from 0 to 19, not {nice}");
        assert_eq!(error.to_string(), message);
    }
}

/// Script that prints its affinity and its niceness.
const OWN_PLACE: &str = "grep Cpus_allowed_list /proc/self/status; nice";

fn expected_placement(core: usize, niceness: i64) -> String {
    format!("Cpus_allowed_list:\t{core}\n{niceness}\n")
}

#[test]
fn programs_inherit_the_placement_of_their_worker() {
    let cores = cores().unwrap();
    let output = runner(["-w", "1", "--pin", "--nice", "2", "--allow-command"])
        .stdin(shell_jobs(&[OWN_PLACE, KILL_WORKER, OWN_PLACE]))
        .run();
    assert_eq!(output.kinds(), ["ok", "crashed", "ok"], "{}", output.stderr);
    let expected = expected_placement(cores[0], (own_niceness() + 2).min(MAX_NICENESS));
    for record in [&output.records()[0], &output.records()[2]] {
        assert_eq!(record["result"]["stdout"], expected);
    }
}

#[test]
fn jobs_inherit_the_placement_of_the_command_line_by_default() {
    let output = runner(["-w", "1", "--allow-command"]).stdin(shell_jobs(&[OWN_PLACE])).run();
    let expected = format!("Cpus_allowed_list:\t{}\n{}\n", allowed("thread-self"), own_niceness());
    assert_eq!(output.records()[0]["result"]["stdout"], expected, "{}", output.stderr);
}

#[test]
fn placement_options_need_processes_and_a_valid_niceness() {
    for executor in ["threads", "serial"] {
        for (option, value) in [("--pin", None), ("--nice", Some("3")), ("--nice", Some("0"))] {
            let output = runner(["--executor", executor, option]).with(|c| c.args(value)).stdin("[]").run();
            assert_eq!(output.code(), 2);
            assert_eq!(output.text(), "");
            let message = format!(
                "runner: {option} requires worker processes; \
                 set --executor (or RUNNER_EXECUTOR) to `processes`\n"
            );
            assert_eq!(output.stderr, message);
        }
    }
    for wrong in ["-1", "20", "x", "", "1.5"] {
        let output = runner(["--nice", wrong]).stdin("[]").run();
        assert_eq!(output.code(), 2, "{wrong}");
        assert_eq!(output.text(), "", "{wrong}");
        assert!(output.stderr.contains("--nice <N>"), "{}", output.stderr);
    }
    assert!(runner(["--nice", "-1"]).run().stderr.contains("-1 is not in 0..=19"));
}

#[test]
fn help_completions_and_manual_list_the_options() {
    for arguments in [&["--help"][..], &["completions", "bash"]] {
        let output = runner(arguments).run();
        assert!(output.text().contains("--pin") && output.text().contains("--nice"), "{arguments:?}");
    }
    let manual = runner(["man"]).run();
    assert!(manual.text().contains("\\-\\-pin") && manual.text().contains("\\-\\-nice"));
}

/// Makes a system call fail with EPERM in the program and in all that it starts.
fn refuse(command: &mut Command, call: libc::c_long) -> &mut Command {
    use std::os::unix::process::CommandExt;
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let filter = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, u32::try_from(call).unwrap()),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    // SAFETY: both are single system calls, which are safe between fork and exec; the filter outlives the
    // second.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(move || {
            let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
            let refused = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) < 0;
            if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
        })
    }
}

#[test]
fn workers_that_cannot_be_placed_are_not_started_and_the_cause_is_reported() {
    let first = cores().unwrap()[0];
    let pinning = format!("cannot pin it to core {first}: Operation not permitted");
    let yielding = "cannot add 7 to its niceness: Operation not permitted".to_owned();
    for (options, call, message) in [
        (&["--pin"][..], libc::SYS_sched_setaffinity, pinning),
        (&["--nice", "7"], libc::SYS_setpriority, yielding),
    ] {
        let output = runner(["-w", "1"])
            .stdin("{\"op\":\"sum\",\"n\":4}\n")
            .with(|c| refuse(c.args(options), call))
            .run();
        assert_eq!(output.code(), 4, "{}", output.stderr);
        assert_eq!(output.kinds(), ["cancelled"], "{}", output.stderr);
        assert!(output.stderr.contains(&message), "{}", output.stderr);
    }
}
