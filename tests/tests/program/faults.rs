//! Worker deaths and jobs that exceed their time limit.

use std::{collections::BTreeSet, fs, time::Duration};

use end_to_end::{KILL_WORKER, gcd_jobs, program, runner, shell_jobs};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

fn with_commands(arguments: &[&str], scripts: &[&str]) -> end_to_end::Output {
    runner(arguments).with(|c| c.arg("--allow-command")).stdin(shell_jobs(scripts)).run()
}

#[test]
fn job_that_kills_its_worker_fails_alone() {
    let output = with_commands(&["-w", "2", "--retries", "1"], &["echo a", KILL_WORKER, "echo b", "echo c"]);
    assert_eq!(output.kinds(), ["ok", "crashed", "ok", "ok"]);
    assert_eq!(output.code(), 1);
    let error = &output.records()[1]["error"];
    assert_eq!((error["signal"].as_str(), error["attempts"].as_u64()), (Some("SIGKILL"), Some(2)));
    assert!(error["pid"].as_u64().unwrap() > 1);
    assert_eq!(error.as_object().unwrap().keys().len(), 5);
}

#[test]
fn job_is_attempted_once_plus_its_retries() {
    let folder = tempfile::tempdir().unwrap();
    let count = folder.path().join("count");
    let script = format!("echo x >> {}; {KILL_WORKER}", count.display());
    for retries in [0u64, 2, 5] {
        let _ = fs::remove_file(&count);
        let output = with_commands(&["--retries", &retries.to_string()], &[&script]);
        assert_eq!(output.records()[0]["error"]["attempts"].as_u64(), Some(retries + 1));
        assert_eq!(fs::read_to_string(&count).unwrap().lines().count() as u64, retries + 1);
    }
}

#[test]
fn job_may_succeed_in_a_later_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("flag");
    let script = format!("test -e {0} && echo fine && exit; touch {0}; {KILL_WORKER}", flag.display());
    let output = with_commands(&["-w", "1"], &["echo a", &script]);
    assert_eq!(output.kinds(), ["ok", "ok"]);
    assert_eq!(output.records()[1]["result"]["stdout"], "fine\n");
}

#[test]
fn killed_workers_do_not_change_the_output() {
    let (jobs, expected) = gcd_jobs(200_000);
    let mut run = runner(["-w", "2", "--retries", "1000"]).stdin(jobs).start();
    let (mut killed, mut moment) = (BTreeSet::new(), 1u64);
    run.wait_until("the run has exited", |run| {
        // Random delays spread the kills over starts, batches and waits; there is no event to wait for.
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_micros(moment >> 50));
        let workers = run.workers();
        if let Some(&pid) = workers.get(moment as usize % workers.len().max(1))
            && killed.insert(pid)
        {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        run.child.try_wait().unwrap().is_some()
    });
    let output = run.wait();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert!(output.text() == expected);
    assert!(killed.len() >= 5, "only {} workers were killed", killed.len());
}

#[test]
fn job_that_exceeds_its_time_limit_is_killed_and_reported() {
    let sleep = |seconds: &str| format!("{{\"op\":\"sleep\",\"seconds\":{seconds}}}\n");
    let jobs = ["0", "60", "0.1"].map(sleep).concat();
    let output = runner(["-w", "2", "--timeout", "0.5"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["ok", "timeout", "ok"]);
    assert_eq!(output.code(), 1);
    let error = &output.records()[1]["error"];
    assert_eq!(error["attempts"], 1);
    assert_eq!(error["message"], "ran longer than 0.5 s");
    assert!(output.elapsed < Duration::from_secs(2), "{:?}", output.elapsed);
}

#[test]
fn time_limit_of_a_job_overrides_that_of_the_run() {
    let jobs = "{\"op\":\"sleep\",\"seconds\":60,\"timeout\":0.2}\n\
                {\"op\":\"sleep\",\"seconds\":0.4,\"timeout\":30}\n";
    let output = runner(["-w", "1", "--timeout", "0.3"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["timeout", "ok"]);
    let output = runner(["-w", "1"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["timeout", "ok"]);
}

#[test]
fn time_limit_applies_to_single_jobs_of_a_batch() {
    let mut jobs: Vec<String> = (0..40).map(|n| format!("{{\"op\":\"sum\",\"n\":{n}}}")).collect();
    jobs[17] = "{\"op\":\"sum\",\"n\":1000000000000,\"method\":\"trial\"}".into();
    let output = runner(["-w", "1", "--batch", "40", "--timeout", "0.3"]).stdin(jobs.join("\n")).run();
    let wanted: Vec<&str> = (0..40).map(|n| if n == 17 { "timeout" } else { "ok" }).collect();
    assert_eq!(output.kinds(), wanted);
}

#[test]
fn job_that_ignores_sigterm_is_killed() {
    let script = "trap '' TERM; while :; do sleep 0.1; done";
    let output = with_commands(&["--timeout", "0.2", "--kill-after", "0.2"], &[script]);
    assert_eq!(output.kinds(), ["timeout"]);
    assert!(output.elapsed < Duration::from_secs(2), "{:?}", output.elapsed);
}

#[test]
fn timed_out_job_may_be_retried() {
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("flag");
    let script = format!("test -e {0} && exit; touch {0}; sleep 60", flag.display());
    let output = with_commands(&["--timeout", "0.3", "--timeout-retries", "1"], &[&script]);
    assert_eq!(output.kinds(), ["ok"]);
}

#[test]
fn workers_are_replaced_after_their_quota() {
    let jobs = "{\"op\":\"sum\",\"n\":1}\n".repeat(10);
    let output = runner(["-w", "1", "--max-jobs-per-worker", "3", "--stats=json", "-q"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["ok"; 10]);
    let stats: serde_json::Value = serde_json::from_str(&output.stderr).unwrap();
    let counts: Vec<u64> =
        stats["workers"].as_array().unwrap().iter().map(|w| w["jobs"].as_u64().unwrap()).collect();
    assert_eq!(counts, [3, 3, 3, 1]);
}

#[test]
fn children_of_a_program_end_with_its_worker() {
    let output = with_commands(&["--timeout", "0.3"], &["sleep 1000 & sleep 1000 & wait"]);
    assert_eq!(output.kinds(), ["timeout"]);
    // `run` checks that no process is left.
}

#[test]
fn workers_end_with_the_parent() {
    let mut run = runner(["-w", "3"]).stdin("{\"op\":\"sleep\",\"seconds\":1000}\n".repeat(3)).start();
    run.wait_until("all workers have started", |run| run.workers().len() == 3);
    run.signal(Signal::SIGKILL);
    assert_eq!(run.wait().signal(), 9);
}

#[test]
fn separate_worker_program_can_be_given() {
    let worker = program("worker");
    let output =
        runner(["--worker-bin".as_ref(), worker.as_os_str()]).stdin("{\"op\":\"sum\",\"n\":4}").run();
    assert_eq!(output.text(), "{\"id\":0,\"ok\":true,\"result\":10}\n");
}

#[test]
fn workers_that_cannot_start_break_the_pool_with_the_cause() {
    for (worker, words) in [
        ("/nonexistent", "cannot start \"/nonexistent\""),
        ("/etc/passwd", "Permission denied"),
        ("/bin/false", "did not connect"),
        ("/bin/true", "did not connect"),
    ] {
        let output =
            runner(["-w", "2", "--worker-bin", worker]).stdin("{\"op\":\"sum\",\"n\":4}\n".repeat(3)).run();
        assert_eq!(output.kinds(), ["cancelled"; 3], "{}", output.stderr);
        assert_eq!(output.code(), 4, "{}", output.stderr);
        assert!(output.stderr.contains(words), "{}", output.stderr);
        assert!(output.elapsed < Duration::from_secs(5));
    }
}

#[test]
fn cause_is_reported_when_it_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let journal = folder.path().join(round.to_string());
        for arguments in [vec![], vec!["--journal".as_ref(), journal.as_os_str()]] {
            let output = runner(["-w", "1", "--worker-bin", "/nonexistent"])
                .with(|c| c.args(arguments))
                .stdin("{\"op\":\"sum\",\"n\":4}\n")
                .run();
            assert_eq!(output.kinds(), ["cancelled"], "{}", output.stderr);
            assert_eq!(output.code(), 4, "{}", output.stderr);
            assert!(output.stderr.contains("cannot start \"/nonexistent\""), "{}", output.stderr);
        }
    }
}

#[test]
fn worker_started_manually_explains_itself() {
    let output = end_to_end::Call::new(&program("worker"), ["--help"]).run();
    assert_eq!(output.code(), 2);
    assert!(output.stderr.contains("started by a process pool"));
}

#[test]
fn replaced_workers_leak_no_descriptors() {
    let jobs = "{\"op\":\"sum\",\"n\":1}\n".repeat(150);
    let call = runner(["-w", "1", "--max-jobs-per-worker", "1"]).stdin(jobs).descriptors(64);
    let output = call.run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.records().len(), 150, "{}", output.stderr);
}

#[test]
fn job_that_does_not_ignore_sigterm_ends_by_it() {
    let jobs = "{\"op\":\"sleep\",\"seconds\":60}\n";
    let output = runner(["--timeout", "0.2", "--kill-after", "30"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["timeout"]);
    assert!(output.elapsed < Duration::from_secs(5), "{:?}", output.elapsed);
}

#[test]
fn program_may_clean_up_after_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cleaned");
    let script =
        format!("trap 'sleep 0.2; touch {}; exit' TERM; while :; do sleep 0.05; done", file.display());
    let output = with_commands(&["--timeout", "0.3", "--kill-after", "30"], &[&script]);
    assert_eq!(output.kinds(), ["timeout"]);
    assert!(file.exists());
    assert!(output.elapsed < Duration::from_secs(5), "{:?}", output.elapsed);
}

#[test]
fn programs_start_with_no_signal_blocked() {
    for executor in ["processes", "threads", "serial"] {
        let script = "timeout 0.2 sleep 60; grep SigBlk /proc/self/status";
        let output = with_commands(&["--executor", executor], &[script]);
        let stdout = output.records()[0]["result"]["stdout"].as_str().unwrap().to_owned();
        assert_eq!(stdout, "SigBlk:\t0000000000000000\n", "{executor}");
        assert!(output.elapsed < Duration::from_secs(5), "{:?}", output.elapsed);
    }
}

#[test]
fn file_size_limit_is_named_as_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let create = |name: &str| fs::File::create(file(name)).unwrap();
    let jobs = gcd_jobs(20_000).0;
    let numbers: String = (1..=60_000).map(|number| format!("{number}\n")).collect();
    let serial = ["--executor", "serial"];
    // Not even the memory that a worker shares with its parent fits.
    let no_workers = runner(["-w", "1"]).stdin("{\"op\":\"sum\",\"n\":4}");
    let results = runner(serial).stdin(jobs.clone()).with(|c| c.arg("-o").arg(file("results")));
    let redirected = runner(serial).stdin(jobs).with(|c| c.stdout(create("redirected")));
    let statistics =
        runner(serial).with(|c| c.args(["--stats=json", "--stats-file"]).arg(file("statistics")));
    let factors =
        runner(["factor"]).stdin(numbers).with(|c| c.stdout(create("factors")).env("RUNNER_WORKERS", "1"));
    let completions = runner(["completions", "bash"]).with(|c| c.stdout(create("completions")));
    for (call, limit, code) in [
        (no_workers, 1_000, 4),
        (results, 100_000, 3),
        (redirected, 100_000, 3),
        (statistics, 10, 3),
        // The workers' shared memory fits, the output does not.
        (factors, 400_000, 1),
        (completions, 1_000, 3),
    ] {
        let output = call.file_size(limit).run();
        assert_eq!(output.code(), code, "{}", output.stderr);
        assert!(output.stderr.contains("File too large"), "{}", output.stderr);
    }
}

/// Returns whether SIGXFSZ is ignored according to `/proc/PID/status`.
fn ignores_large_files(status: &str) -> bool {
    let line = status.lines().find(|line| line.starts_with("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
    ignored & (1 << (libc::SIGXFSZ - 1)) != 0
}

#[test]
fn programs_inherit_the_disposition_of_sigxfsz() {
    let argv = "{\"op\":\"command\",\"argv\":[\"cat\",\"/proc/self/status\"]}";
    for executor in ["processes", "threads", "serial"] {
        for is_ignored in [false, true] {
            let call = runner(["-w", "1", "--allow-command", "--executor", executor]).stdin(argv);
            let call = if is_ignored { call.ignoring(Signal::SIGXFSZ) } else { call };
            let status = call.run().records()[0]["result"]["stdout"].as_str().unwrap().to_owned();
            assert_eq!(ignores_large_files(&status), is_ignored, "{executor}");
        }
    }
}

#[test]
fn runner_and_its_workers_ignore_sigxfsz() {
    let mut run = runner(["-w", "1"]).stdin("{\"op\":\"sleep\",\"seconds\":1000}").start();
    run.wait_until("the worker has started", |run| run.workers().len() == 1);
    run.wait_until_idle();
    for pid in [run.pid(), run.workers()[0]] {
        assert!(ignores_large_files(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap()));
    }
    run.signal(Signal::SIGTERM);
    run.signal(Signal::SIGINT);
    let _ = run.wait();
}

#[test]
fn program_that_exceeds_the_file_size_limit_ends_by_sigxfsz() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("exec head -c 4000000 /dev/zero > {}", folder.path().join("large").display());
    let call = runner(["-w", "1", "--allow-command"]).stdin(shell_jobs(&[&script, "echo on"]));
    let output = call.file_size(2_000_000).run();
    assert_eq!(output.records()[0]["result"]["signal"], "SIGXFSZ");
    assert_eq!(output.records()[1]["result"]["stdout"], "on\n");
}
