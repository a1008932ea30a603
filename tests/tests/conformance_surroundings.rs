//! Conformance: programs that end, descriptors, and how pools are made. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Call, Case, Output,
    probe::{LIMIT, Probe, Stage, builder, finish, marks, processes, threads, transport},
    program,
    workers::living,
};
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::signal::Signal,
    unistd::Pid,
};
use pool::{BuildError, Executor, MAX_WORKERS, ThreadPool, Transport, WorkerCountError, available_cores};

/// A program with a pool; that nothing is left of it is proven by the harness.
fn exit_probe(deed: &str, stage: &Stage) -> Call {
    Call::new(&program("exit-probe"), [Path::new(deed), &stage.file("")])
}

#[test]
fn shut_06_a_program_that_returns_from_main_leaves_no_workers() {
    let _case = Case::begin();
    for (deed, code) in [("return", 0), ("forget", 0), ("exit", 3)] {
        let stage = Stage::new();
        let output = exit_probe(deed, &stage).run();
        assert_eq!((output.code(), output.text(), &*output.stderr), (code, "busy\n", ""), "{deed}");
        assert!(output.elapsed < Duration::from_secs(5), "{deed}: {:?}", output.elapsed);
        assert_eq!(marks(&stage.file("started")), 2, "{deed}: what waited has not been run");
    }
}

#[test]
fn shut_07_nor_does_one_that_returns_right_after_a_shutdown_that_does_not_wait() {
    let _case = Case::begin();
    for deed in ["shutdown", "stop"] {
        let output = exit_probe(deed, &Stage::new()).run();
        assert_eq!((output.code(), output.text(), &*output.stderr), (0, "busy\n", ""), "{deed}");
        assert!(output.elapsed < Duration::from_secs(5), "{deed}: {:?}", output.elapsed);
    }
}

#[test]
fn leak_03_nor_does_one_that_is_killed() {
    let _case = Case::begin();
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT] {
        let stage = Stage::new();
        let mut run = exit_probe("linger", &stage).start();
        run.until("its jobs run", |_| marks(&stage.file("started")) == 2);
        assert_eq!(run.workers().len(), 2);
        run.signal(signal);
        assert_eq!(run.wait().signal(), signal as i32);
    }
}

#[test]
fn leak_02_a_worker_inherits_its_streams_and_nothing_else() {
    let _case = Case::begin();
    let stage = Stage::new();
    let stray = fs::File::create(stage.file("stray")).unwrap();
    fcntl(&stray, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let executor = processes(2);
    let held = [0, 1].map(|_| executor.submit(stage.hold()).unwrap());
    stage.until_held(2);
    let workers: Vec<Vec<String>> = living(&executor).into_iter().map(open_files).collect();
    let own = open_files(std::process::id().into());
    stage.release();
    held.iter().for_each(|job| assert!(job.result(LIMIT).is_ok()));
    assert!(own.iter().any(|file| file.ends_with("/stray")));
    for files in &workers {
        assert!(!files.iter().any(|file| file.ends_with("/stray")), "{files:?}");
        // What wakes it, and two ends of the link if that is not memory; what they lead to has a number of its own in each
        // process.
        let ends = if transport() == Transport::Rings { 0 } else { 2 };
        let sockets: Vec<_> = files.iter().filter(|file| file.starts_with("socket:")).collect();
        assert_eq!(sockets.len(), 1 + ends, "{files:?}");
        let shared = |others: &[String]| sockets.iter().any(|&socket| others.contains(socket));
        assert!(!shared(&own) && !workers.iter().any(|other| other != files && shared(other)));
    }
    finish(&executor);
}

/// What a process's descriptors lead to.
fn open_files(pid: u64) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    entries.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string())).collect()
}

#[test]
fn leak_02b_pools_without_end_take_no_descriptors_with_them() {
    let _case = Case::begin();
    let before = open_files(std::process::id().into()).len();
    for round in 0..20 {
        let executor = processes(2);
        let jobs: Vec<_> = (0..4).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        jobs.iter().for_each(|job| assert!(job.result(LIMIT).is_ok()));
        finish(&executor);
        assert!(open_files(std::process::id().into()).len() <= before, "round {round}");
    }
}

#[test]
fn leak_05_a_job_may_read_standard_input_and_run_what_does() {
    let _case = Case::begin();
    let executor = processes(1);
    let before = executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap();
    assert_eq!(executor.submit(Probe::ReadInput).unwrap().result(LIMIT).unwrap(), 0);
    for line in ["cat", "read word; test -z \"$word\"", "cat <&0 >/dev/null", "test -e /dev/stdin"] {
        assert_eq!(executor.submit(Probe::Shell(line.into())).unwrap().result(LIMIT).unwrap(), 0, "{line}");
    }
    assert_eq!(executor.submit(Probe::ReadInput).unwrap().result(LIMIT).unwrap(), 0, "it is open still");
    assert_eq!(executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap(), before);
    finish(&executor);
}

#[test]
fn cfg_01_the_number_of_workers_has_bounds() {
    let _case = Case::begin();
    for count in [0, MAX_WORKERS + 1, usize::MAX] {
        assert!(
            matches!(builder::<Probe>(count).build(), Err(BuildError::Workers(told)) if told == WorkerCountError(count))
        );
    }
    for count in [1, MAX_WORKERS] {
        let executor = builder::<Probe>(count).build().unwrap();
        assert_eq!(executor.workers(), count);
        assert_eq!(executor.submit(Probe::Double(2)).unwrap().result(LIMIT).unwrap(), 4);
        finish(&executor);
    }
    let executor: ThreadPool<Probe> = threads(0);
    assert_eq!(executor.workers(), 1, "a thread pool makes the best of it");
    finish(&executor);
}

#[test]
fn cfg_02_the_default_number_of_workers_heeds_affinity() {
    let _case = Case::begin();
    assert!(available_cores() >= 1);
    let workers = |cores: usize| {
        // A child inherits the affinity of the thread that starts it.
        let child = thread::spawn(move || {
            let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
            let mut some = CpuSet::new();
            let allowed = (0..CpuSet::count()).filter(|&core| all.is_set(core).unwrap());
            allowed.take(cores).for_each(|core| some.set(core).unwrap());
            sched_setaffinity(Pid::from_raw(0), &some).unwrap();
            exit_probe("workers", &Stage::new()).run()
        });
        child.join().unwrap().text().trim().parse::<usize>().unwrap()
    };
    assert_eq!(workers(1), 1);
    assert_eq!(workers(usize::MAX), available_cores());
}

#[test]
fn cfg_03_without_threads_or_processes_jobs_fail_and_shutdown_returns() {
    let _case = Case::begin();
    let stage = programs_for_anybody();
    // Enough for the program alone; with a supervisor; with a clock too, but for no worker.
    for most in 1..=3 {
        let output = with_processes(&stage, "work", most);
        let text = output.text();
        assert_eq!(output.code(), 0, "{most}: {text}{}", output.stderr);
        assert!(text.contains("Abandoned") && text.contains("broken: Some"), "{most}: {text}");
        assert!(
            ["cannot start the clock thread", "cannot start a worker", "cannot start \\\""]
                .iter()
                .any(|cause| text.contains(cause)),
            "{most}: {text}"
        );
        assert!(output.elapsed < Duration::from_secs(5), "{:?}", output.elapsed);
    }
    for most in 4..8 {
        let output = with_processes(&stage, "work", most);
        assert_eq!((output.code(), output.text().lines().count()), (0, 4), "{most}: {}", output.text());
    }
    let output = with_processes(&stage, "work-on-threads", 1);
    assert!(output.text().contains("broken: Some(\"cannot start a thread"), "{}", output.text());
}

#[test]
fn cfg_03b_a_thread_that_is_missing_is_not_taken_for_a_descriptor() {
    let _case = Case::begin();
    if !nix::unistd::geteuid().is_root() {
        // Only root can become a user who has no other processes, so that they can be counted.
        return;
    }
    let output = with_processes(&programs_for_anybody(), "work-until-starved", 50);
    let text = output.text();
    assert!(text.starts_with("Ok(Ok(2))\nOk(true)\n"), "{text}{}", output.stderr);
    assert!(text.contains("broken: Some(\"cannot start a thread for a worker"), "{text}");
}

/// A folder with the program and its workers' that any user can reach.
fn programs_for_anybody() -> Stage {
    let stage = Stage::new();
    fs::set_permissions(stage.file(""), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["exit-probe", "probe-worker"] {
        fs::copy(program(name), stage.file(name)).unwrap();
    }
    stage
}

/// The program in this folder, as a user who may have so many processes and threads.
fn with_processes(stage: &Stage, deed: &str, most: u64) -> Output {
    let limits = libc::rlimit { rlim_cur: most, rlim_max: most };
    let call = Call::new(&stage.file("exit-probe"), [deed]).with(|command| {
        // The limit does not hold for root. Whoever is not root has more processes than these already.
        if nix::unistd::geteuid().is_root() {
            command.uid(54_321);
        }
        // SAFETY: setting a limit is one system call, which is safe between fork and exec.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NPROC, &raw const limits) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            })
        }
    });
    call.run()
}

#[test]
fn cfg_04_workers_can_be_started_amid_many_threads() {
    let _case = Case::begin();
    let start = Instant::now();
    thread::scope(|scope| {
        for n in 0..8 {
            // Threads that allocate and lock, and others that start workers meanwhile.
            scope.spawn(move || {
                (0..2000).map(|size| vec![n; size]).for_each(drop);
                let executor = processes(2);
                let jobs: Vec<_> = (0..6).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
                jobs.iter().for_each(|job| assert!(job.result(LIMIT).is_ok()));
                finish(&executor);
            });
        }
    });
    // In a thread pool's threads too.
    let outer = threads(4);
    let jobs: Vec<_> = (0..8).map(|_| outer.submit(Probe::Shell("exit 4".into())).unwrap()).collect();
    jobs.iter().for_each(|job| assert_eq!(job.result(LIMIT).unwrap(), 4));
    finish(&outer);
    assert!(start.elapsed() < LIMIT);
}

#[test]
fn cfg_05_a_program_without_the_entry_fails_clearly_and_starts_no_crowd() {
    let _case = Case::begin();
    let stage = Stage::new();
    let output = Call::new(&program("no-entry"), [""; 0]).with(|c| c.env("BODY", stage.file("body"))).run();
    assert!(output.text().contains("Abandoned"), "{}", output.text());
    assert!(output.stderr.contains("`main` does not begin with `enter_if_worker`"), "{}", output.stderr);
    let runs = marks(&stage.file("body"));
    assert!((2..=6).contains(&runs), "the program's body ran {runs} times");
    assert!(output.elapsed < Duration::from_secs(5), "{:?}", output.elapsed);
}
