//! The snapshot that SIGUSR1 asks for.

use std::os::unix::process::CommandExt;

use end_to_end::runner;
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use crate::stage::Stage;

#[test]
fn snapshot_shows_what_each_worker_is_doing() {
    let stage = Stage::new();
    let jobs = format!("{{\"op\":\"sum\",\"n\":4}}\n{}wrong\n", stage.waiting_job("slow"));
    let mut run = stage.start(runner(["-q", "-w", "1", "--allow-command"]).stdin(jobs));
    run.wait_until("the job runs", |run| !run.programs("sleep").is_empty());
    let worker = run.workers()[0];
    run.wait_until("all is on the snapshot", |run| {
        run.signal(Signal::SIGUSR1);
        stage.stderr().contains("3 jobs read, 2 done, 1 failed; 0 queued, 1 assigned, 0 retries\n")
    });
    let stderr = stage.stderr();
    let line = stderr.lines().rfind(|line| line.contains("worker 0.0")).unwrap();
    let start = format!("runner: worker 0.0, pid {worker}, ");
    assert!(line.starts_with(&start) && line.contains(" MiB: job 1 (id \"slow\") for "), "{line}");
    stage.open();
    let output = run.wait();
    assert_eq!((output.code(), output.kinds()), (1, ["ok", "ok", "invalid"].map(str::to_owned).to_vec()));
}

#[test]
fn signal_ends_neither_workers_nor_guards_of_programs() {
    let stage = Stage::new();
    let jobs = stage.waiting_job("a") + &stage.waiting_job("b");
    let call = runner(["-q", "-w", "2", "--allow-command"]).stdin(jobs);
    let mut run = stage.start(call.with(|c| c.process_group(0)));
    run.wait_until("the jobs run", |run| run.programs("sleep").len() == 2);
    let (workers, guards) = (run.workers(), run.programs("runner-guard"));
    assert_eq!((workers.len(), guards.len()), (2, 2));
    // The process group, as a terminal would, and then each process, as `pkill -USR1 runner` would.
    killpg(Pid::from_raw(run.pid()), Signal::SIGUSR1).unwrap();
    for &process in workers.iter().chain(&guards) {
        kill(Pid::from_raw(process), Signal::SIGUSR1).unwrap();
    }
    stage.wait_for(&mut run, "runner: worker 1.0, ");
    assert_eq!((run.workers(), run.programs("runner-guard")), (workers, guards));
    stage.open();
    assert_eq!(run.wait().kinds(), ["ok", "ok"]);
}

#[test]
fn programs_start_with_the_default_action_of_the_signal() {
    let script = "kill -USR1 $$; echo survived";
    for executor in ["processes", "threads"] {
        let jobs = end_to_end::shell_jobs(&[script]);
        let output = runner(["--executor", executor, "--allow-command"]).stdin(jobs).run();
        assert_eq!(output.records()[0]["result"]["signal"], "SIGUSR1", "{}", output.text());
    }
}

#[test]
fn other_executors_have_a_snapshot_without_workers() {
    for executor in ["threads", "serial"] {
        let stage = Stage::new();
        let arguments = ["-q", "-w", "1", "--allow-command", "--executor", executor];
        let mut run = stage.start(runner(arguments).stdin(stage.waiting_job("x")));
        run.wait_until("the job runs", |run| !run.programs("sleep").is_empty());
        run.signal(Signal::SIGUSR1);
        stage.wait_for(&mut run, "jobs read, 0 done, 0 failed; 0 queued, 1 assigned, 0 retries\n");
        stage.open();
        assert_eq!(run.wait().code(), 0);
    }
}
