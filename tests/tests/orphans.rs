//! No process outlives the run: neither workers nor programs that jobs have started.

use std::{os::unix::process::CommandExt, time::Duration};

use end_to_end::{KILL_WORKER, Running, runner, runner_as_init, shell_jobs};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const NESTED_PROGRAMS: &str = "sleep 1000 & (sleep 1000 & wait) & wait";

/// Starts a run with two jobs, each with two nested programs, and waits until all programs run.
fn run_with_nested_programs() -> Running {
    let mut run = runner(["-w", "2", "--allow-command"]).stdin(shell_jobs(&[NESTED_PROGRAMS; 2])).start();
    run.wait_until("all programs have started", |run| run.programs("sleep").len() == 4);
    run
}

#[test]
fn programs_and_their_children_end_with_the_parent() {
    let run = run_with_nested_programs();
    run.signal(Signal::SIGKILL);
    // `wait` checks that no process is left after a second.
    assert_eq!(run.wait().signal(), 9);
}

#[test]
fn programs_and_their_children_end_with_the_worker() {
    let mut run = run_with_nested_programs();
    let before = run.programs("sleep");
    for worker in run.workers() {
        kill(Pid::from_raw(worker), Signal::SIGKILL).unwrap();
    }
    run.wait_until("all programs were replaced", |run| {
        let now = run.programs("sleep");
        now.len() == 4 && now.iter().all(|pid| !before.contains(pid))
    });
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGINT);
    assert_eq!(run.wait().kinds(), ["cancelled", "cancelled"]);
}

#[test]
fn starting_workers_end_with_the_parent() {
    for round in 0..20u32 {
        let mut run = runner(["-w", "8"]).stdin("{\"op\":\"sleep\",\"seconds\":1000}\n".repeat(8)).start();
        let started = round as usize % 9;
        run.wait_until("some workers have started", |run| run.workers().len() >= started);
        run.signal(Signal::SIGKILL);
        assert_eq!(run.wait().signal(), 9);
    }
}

#[test]
fn stopped_workers_end_with_the_parent() {
    let run = run_with_nested_programs();
    for worker in run.workers() {
        kill(Pid::from_raw(-worker), Signal::SIGSTOP).unwrap();
    }
    run.signal(Signal::SIGKILL);
    assert_eq!(run.wait().signal(), 9);
}

#[test]
fn exit_status_of_programs_is_reported() {
    let scripts =
        ["exit 7", "kill -SEGV $$", "kill -KILL $$", "kill -TERM $$", "trap '' HUP; kill -HUP $$; echo here"];
    let output = runner(["-w", "1", "--allow-command"]).stdin(shell_jobs(&scripts)).run();
    let records = output.records();
    let ends: Vec<_> = records
        .iter()
        .map(|record| (record["result"]["exit_code"].as_i64(), record["result"]["signal"].as_str()))
        .collect();
    let signals = ["SIGSEGV", "SIGKILL", "SIGTERM"].map(|name| (None, Some(name)));
    assert_eq!(ends[0], (Some(7), None));
    assert_eq!(ends[1..4], signals);
    assert_eq!((ends[4], records[4]["result"]["stdout"].as_str()), ((Some(0), None), Some("here\n")));
}

#[test]
fn exit_status_is_reported_with_sigchld_ignored() {
    let call =
        runner(["-w", "1", "--allow-command"]).stdin(shell_jobs(&["exit 7", "echo here"])).with(|command| {
            // SAFETY: setting a disposition is one system call, which is safe between fork and exec.
            #[allow(unsafe_code)]
            unsafe {
                command.pre_exec(|| {
                    libc::signal(libc::SIGCHLD, libc::SIG_IGN);
                    Ok(())
                })
            }
        });
    let output = call.run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.records()[0]["result"]["exit_code"], 7);
    assert_eq!(output.records()[1]["result"]["stdout"], "here\n");
}

#[test]
fn program_that_cannot_be_executed_reports_the_cause() {
    let jobs = "{\"op\":\"command\",\"argv\":[\"/nonexistent\"]}\n\
                {\"op\":\"command\",\"argv\":[\"true\"],\"cwd\":\"/nowhere\"}\n";
    let output = runner(["-w", "1", "--allow-command"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["failed", "failed"]);
    for record in output.records() {
        assert!(record["error"]["message"].as_str().unwrap().contains("No such file"), "{record}");
    }
}

#[test]
fn suspended_run_stops_all_programs_and_time_limits() {
    let folder = tempfile::tempdir().unwrap();
    let [started, go] = ["started", "go"].map(|name| folder.path().join(name));
    let script = format!("touch {}; until test -e {}; do sleep 0.01; done", started.display(), go.display());
    let limit = Duration::from_secs(2);
    let arguments = ["-w", "1", "--allow-command", "--timeout", "2"];
    let mut run = runner(arguments).stdin(shell_jobs(&[&script])).start();
    run.wait_until("the program runs", |_| started.exists());
    run.signal(Signal::SIGTSTP);
    let is_stopped = |run: &Running, pid| run.state(pid) == Some('T');
    run.wait_until("all processes are stopped", |run| {
        let workers = run.workers();
        is_stopped(run, run.pid()) && workers.len() == 1 && workers.iter().all(|&pid| is_stopped(run, pid))
    });
    // The limit has to pass while all processes are stopped, so there is no event to wait for.
    let start = std::time::Instant::now();
    run.wait_until("the limit would have passed", |_| start.elapsed() > limit);
    run.signal(Signal::SIGCONT);
    std::fs::write(go, "").unwrap();
    let output = run.wait();
    assert_eq!(output.code(), 0, "{}", output.text());
    assert_eq!(output.kinds(), ["ok"], "{}", output.text());
}

#[test]
fn stopped_worker_is_killed_after_a_timeout_and_its_job_retried() {
    let folder = tempfile::tempdir().unwrap();
    let [started, go] = ["started", "go"].map(|name| folder.path().join(name));
    let script =
        format!("echo x >> {}; until test -e {}; do sleep 0.01; done", started.display(), go.display());
    let attempts = || std::fs::read_to_string(&started).map_or(0, |text| text.lines().count());
    let mut run = runner(["-w", "1", "--allow-command"]).stdin(shell_jobs(&[&script])).start();
    run.wait_until("the program runs", |_| attempts() == 1);
    let start = std::time::Instant::now();
    kill(Pid::from_raw(run.workers()[0]), Signal::SIGSTOP).unwrap();
    run.wait_until("another worker has its job", |_| attempts() == 2);
    assert!(start.elapsed() > Duration::from_secs(9), "the worker was killed too early");
    std::fs::write(go, "").unwrap();
    assert_eq!(run.wait().kinds(), ["ok"]);
}

/// Scripts whose programs leave the worker's process group or session.
const DETACHED_PROGRAMS: [&str; 4] = [
    "timeout 2000 sleep 1000",
    "timeout 2000 sh -c 'sleep 1000 & wait'",
    "setsid -w sleep 1000",
    "set -m; sleep 1000 & wait",
];

#[test]
fn programs_in_other_process_groups_end_with_their_job() {
    let arguments = ["-w", "4", "--allow-command", "--timeout", "0.5", "--kill-after", "0.2"];
    let output = runner(arguments).stdin(shell_jobs(&DETACHED_PROGRAMS)).run();
    assert_eq!(output.kinds(), ["timeout"; 4]);
    // `run` checks that no process is left.
}

#[test]
fn programs_in_other_process_groups_end_with_workers_and_parent() {
    let mut run = runner(["-w", "4", "--allow-command", "--retries", "0"])
        .stdin(shell_jobs(&DETACHED_PROGRAMS))
        .start();
    run.wait_until("all programs have started", |run| run.programs("sleep").len() == 4);
    let workers = run.workers();
    kill(Pid::from_raw(workers[0]), Signal::SIGKILL).unwrap();
    run.wait_until("the programs of one worker have exited", |run| run.programs("sleep").len() == 3);
    run.signal(Signal::SIGKILL);
    assert_eq!(run.wait().signal(), 9);
}

#[test]
fn background_programs_in_other_process_groups_end_with_the_worker() {
    for executor in ["processes", "threads", "serial"] {
        let scripts =
            ["timeout 2000 sleep 1000 >&- 2>&- & setsid sleep 1000 & echo up", "sleep 0.1; echo next"];
        let output =
            runner(["-w", "1", "--allow-command", "--executor", executor]).stdin(shell_jobs(&scripts)).run();
        let outputs: Vec<_> =
            output.records().iter().map(|record| record["result"]["stdout"].clone()).collect();
        assert_eq!(outputs, ["up\n", "next\n"], "{executor}");
    }
}

#[test]
fn program_in_another_process_group_may_clean_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cleaned");
    let script = format!(
        "exec timeout 2000 sh -c 'trap \"touch {}; exit\" TERM; while :; do sleep 0.05; done'",
        file.display()
    );
    let arguments = ["--allow-command", "--timeout", "0.5", "--kill-after", "30"];
    let output = runner(arguments).stdin(shell_jobs(&[&script])).run();
    assert_eq!(output.kinds(), ["timeout"]);
    assert!(file.exists());
    assert!(output.elapsed < Duration::from_secs(10), "{:?}", output.elapsed);
}

#[test]
fn background_programs_with_open_output_do_not_delay_the_record() {
    let scripts = [
        "sleep 1000 & echo up",
        "sleep 1000 >&2 & echo up",
        "(sleep 1000 & sleep 1000) & echo up; exit 3",
        "yes & echo up",
        "timeout 1000 sleep 1000 & echo up; kill -KILL $$",
    ];
    for executor in ["processes", "threads"] {
        // A time limit does not apply, since the programs have exited.
        let limits: &[&str] = if executor == "processes" { &["--timeout", "20"] } else { &[] };
        let arguments = [&["-w", "2", "--allow-command", "--executor", executor], limits].concat();
        let output = runner(arguments).stdin(shell_jobs(&scripts)).run();
        assert_eq!(output.kinds(), ["ok"; 5], "{executor}: {}", output.text());
        let records = output.records();
        let codes: Vec<_> = records.iter().map(|record| record["result"]["exit_code"].as_i64()).collect();
        assert_eq!(codes, [Some(0), Some(0), Some(3), Some(0), None]);
        assert_eq!(records[4]["result"]["signal"], "SIGKILL");
        assert!(records.iter().all(|record| record["result"]["stdout"].as_str().unwrap().contains("up\n")));
        assert!(output.elapsed < Duration::from_secs(15), "{:?}", output.elapsed);
    }
}

#[test]
fn all_output_of_a_program_is_read() {
    // As much as a pipe buffers, written by the program and by a child that it has waited for.
    let script = "head -c 60000 /dev/zero | tr '\\0' x; sleep 1000 & exit 0";
    let output = runner(["-w", "2", "--allow-command"]).stdin(shell_jobs(&[script; 20])).run();
    for record in output.records() {
        assert_eq!(record["result"]["stdout"].as_str().unwrap().len(), 60_000);
    }
}

#[test]
fn death_of_a_guard_counts_as_death_of_its_worker() {
    let kill_guard = "kill -KILL $PPID; sleep 1000";
    let grandchild = "(sleep 1000 & echo; kill -KILL $PPID; wait); sleep 1000";
    let stopped_first = "kill -STOP $PPID; kill -KILL $PPID; sleep 1000";
    let jobs = shell_jobs(&[kill_guard, "echo fine", grandchild, stopped_first]);
    let output = runner(["-w", "1", "--allow-command", "--retries", "1"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["crashed", "ok", "crashed", "crashed"], "{}", output.text());
    for record in [0, 2, 3].map(|index| output.records()[index].clone()) {
        let error = &record["error"];
        assert_eq!((error["signal"].as_str(), error["attempts"].as_u64()), (Some("SIGKILL"), Some(2)));
    }
}

#[test]
fn death_of_a_guard_without_workers_fails_the_job() {
    for executor in ["threads", "serial"] {
        let jobs = shell_jobs(&["kill -KILL $PPID; exec sleep 1000", "echo fine"]);
        let output = runner(["--allow-command", "--executor", executor]).stdin(jobs).run();
        assert_eq!(output.kinds(), ["failed", "ok"], "{}", output.text());
        let message = output.records()[0]["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("guard ended with signal: 9"), "{message}");
    }
}

#[test]
fn stopped_guard_does_not_block() {
    let script = "kill -STOP $PPID; sleep 1000";
    let output = runner(["--allow-command", "--timeout", "0.3", "--kill-after", "0.1"])
        .stdin(shell_jobs(&[script]))
        .run();
    assert_eq!(output.kinds(), ["timeout"]);
}

/// Arguments of runs as the first process of a PID namespace.
const AS_INIT: [&str; 5] = ["-w", "2", "--allow-command", "--retries", "0"];

#[test]
fn init_process_reaps_adopted_processes() {
    let jobs = shell_jobs(&[
        KILL_WORKER,
        KILL_WORKER,
        "sh -c 'sleep 0.1 &'",
        KILL_WORKER,
        // No other job starts a program of this name.
        "exec tail -f /dev/null",
    ]);
    // With one worker, the other jobs have ended when the last one runs.
    let Some(call) = runner_as_init(&["-w", "1", "--allow-command", "--retries", "0"]) else { return };
    let mut run = call.stdin(jobs).start();
    let init = |run: &Running| run.children(run.pid());
    run.wait_until("the last job runs", |run| run.programs("tail").len() == 1 && init(run).len() == 1);
    let init = init(&run)[0];
    run.wait_until("all zombies are reaped", |run| {
        run.children(init).iter().all(|&pid| run.state(pid).is_some_and(|state| state != 'Z'))
    });
    kill(Pid::from_raw(init), Signal::SIGTERM).unwrap();
    let output = run.wait();
    assert_eq!(output.kinds(), ["crashed", "crashed", "ok", "crashed", "cancelled"], "{}", output.text());
    assert_eq!(output.code(), 128 + 15);
}

#[test]
fn init_process_exits_with_the_usual_codes() {
    let Some(call) = runner_as_init(&AS_INIT) else { return };
    let output = call.stdin(shell_jobs(&["exit 3"])).run();
    assert_eq!(output.kinds(), ["ok"]);
    assert_eq!(output.code(), 0);
    let Some(call) = runner_as_init(&AS_INIT) else { return };
    assert_eq!(call.stdin("nonsense").run().code(), 1);
    let Some(call) = runner_as_init(&["factor", "12"]) else { return };
    assert_eq!(call.run().text(), "12: 2 2 3\n");
}

#[test]
fn init_process_receives_a_signal_once() {
    let jobs = shell_jobs(&["exec sleep 1", "exec sleep 1000"]);
    let Some(call) = runner_as_init(&AS_INIT) else { return };
    let mut run = call.stdin(jobs).start();
    run.wait_until("both programs run", |run| run.programs("sleep").len() == 2);
    let init = run.children(run.pid())[0];
    kill(Pid::from_raw(init), Signal::SIGINT).unwrap();
    let output = run.wait();
    assert_eq!(output.kinds(), ["ok", "cancelled"]);
    assert_eq!(output.code(), 128 + 2);
}
