//! Nothing outlives the run: neither workers nor what their jobs have started.

#![allow(clippy::unwrap_used)]

use std::{os::unix::process::CommandExt, time::Duration};

use end_to_end::{KILL_WORKER, Running, runner, runner_as_init, shell_jobs};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const FAMILY: &str = "sleep 1000 & (sleep 1000 & wait) & wait";

/// Two jobs with a family of programs each, all of them there.
fn families() -> Running {
    let mut run = runner(["-w", "2", "--allow-command"]).stdin(shell_jobs(&[FAMILY; 2])).start();
    run.until("both families are there", |run| run.programs("sleep").len() == 4);
    run
}

#[test]
fn when_the_parent_is_killed_programs_and_their_programs_go() {
    let run = families();
    run.signal(Signal::SIGKILL);
    // That nothing is left a second later is proven by the harness.
    assert_eq!(run.wait().signal(), 9);
}

#[test]
fn when_a_worker_is_killed_programs_and_their_programs_go() {
    let mut run = families();
    let before = run.programs("sleep");
    for worker in run.workers() {
        kill(Pid::from_raw(worker), Signal::SIGKILL).unwrap();
    }
    run.until("both families have come and gone", |run| {
        let now = run.programs("sleep");
        now.len() == 4 && now.iter().all(|pid| !before.contains(pid))
    });
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGINT);
    assert_eq!(run.wait().kinds(), ["cancelled", "cancelled"]);
}

#[test]
fn when_the_parent_is_killed_while_workers_start_they_go() {
    for round in 0..20u32 {
        let mut run = runner(["-w", "8"]).stdin("{\"op\":\"sleep\",\"seconds\":1000}\n".repeat(8)).start();
        let started = round as usize % 9;
        run.until("some workers have been started", |run| run.workers().len() >= started);
        run.signal(Signal::SIGKILL);
        assert_eq!(run.wait().signal(), 9);
    }
}

#[test]
fn when_the_parent_is_killed_with_its_workers_stopped_they_go() {
    let run = families();
    for worker in run.workers() {
        kill(Pid::from_raw(-worker), Signal::SIGSTOP).unwrap();
    }
    run.signal(Signal::SIGKILL);
    assert_eq!(run.wait().signal(), 9);
}

#[test]
fn a_program_ends_as_it_would_by_itself() {
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
fn programs_end_where_the_ends_of_children_are_ignored() {
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
fn a_program_that_cannot_be_run_still_says_why() {
    let jobs = "{\"op\":\"command\",\"argv\":[\"/nonexistent\"]}\n{\"op\":\"command\",\"argv\":[\"true\"],\"cwd\":\"/nowhere\"}\n";
    let output = runner(["-w", "1", "--allow-command"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["failed", "failed"]);
    for record in output.records() {
        assert!(record["error"]["message"].as_str().unwrap().contains("No such file"), "{record}");
    }
}

#[test]
fn a_suspended_run_stands_with_all_its_programs_and_its_limits() {
    let folder = tempfile::tempdir().unwrap();
    let [started, go] = ["started", "go"].map(|name| folder.path().join(name));
    let script = format!("touch {}; until test -e {}; do sleep 0.01; done", started.display(), go.display());
    let limit = Duration::from_secs(2);
    let arguments = ["-w", "1", "--allow-command", "--timeout", "2"];
    let mut run = runner(arguments).stdin(shell_jobs(&[&script])).start();
    run.until("the program runs", |_| started.exists());
    run.signal(Signal::SIGTSTP);
    let stands = |run: &Running, pid| run.state(pid) == Some('T');
    run.until("all of it stands", |run| {
        let workers = run.workers();
        stands(run, run.pid()) && workers.len() == 1 && workers.iter().all(|&pid| stands(run, pid))
    });
    // The limit has to pass while nothing moves; only time can bring that about.
    let start = std::time::Instant::now();
    run.until("the limit would have passed", |_| start.elapsed() > limit);
    run.signal(Signal::SIGCONT);
    std::fs::write(go, "").unwrap();
    let output = run.wait();
    assert_eq!((output.code(), output.kinds()), (0, vec!["ok".into()]), "{}", output.text());
}

#[test]
fn a_worker_that_somebody_stops_is_killed_after_a_while_and_its_job_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let [started, go] = ["started", "go"].map(|name| folder.path().join(name));
    let script =
        format!("echo x >> {}; until test -e {}; do sleep 0.01; done", started.display(), go.display());
    let attempts = || std::fs::read_to_string(&started).map_or(0, |text| text.lines().count());
    let mut run = runner(["-w", "1", "--allow-command"]).stdin(shell_jobs(&[&script])).start();
    run.until("the program runs", |_| attempts() == 1);
    let start = std::time::Instant::now();
    kill(Pid::from_raw(run.workers()[0]), Signal::SIGSTOP).unwrap();
    run.until("another worker has its job", |_| attempts() == 2);
    assert!(start.elapsed() > Duration::from_secs(9), "it was given its time");
    std::fs::write(go, "").unwrap();
    assert_eq!(run.wait().kinds(), ["ok"]);
}

/// Programs that leave the worker's process group, or its session too.
const RUNAWAYS: [&str; 4] = [
    "timeout 2000 sleep 1000",
    "timeout 2000 sh -c 'sleep 1000 & wait'",
    "setsid -w sleep 1000",
    "set -m; sleep 1000 & wait",
];

#[test]
fn programs_in_process_groups_of_their_own_go_with_their_job() {
    let arguments = ["-w", "4", "--allow-command", "--timeout", "0.5", "--kill-after", "0.2"];
    let output = runner(arguments).stdin(shell_jobs(&RUNAWAYS)).run();
    assert_eq!(output.kinds(), ["timeout"; 4]);
    // That nothing is left is proven by the harness.
}

#[test]
fn programs_in_process_groups_of_their_own_go_with_the_parent_and_with_workers() {
    let mut run =
        runner(["-w", "4", "--allow-command", "--retries", "0"]).stdin(shell_jobs(&RUNAWAYS)).start();
    run.until("all are there", |run| run.programs("sleep").len() == 4);
    let workers = run.workers();
    kill(Pid::from_raw(workers[0]), Signal::SIGKILL).unwrap();
    run.until("those of one worker are gone", |run| run.programs("sleep").len() == 3);
    run.signal(Signal::SIGKILL);
    assert_eq!(run.wait().signal(), 9);
}

#[test]
fn what_programs_left_behind_in_groups_of_their_own_goes_with_the_worker() {
    for executor in ["processes", "threads", "serial"] {
        let scripts =
            ["timeout 2000 sleep 1000 >&- 2>&- & setsid sleep 1000 & echo up", "sleep 0.1; echo next"];
        let output =
            runner(["-w", "1", "--allow-command", "--executor", executor]).stdin(shell_jobs(&scripts)).run();
        let said: Vec<_> = output.records().iter().map(|record| record["result"]["stdout"].clone()).collect();
        assert_eq!(said, ["up\n", "next\n"], "{executor}");
    }
}

#[test]
fn a_program_in_a_process_group_of_its_own_may_clean_up() {
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
fn what_holds_the_output_does_not_delay_the_record() {
    let scripts = [
        "sleep 1000 & echo up",
        "sleep 1000 >&2 & echo up",
        "(sleep 1000 & sleep 1000) & echo up; exit 3",
        "yes & echo up",
        "timeout 1000 sleep 1000 & echo up; kill -KILL $$",
    ];
    for executor in ["processes", "threads"] {
        // With a limit, too: the programs have ended.
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
fn all_that_a_program_wrote_before_its_end_is_read() {
    // As much as a pipe holds, written by the program itself and by what it has waited for.
    let script = "head -c 60000 /dev/zero | tr '\\0' x; sleep 1000 & exit 0";
    let output = runner(["-w", "2", "--allow-command"]).stdin(shell_jobs(&[script; 20])).run();
    for record in output.records() {
        assert_eq!(record["result"]["stdout"].as_str().unwrap().len(), 60_000);
    }
}

#[test]
fn the_death_of_a_guard_is_that_of_its_worker() {
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
fn without_workers_the_death_of_a_guard_fails_the_job() {
    for executor in ["threads", "serial"] {
        let jobs = shell_jobs(&["kill -KILL $PPID; exec sleep 1000", "echo fine"]);
        let output = runner(["--allow-command", "--executor", executor]).stdin(jobs).run();
        assert_eq!(output.kinds(), ["failed", "ok"], "{}", output.text());
        let message = output.records()[0]["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("guard ended with signal: 9"), "{message}");
    }
}

#[test]
fn a_stopped_guard_is_no_obstacle() {
    let script = "kill -STOP $PPID; sleep 1000";
    let output = runner(["--allow-command", "--timeout", "0.3", "--kill-after", "0.1"])
        .stdin(shell_jobs(&[script]))
        .run();
    assert_eq!(output.kinds(), ["timeout"]);
}

/// What a run as the first process of a PID namespace is started with.
const AS_INIT: [&str; 5] = ["-w", "2", "--allow-command", "--retries", "0"];

#[test]
fn as_the_first_process_of_a_namespace_it_reaps_what_it_adopts() {
    let jobs = shell_jobs(&[
        KILL_WORKER,
        KILL_WORKER,
        "sh -c 'sleep 0.1 &'",
        KILL_WORKER,
        // A name that no other job's program has.
        "exec tail -f /dev/null",
    ]);
    // One job after the other: when the last one runs, the others have ended.
    let Some(call) = runner_as_init(&["-w", "1", "--allow-command", "--retries", "0"]) else { return };
    let mut run = call.stdin(jobs).start();
    let init = |run: &Running| run.children(run.pid());
    run.until("the last job runs", |run| run.programs("tail").len() == 1 && init(run).len() == 1);
    let init = init(&run)[0];
    run.until("nothing that has ended is left", |run| {
        run.children(init).iter().all(|&pid| run.state(pid).is_some_and(|state| state != 'Z'))
    });
    kill(Pid::from_raw(init), Signal::SIGTERM).unwrap();
    let output = run.wait();
    assert_eq!(output.kinds(), ["crashed", "crashed", "ok", "crashed", "cancelled"], "{}", output.text());
    assert_eq!(output.code(), 128 + 15);
}

#[test]
fn as_the_first_process_of_a_namespace_it_ends_as_elsewhere() {
    let Some(call) = runner_as_init(&AS_INIT) else { return };
    let output = call.stdin(shell_jobs(&["exit 3"])).run();
    assert_eq!((output.kinds(), output.code()), (vec!["ok".to_owned()], 0));
    let Some(call) = runner_as_init(&AS_INIT) else { return };
    assert_eq!(call.stdin("nonsense").run().code(), 1);
    let Some(call) = runner_as_init(&["factor", "12"]) else { return };
    assert_eq!(call.run().text(), "12: 2 2 3\n");
}

#[test]
fn as_the_first_process_of_a_namespace_a_signal_reaches_it_once() {
    let jobs = shell_jobs(&["exec sleep 1", "exec sleep 1000"]);
    let Some(call) = runner_as_init(&AS_INIT) else { return };
    let mut run = call.stdin(jobs).start();
    run.until("both programs run", |run| run.programs("sleep").len() == 2);
    let init = run.children(run.pid())[0];
    kill(Pid::from_raw(init), Signal::SIGINT).unwrap();
    let output = run.wait();
    assert_eq!((output.kinds(), output.code()), (vec!["ok".to_owned(), "cancelled".to_owned()], 128 + 2));
}
