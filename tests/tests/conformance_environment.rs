//! Conformance: exit of the program, descriptors, and configuration. Each test name starts with the id of its
//! row.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    Call, Case, Output, copy_program,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, line_count, processes, threads, transport},
    program,
    workers::live_pids,
};
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::signal::Signal,
    unistd::Pid,
};
use pool::{
    Executor, ProcessPool, ThreadPool,
    error::{BuildError, WorkerCountError},
    settings::{MAX_WORKERS, Transport, available_cores},
};

/// Returns an invocation of a program with a pool; `run` checks that no process of it is left.
fn exit_probe(action: &str, barrier: &Barrier) -> Call {
    Call::new(&program("exit-probe"), [Path::new(action), &barrier.file("")])
}

#[test]
fn shut_06_a_program_that_returns_from_main_leaves_no_workers() {
    let _case = Case::begin();
    for (action, code) in [("return", 0), ("forget", 0), ("exit", 3)] {
        let barrier = Barrier::new();
        let output = exit_probe(action, &barrier).run();
        assert_eq!(output.code(), code, "{action}");
        assert_eq!(output.text(), "busy\n", "{action}");
        assert_eq!(&*output.stderr, "", "{action}");
        assert!(output.elapsed < Duration::from_secs(5), "{action}: {:?}", output.elapsed);
        assert_eq!(line_count(&barrier.file("started")), 2, "{action}: a waiting job ran");
    }
}

#[test]
fn shut_07_a_program_that_exits_right_after_a_shutdown_leaves_no_workers() {
    let _case = Case::begin();
    for action in ["shutdown", "stop"] {
        let output = exit_probe(action, &Barrier::new()).run();
        assert_eq!(output.code(), 0, "{action}");
        assert_eq!(output.text(), "busy\n", "{action}");
        assert_eq!(&*output.stderr, "", "{action}");
        assert!(output.elapsed < Duration::from_secs(5), "{action}: {:?}", output.elapsed);
    }
}

#[test]
fn leak_03_a_killed_program_leaves_no_workers() {
    let _case = Case::begin();
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT] {
        let barrier = Barrier::new();
        let mut run = exit_probe("linger", &barrier).start();
        run.wait_until("the jobs are running", |_| line_count(&barrier.file("started")) == 2);
        assert_eq!(run.workers().len(), 2);
        run.signal(signal);
        assert_eq!(run.wait().signal(), signal as i32);
    }
}

#[test]
fn leak_02_a_worker_inherits_its_streams_and_nothing_else() {
    let _case = Case::begin();
    let barrier = Barrier::new();
    let stray = fs::File::create(barrier.file("stray")).unwrap();
    fcntl(&stray, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let executor = processes(2);
    let held = [0, 1].map(|_| executor.submit(barrier.hold()).unwrap());
    barrier.wait_for_held(2);
    let workers: Vec<Vec<String>> = live_pids(&executor).into_iter().map(open_files).collect();
    let own = open_files(std::process::id().into());
    barrier.release();
    held.iter().for_each(|job| assert!(job.result_timeout(TIMEOUT).is_ok()));
    assert!(own.iter().any(|file| file.ends_with("/stray")));
    for files in &workers {
        assert!(!files.iter().any(|file| file.ends_with("/stray")), "{files:?}");
        // The doorbell, and two ends of the link unless that is shared memory. Sockets of different processes
        // have different inodes.
        let ends = if transport() == Transport::Rings { 0 } else { 2 };
        let sockets: Vec<_> = files.iter().filter(|file| file.starts_with("socket:")).collect();
        assert_eq!(sockets.len(), 1 + ends, "{files:?}");
        let shared = |others: &[String]| sockets.iter().any(|&socket| others.contains(socket));
        assert!(!shared(&own) && !workers.iter().any(|other| other != files && shared(other)));
    }
    finish(&executor);
}

/// Returns the targets of a process's descriptors.
fn open_files(pid: u64) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    entries.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string())).collect()
}

#[test]
fn leak_02b_many_pools_leak_no_descriptors() {
    let _case = Case::begin();
    let before = open_files(std::process::id().into()).len();
    for round in 0..20 {
        let executor = processes(2);
        let jobs: Vec<_> = (0..4).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
        jobs.iter().for_each(|job| assert!(job.result_timeout(TIMEOUT).is_ok()));
        finish(&executor);
        assert!(open_files(std::process::id().into()).len() <= before, "round {round}");
    }
}

#[test]
fn leak_05_jobs_and_their_programs_may_read_standard_input() {
    let _case = Case::begin();
    let executor = processes(1);
    let before = executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap();
    assert_eq!(executor.submit(Probe::ReadInput).unwrap().result_timeout(TIMEOUT).unwrap(), 0);
    for line in ["cat", "read word; test -z \"$word\"", "cat <&0 >/dev/null", "test -e /dev/stdin"] {
        assert_eq!(
            executor.submit(Probe::Shell(line.into())).unwrap().result_timeout(TIMEOUT).unwrap(),
            0,
            "{line}"
        );
    }
    assert_eq!(
        executor.submit(Probe::ReadInput).unwrap().result_timeout(TIMEOUT).unwrap(),
        0,
        "standard input is closed"
    );
    assert_eq!(executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap(), before);
    finish(&executor);
}

#[test]
fn cfg_01_the_number_of_workers_has_bounds() {
    let _case = Case::begin();
    for count in [0, MAX_WORKERS + 1, usize::MAX] {
        let Err(BuildError::Workers(error)) = builder::<Probe>(count).build() else {
            panic!("{count} workers were accepted")
        };
        assert_eq!(error, WorkerCountError(count));
    }
    for count in [1, MAX_WORKERS] {
        let executor = builder::<Probe>(count).build().unwrap();
        assert_eq!(executor.workers(), count);
        assert_eq!(executor.submit(Probe::Double(2)).unwrap().result_timeout(TIMEOUT).unwrap(), 4);
        finish(&executor);
    }
    let executor: ThreadPool<Probe> = threads(0);
    assert_eq!(executor.workers(), 1, "a thread pool has at least one thread");
    finish(&executor);
}

#[test]
fn cfg_02_the_default_number_of_workers_respects_affinity() {
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
            exit_probe("workers", &Barrier::new()).run()
        });
        child.join().unwrap().text().trim().parse::<usize>().unwrap()
    };
    assert_eq!(workers(1), 1);
    assert_eq!(workers(usize::MAX), available_cores());
}

#[test]
fn cfg_03_without_threads_or_processes_jobs_fail_and_shutdown_returns() {
    let _case = Case::begin();
    let barrier = programs_for_any_user();
    // Enough for the program alone, for a supervisor too, and for a clock too; never for a worker.
    for most in 1..=3 {
        let output = with_processes(&barrier, "work", most);
        let text = output.text();
        assert_eq!(output.code(), 0, "{most}: {text}{}", output.stderr);
        assert!(text.contains("Broken") && text.contains("broken: Some"), "{most}: {text}");
        assert!(
            ["cannot start the clock thread", "cannot start a worker", "cannot start \\\""]
                .iter()
                .any(|cause| text.contains(cause)),
            "{most}: {text}"
        );
        assert!(output.elapsed < Duration::from_secs(5), "{:?}", output.elapsed);
    }
    for most in 4..8 {
        let output = with_processes(&barrier, "work", most);
        assert_eq!(output.code(), 0, "{most}: {}", output.text());
        assert_eq!(output.text().lines().count(), 4, "{most}: {}", output.text());
    }
    let output = with_processes(&barrier, "work-on-threads", 1);
    assert!(output.text().contains("broken: Some(\"cannot start a thread"), "{}", output.text());
}

#[test]
fn cfg_03b_a_lack_of_threads_is_not_reported_as_a_lack_of_descriptors() {
    let _case = Case::begin();
    if !nix::unistd::geteuid().is_root() {
        // Only root can switch to a user without other processes.
        return;
    }
    let output = with_processes(&programs_for_any_user(), "exhaust-threads", 50);
    let text = output.text();
    assert!(text.starts_with("Ok(Ok(2))\nOk(true)\n"), "{text}{}", output.stderr);
    assert!(text.contains("broken: Some(\"cannot start a thread for a worker"), "{text}");
}

/// Copies the program and its worker program to a directory that any user can read.
fn programs_for_any_user() -> Barrier {
    let barrier = Barrier::new();
    fs::set_permissions(barrier.file(""), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["exit-probe", "probe-worker"] {
        copy_program(name, &barrier.file(name));
    }
    barrier
}

/// Runs the program in this directory as a user with a limit on processes and threads.
fn with_processes(barrier: &Barrier, action: &str, most: u64) -> Output {
    let limits = libc::rlimit { rlim_cur: most, rlim_max: most };
    let call = Call::new(&barrier.file("exit-probe"), [action]).with(|command| {
        // The limit does not apply to root. Other users already have more processes than the limit.
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
fn cfg_04_workers_can_be_started_from_many_threads() {
    let _case = Case::begin();
    let start = Instant::now();
    thread::scope(|scope| {
        for n in 0..8 {
            // Some threads allocate and lock while others start workers.
            scope.spawn(move || {
                (0..2000).map(|size| vec![n; size]).for_each(drop);
                let executor = processes(2);
                let jobs: Vec<_> = (0..6).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
                jobs.iter().for_each(|job| assert!(job.result_timeout(TIMEOUT).is_ok()));
                finish(&executor);
            });
        }
    });
    // Also from the threads of a thread pool.
    let outer = threads(4);
    let jobs: Vec<_> = (0..8).map(|_| outer.submit(Probe::Shell("exit 4".into())).unwrap()).collect();
    jobs.iter().for_each(|job| assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 4));
    finish(&outer);
    assert!(start.elapsed() < TIMEOUT);
}

#[test]
fn cfg_05_a_program_without_the_entry_hook_fails_clearly_and_starts_no_process() {
    let _case = Case::begin();
    let barrier = Barrier::new();
    let output = Call::new(&program("no-entry"), [""; 0]).with(|c| c.env("BODY", barrier.file("body"))).run();
    let expected = "this program has no worker entry for the job type `probe`: call \
                    `pool::enter_if_worker::<end_to_end::probe::Probe>()` first in `main`, or write \
                    `pool::worker!(end_to_end::probe::Probe);` outside of functions; there are entries for `";
    assert!(output.stderr.starts_with(expected) && output.stderr.contains("`add`"), "{}", output.stderr);
    assert!(!output.stderr.contains("pool::functions::Call"), "{}", output.stderr);
    assert_eq!(line_count(&barrier.file("body")), 1, "how often the program's body ran");
}

#[test]
fn cfg_05b_a_worker_program_without_the_entry_hook_is_started_a_few_times() {
    let _case = Case::begin();
    let barrier = Barrier::new();
    let builder = ProcessPool::builder().worker_program(program("no-entry"));
    let pool = builder.env("BODY", barrier.file("body")).workers(1).build().unwrap();
    assert!(pool.submit(Probe::Double(1)).unwrap().result_timeout(TIMEOUT).is_err());
    assert!(pool.broken().unwrap().starts_with("the worker did not connect"), "{:?}", pool.broken());
    let runs = line_count(&barrier.file("body"));
    assert!((1..=5).contains(&runs), "the program's body ran {runs} times");
    finish(&pool);
}

#[test]
fn cfg_05c_a_worker_program_is_given_its_arguments() {
    let _case = Case::begin();
    let worker = program("probe-worker").into_os_string();
    let script = ["-c", r#"[ "$2" = "two words" ] && exec "$1""#, "sh"];
    let builder = ProcessPool::builder().worker_program("/bin/sh").worker_args(script);
    let pool = builder.worker_args([worker]).worker_args(["two words"]).workers(1).build().unwrap();
    assert_eq!(pool.submit(Probe::Double(4)).unwrap().result_timeout(TIMEOUT).unwrap(), 8);
    finish(&pool);
}
