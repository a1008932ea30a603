//! Where workers run, and how readily they let others go first.

#![allow(clippy::unwrap_used)]

use std::{fs, io, process::Command, thread};

use end_to_end::{
    Case, KILL_WORKER,
    probe::{LIMIT, Probe, Stage, builder, finish, until},
    runner, shell_jobs,
    workers::{exists, kill_off},
};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use pool::{BuildError, Executor, ProcessPool};
use sys::placement::cores;

/// The most that a process can be.
const NICEST: i64 = 19;

/// The line of `/proc/PID/status` that says which cores a process may use.
fn allowed(pid: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list:")).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

fn niceness(pid: &str) -> i64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The first field after the name is the third.
    let after_name = stat.rsplit(") ").next().unwrap();
    after_name.split(' ').nth(19 - 3).unwrap().parse().unwrap()
}

fn own_niceness() -> i64 {
    niceness("thread-self")
}

/// The slot and the process of each worker that is there.
fn places(executor: &ProcessPool<Probe>) -> Vec<(usize, u64)> {
    let figures = executor.worker_stats().into_iter();
    let known = figures.filter_map(|worker| Some((worker.worker.slot as usize, u64::from(worker.pid?))));
    let mut living: Vec<_> = known.filter(|&(_, pid)| exists(pid)).collect();
    living.sort_unstable();
    living
}

/// Starts all workers of a pool and has each run a job.
fn occupy(executor: &ProcessPool<Probe>) -> Vec<(usize, u64)> {
    let stage = Stage::new();
    let jobs = stage.hold_many(executor, executor.workers());
    let workers = places(executor);
    stage.release();
    assert!(jobs.iter().all(|job| job.result(LIMIT).is_ok()));
    assert_eq!(workers.len(), executor.workers());
    workers
}

fn assert_on_their_cores(workers: &[(usize, u64)], cores: &[usize]) {
    for (slot, pid) in workers {
        let core = cores[slot % cores.len()];
        assert_eq!(allowed(&pid.to_string()), core.to_string(), "the worker in slot {slot}");
    }
}

/// Does something on a thread that may use only these cores.
fn confined<T: Send>(to: &[usize], deed: impl FnOnce() -> T + Send) -> T {
    let confine = || {
        let mut some = CpuSet::new();
        to.iter().for_each(|&core| some.set(core).unwrap());
        sched_setaffinity(Pid::from_raw(0), &some).unwrap();
        deed()
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
fn the_cores_are_those_that_the_process_may_use_when_the_pool_is_built() {
    let _case = Case::begin();
    for core in cores().unwrap().into_iter().take(2) {
        let executor = confined(&[core], || builder::<Probe>(2).pin(true).build().unwrap());
        // This thread, which starts the workers, may use all of them.
        assert_on_their_cores(&occupy(&executor), &[core]);
        finish(&executor);
    }
}

#[test]
fn a_replacement_runs_where_the_worker_before_it_did() {
    let _case = Case::begin();
    let cores = cores().unwrap();
    let executor = builder::<Probe>(3).pin(true).nice(1).build().unwrap();
    let before = occupy(&executor);
    for &(slot, pid) in &before {
        kill_off(pid);
        executor.prestart();
        let successor = || {
            places(&executor)
                .into_iter()
                .find(|&(other, found)| (other, found) != (slot, pid) && other == slot)
        };
        until("there is another worker", || successor().is_some());
    }
    let after = occupy(&executor);
    assert!(before.iter().all(|worker| !after.contains(worker)));
    assert_on_their_cores(&after, &cores);
    let nicer = (own_niceness() + 1).min(NICEST);
    assert!(after.iter().all(|(_, pid)| niceness(&pid.to_string()) == nicer));
    finish(&executor);
}

#[test]
fn niceness_is_added_to_that_of_the_parent() {
    let _case = Case::begin();
    for nice in [0, 3, 19] {
        let executor = builder::<Probe>(2).nice(nice).build().unwrap();
        for (_, pid) in occupy(&executor) {
            assert_eq!(niceness(&pid.to_string()), (own_niceness() + i64::from(nice)).min(NICEST));
        }
        finish(&executor);
    }
}

#[test]
fn by_default_workers_are_placed_as_their_parent_is() {
    let _case = Case::begin();
    let executor = builder::<Probe>(2).build().unwrap();
    for (_, pid) in occupy(&executor) {
        let pid = pid.to_string();
        assert_eq!((allowed(&pid), niceness(&pid)), (allowed("thread-self"), own_niceness()));
    }
    finish(&executor);
}

#[test]
fn a_niceness_that_cannot_be_added_is_told_when_the_pool_is_built() {
    for nice in [-1, 20, i32::MIN, i32::MAX] {
        let Err(error @ BuildError::Nice(_)) = builder::<Probe>(1).nice(nice).build() else {
            panic!("{nice} was taken")
        };
        let told = format!("the niceness of workers must be from 0 to 19, not {nice}");
        assert_eq!(error.to_string(), told);
    }
}

/// Prints what a program may use, and how nice it is.
const OWN_PLACE: &str = "grep Cpus_allowed_list /proc/self/status; nice";

fn told_place(core: usize, niceness: i64) -> String {
    format!("Cpus_allowed_list:\t{core}\n{niceness}\n")
}

#[test]
fn what_jobs_start_has_the_place_of_their_worker() {
    let cores = cores().unwrap();
    let output = runner(["-w", "1", "--pin", "--nice", "2", "--allow-command"])
        .stdin(shell_jobs(&[OWN_PLACE, KILL_WORKER, OWN_PLACE]))
        .run();
    assert_eq!(output.kinds(), ["ok", "crashed", "ok"], "{}", output.stderr);
    let expected = told_place(cores[0], (own_niceness() + 2).min(NICEST));
    for record in [&output.records()[0], &output.records()[2]] {
        assert_eq!(record["result"]["stdout"], expected);
    }
}

#[test]
fn without_the_options_jobs_run_where_the_command_line_does() {
    let output = runner(["-w", "1", "--allow-command"]).stdin(shell_jobs(&[OWN_PLACE])).run();
    let expected = format!("Cpus_allowed_list:\t{}\n{}\n", allowed("thread-self"), own_niceness());
    assert_eq!(output.records()[0]["result"]["stdout"], expected, "{}", output.stderr);
}

#[test]
fn a_place_needs_processes_and_a_niceness_that_there_is() {
    for executor in ["threads", "serial"] {
        for (option, value) in [("--pin", None), ("--nice", Some("3")), ("--nice", Some("0"))] {
            let output = runner(["--executor", executor, option]).with(|c| c.args(value)).stdin("[]").run();
            assert_eq!((output.code(), output.text()), (2, ""));
            let told = format!(
                "runner: {option} requires worker processes; set --executor (or RUNNER_EXECUTOR) to `processes`\n"
            );
            assert_eq!(output.stderr, told);
        }
    }
    for wrong in ["-1", "20", "x", "", "1.5"] {
        let output = runner(["--nice", wrong]).stdin("[]").run();
        assert_eq!((output.code(), output.text()), (2, ""), "{wrong}");
        assert!(output.stderr.contains("--nice <N>"), "{}", output.stderr);
    }
    assert!(runner(["--nice", "-1"]).run().stderr.contains("-1 is not in 0..=19"));
}

#[test]
fn packagers_and_the_help_know_the_options() {
    for arguments in [&["--help"][..], &["completions", "bash"]] {
        let output = runner(arguments).run();
        assert!(output.text().contains("--pin") && output.text().contains("--nice"), "{arguments:?}");
    }
    let manual = runner(["man"]).run();
    assert!(manual.text().contains("\\-\\-pin") && manual.text().contains("\\-\\-nice"));
}

/// Has the system refuse a call to the program and to all that it starts.
fn refuse(command: &mut Command, call: libc::c_long) -> &mut Command {
    use std::os::unix::process::CommandExt;
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let filter = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, u32::try_from(call).unwrap()),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    // SAFETY: both are single system calls, which are safe between fork and exec; the filter lives through the second.
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
fn workers_that_cannot_be_placed_are_not_started_and_the_cause_is_told() {
    let first = cores().unwrap()[0];
    let pinning = format!("cannot pin it to core {first}: Operation not permitted");
    let yielding = "cannot add 7 to its niceness: Operation not permitted".to_owned();
    for (options, call, told) in [
        (&["--pin"][..], libc::SYS_sched_setaffinity, pinning),
        (&["--nice", "7"], libc::SYS_setpriority, yielding),
    ] {
        let output = runner(["-w", "1"])
            .stdin("{\"op\":\"sum\",\"n\":4}\n")
            .with(|c| refuse(c.args(options), call))
            .run();
        assert_eq!((output.code(), output.kinds()), (4, vec!["cancelled".to_owned()]), "{}", output.stderr);
        assert!(output.stderr.contains(&told), "{}", output.stderr);
    }
}
