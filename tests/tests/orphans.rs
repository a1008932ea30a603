//! Nothing outlives the run: neither workers nor what their jobs have started.

#![allow(clippy::unwrap_used)]

use std::{os::unix::process::CommandExt, time::Duration};

use end_to_end::{Running, runner, shell_jobs};
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
