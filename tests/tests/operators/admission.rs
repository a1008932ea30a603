//! `--max-load`, `--min-free-memory` and `--start-delay`.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::Stdio,
    time::Duration,
};

use end_to_end::{Running, runner};
use nix::sys::signal::Signal;

use crate::stage::Stage;

const SUM: &str = "{\"op\":\"sum\",\"n\":4}\n";

/// Returns the names of the threads of a run.
fn threads(run: &Running) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{}/task", run.pid())).unwrap().flatten();
    threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok()).collect()
}

#[test]
fn a_run_pauses_during_other_work_and_continues_afterwards() {
    let stage = Stage::new();
    let root = stage.machine();
    let call = runner(["-w", "2", "--max-load", "3", "--system-root", &root]);
    let stderr = fs::File::create(stage.path("stderr")).unwrap();
    let mut run = call.with(|c| c.stdin(Stdio::piped()).stderr(stderr)).start_raw();
    let (mut input, output) = (run.child.stdin.take().unwrap(), run.child.stdout.take().unwrap());
    let mut records = BufReader::new(output).lines();
    input.write_all(SUM.as_bytes()).unwrap();
    assert_eq!(records.next().unwrap().unwrap(), r#"{"id":0,"ok":true,"result":10}"#);

    stage.set_runnable(9);
    stage.wait_for(&mut run, "runner: paused: ");
    input.write_all(SUM.repeat(3).as_bytes()).unwrap();
    run.wait_until("the jobs are queued", |run| {
        run.signal(Signal::SIGUSR1);
        stage.stderr().contains("4 jobs read, 1 done, 0 failed; 3 queued, 0 assigned")
    });
    assert!(stage.stderr().contains("runner: paused for "), "{}", stage.stderr());
    assert!(!stage.stderr().contains("resumed"), "{}", stage.stderr());

    stage.set_runnable(1);
    stage.wait_for(&mut run, "runner: resumed after ");
    assert_eq!(records.by_ref().take(3).count(), 3);
    drop(input);
    assert_eq!(run.wait().code(), 0);
}

#[test]
fn running_jobs_finish_during_a_pause() {
    let stage = Stage::new();
    let root = stage.machine();
    let jobs = stage.waiting_job("first") + SUM;
    let arguments = ["-w", "1", "--allow-command", "--max-load", "3", "--system-root", &root];
    let mut run = stage.start(runner(arguments).stdin(jobs));
    run.wait_until("the job runs", |run| !run.programs("sleep").is_empty());
    stage.set_runnable(9);
    stage.wait_for(&mut run, "runner: paused: ");
    stage.open();
    run.wait_until("the job has ended", |run| {
        run.signal(Signal::SIGUSR1);
        stage.stderr().contains("2 jobs read, 1 done, 0 failed; 1 queued, 0 assigned")
    });
    stage.set_runnable(0);
    let output = run.wait();
    assert_eq!((output.code(), output.kinds()), (0, vec!["ok".to_owned(); 2]));
}

#[test]
fn nothing_starts_if_the_machine_is_busy_from_the_start() {
    let stage = Stage::new();
    let root = stage.machine();
    stage.set_runnable(5);
    let mut run = stage.start(runner(["--max-load", "150%", "--system-root", &root]).stdin(SUM));
    let message = "paused: 5.0 threads of other processes are runnable, and --max-load allows 3.0";
    stage.wait_for(&mut run, message);
    assert!(run.workers().is_empty());
    stage.set_runnable(3);
    assert_eq!(run.wait().kinds(), ["ok"]);
    assert!(stage.stderr().contains("resumed after "), "{}", stage.stderr());
}

#[test]
fn threads_of_the_run_itself_do_not_count() {
    let stage = Stage::new();
    let root = stage.machine();
    stage.set_available(900);
    let limits = ["--max-load", "3", "--min-free-memory", "800M", "--system-root", &root];
    let call = runner([&["--allow-command"], &limits[..]].concat()).stdin(stage.waiting_job("x"));
    let mut run = stage.start(call);
    run.wait_until("the job runs", |run| !run.programs("sleep").is_empty());
    stage.set_runnable_of(run.pid(), 50);
    stage.set_runnable(52);
    // A reading is taken after that. Too high a load would be its reason for a pause.
    stage.set_available(700);
    stage.wait_for(&mut run, "paused: ");
    assert!(stage.stderr().contains("paused: 700.0 MiB of memory"), "{}", stage.stderr());
    stage.open();
    assert_eq!(run.wait().code(), 0);
}

#[test]
fn a_run_pauses_while_memory_is_short() {
    let stage = Stage::new();
    let root = stage.machine();
    stage.set_available(700);
    let arguments = ["--min-free-memory", "2G", "--system-root", &root];
    let mut run = stage.start(runner(arguments).stdin(SUM));
    let message = "paused: 700.0 MiB of memory is available, and --min-free-memory asks for 2.0 GiB";
    stage.wait_for(&mut run, message);
    stage.set_available(2048);
    assert_eq!(run.wait().kinds(), ["ok"]);
    assert!(stage.stderr().contains("resumed after "), "{}", stage.stderr());
}

#[test]
fn a_paused_run_can_be_interrupted() {
    let stage = Stage::new();
    let root = stage.machine();
    stage.set_runnable(5);
    let arguments = ["--max-load", "0", "--system-root", &root];
    let mut run = stage.start(runner(arguments).stdin(SUM.repeat(2)));
    stage.wait_for(&mut run, "paused: ");
    // It pauses before it reads a job.
    run.wait_until("the jobs are queued", |run| {
        run.signal(Signal::SIGUSR1);
        stage.stderr().contains("2 jobs read, 0 done, 0 failed; 2 queued, 0 assigned")
    });
    run.signal(Signal::SIGINT);
    let output = run.wait();
    assert_eq!((output.signal(), output.kinds()), (2, vec!["cancelled".to_owned(); 2]));
    let output = runner([&arguments[..], &["--time-limit", "1"]].concat()).stdin(SUM).run();
    assert_eq!((output.code(), output.kinds()), (1, vec!["cancelled".to_owned()]));
}

#[test]
fn a_quiet_run_pauses_without_messages() {
    let stage = Stage::new();
    let root = stage.machine();
    stage.set_runnable(5);
    let metrics = stage.path("run.prom");
    let arguments = ["-q", "--max-load", "3", "--metrics-interval", "0.05", "--system-root", &root];
    let arguments = [&arguments[..], &["--metrics", metrics.to_str().unwrap()]].concat();
    let mut run = stage.start(runner(arguments).stdin(SUM));
    run.wait_until("it is paused", |_| {
        crate::stage::read(&metrics).contains("runner_paused{run=\"run\"} 1\n")
    });
    stage.set_runnable(0);
    assert_eq!(run.wait().kinds(), ["ok"]);
    assert_eq!(stage.stderr(), "");
    let text = crate::stage::read(&metrics);
    assert!(text.contains("runner_paused{run=\"run\"} 0\n"), "{text}");
    assert!(text.contains("runner_pauses_total{run=\"run\"} 1\n"), "{text}");
}

#[test]
fn starts_of_jobs_are_spaced() {
    let output = runner(["-w", "4", "--start-delay", "0.2"]).stdin(SUM.repeat(4)).run();
    assert_eq!((output.code(), output.kinds()), (0, vec!["ok".to_owned(); 4]));
    assert!(output.elapsed >= Duration::from_millis(600), "{:?}", output.elapsed);
}

#[test]
fn threads_are_started_only_for_options_that_need_them() {
    let extra = |run: &Running| {
        let is_extra = |name: &String| ["runner-admissio", "runner-metrics"].contains(&name.trim());
        threads(run).into_iter().filter(is_extra).count()
    };
    for (is_on, expected) in [(false, 0), (true, 2)] {
        let stage = Stage::new();
        let (root, metrics) = (stage.machine(), stage.path("metrics"));
        let mut arguments = vec!["-w", "1", "--allow-command"];
        if is_on {
            let metrics = metrics.to_str().unwrap();
            arguments.extend(["--max-load", "1", "--system-root", &root, "--metrics", metrics]);
        }
        let mut run = stage.start(runner(arguments).stdin(stage.waiting_job("x")));
        run.wait_until("the job runs", |run| !run.programs("sleep").is_empty());
        assert_eq!(extra(&run), expected);
        stage.open();
        assert_eq!(run.wait().code(), 0);
    }
}

#[test]
fn unusable_options_are_refused() {
    for (option, value) in [("--max-load", "1"), ("--min-free-memory", "1G"), ("--start-delay", "1")] {
        for executor in ["threads", "serial"] {
            let output = runner([option, value, "--executor", executor]).stdin(SUM).run();
            assert_eq!(output.code(), 2, "{}", output.stderr);
            assert!(
                output.stderr.contains(&format!("{option} requires worker processes")),
                "{}",
                output.stderr
            );
        }
    }
    for (option, value) in [("--max-load", "-1"), ("--max-load", "x%"), ("--start-delay", "0")] {
        assert_eq!(runner([format!("{option}={value}")]).stdin(SUM).run().code(), 2, "{option} {value}");
    }
    let stage = Stage::new();
    let kept = stage.path("kept");
    fs::write(&kept, "results").unwrap();
    let arguments = ["--max-load", "1", "--system-root", "/missing", "-o", kept.to_str().unwrap()];
    let output = runner(arguments).stdin(SUM).run();
    assert_eq!((output.code(), output.text()), (3, ""));
    assert_eq!(crate::stage::read(&kept), "results");
    assert!(output.stderr.contains("cannot read the load"), "{}", output.stderr);
}
