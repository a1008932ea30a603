//! `--metrics`.

use std::{fs, os::unix::fs::PermissionsExt};

use end_to_end::{KILL_WORKER, runner, shell_jobs};

use crate::{
    prometheus::Samples,
    stage::{Stage, read},
};

#[test]
fn final_metrics_count_all_jobs_by_op_and_outcome() {
    let stage = Stage::new();
    // A name that has to be escaped.
    let path = stage.path("a \"strange\\name\".prom");
    let jobs = [
        "{\"op\":\"sum\",\"n\":4}\n".repeat(500),
        "{\"op\":\"gcd\",\"a\":6,\"b\":4}\n".repeat(3),
        "{\"op\":\"sleep\",\"seconds\":60,\"timeout\":0.1}\nwrong\n".to_owned(),
        "{\"op\":\"sleep\",\"seconds\":0.001}\n".to_owned(),
        shell_jobs(&[KILL_WORKER]),
    ];
    let arguments = ["-w", "2", "--allow-command", "--retries", "1", "--metrics", path.to_str().unwrap()];
    let output = runner(arguments).stdin(jobs.concat()).run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    let samples = Samples::parse(&read(&path));
    assert_eq!(samples.runs(), ["a \"strange\\name\""]);
    let jobs = |op, outcome| samples.get("runner_jobs_total", &[("op", op), ("outcome", outcome)]);
    assert_eq!((jobs("sum", "ok"), jobs("gcd", "ok")), (Some(500.0), Some(3.0)));
    assert_eq!((jobs("sleep", "timeout"), jobs("sleep", "ok")), (Some(1.0), Some(1.0)));
    assert_eq!((jobs("command", "crashed"), jobs("factorize", "ok")), (Some(1.0), None));
    let value = |name| samples.get(name, &[]);
    assert_eq!(value("runner_jobs_read_total"), Some(507.0));
    assert_eq!(value("runner_jobs_invalid_total"), Some(1.0));
    assert_eq!(value("runner_job_retries_total"), Some(1.0));
    assert_eq!(value("runner_worker_crashes_total"), Some(3.0), "one for the time limit");
    assert!(value("runner_worker_restarts_total") >= Some(1.0));
    assert_eq!((value("runner_jobs_queued"), value("runner_jobs_assigned")), (Some(0.0), Some(0.0)));
    assert_eq!((value("runner_paused"), value("runner_finished")), (Some(0.0), Some(1.0)));
}

#[test]
fn durations_are_counted_by_op() {
    let stage = Stage::new();
    let path = stage.path("run.prom");
    let jobs = [
        "{\"op\":\"sum\",\"n\":4}\n".repeat(500),
        "{\"op\":\"gcd\",\"a\":6,\"b\":4}\n".repeat(3),
        "{\"op\":\"sleep\",\"seconds\":0.3}\n".to_owned(),
    ];
    let output = runner(["-w", "2", "--metrics", path.to_str().unwrap()]).stdin(jobs.concat()).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    let samples = Samples::parse(&read(&path));
    let duration = |name, op| samples.get(&format!("runner_job_duration_seconds_{name}"), &[("op", op)]);
    assert_eq!((duration("count", "sum"), duration("count", "gcd")), (Some(500.0), Some(3.0)));
    assert!(duration("sum", "sleep").is_some_and(|sum| (0.3..30.0).contains(&sum)), "{samples:?}");
    let sleeps = |bound| samples.get("runner_job_duration_seconds_bucket", &[("op", "sleep"), ("le", bound)]);
    assert_eq!((sleeps("0.25"), sleeps("60")), (Some(0.0), Some(1.0)));
}

#[test]
fn a_reader_always_finds_complete_metrics() {
    let stage = Stage::new();
    let path = stage.path("run.prom");
    let jobs = "{\"op\":\"sleep\",\"seconds\":0.002}\n{\"op\":\"sum\",\"n\":9}\n".repeat(500);
    let arguments = ["-q", "-w", "2", "--metrics-interval", "0.001", "--metrics", path.to_str().unwrap()];
    let mut run = stage.start(runner(arguments).stdin(jobs));
    let (mut contents, mut last) = (0, (0.0, 0.0));
    run.wait_until("it ends", |run| {
        let has_ended = run.child.try_wait().unwrap().is_some();
        if !path.exists() {
            return has_ended;
        }
        let samples = Samples::parse(&read(&path));
        let value = |name, labels: &[(&str, &str)]| samples.get(name, labels).unwrap_or(0.0);
        let done = value("runner_jobs_total", &[("op", "sleep"), ("outcome", "ok")]);
        let now = (value("runner_jobs_read_total", &[]), done);
        assert!(now.0 >= last.0 && now.1 >= last.1, "{now:?} after {last:?}");
        assert!(samples.get("runner_finished", &[]).is_some(), "the last metric");
        contents += u32::from(now != last);
        last = now;
        has_ended
    });
    assert_eq!((run.wait().code(), last), (0, (1000.0, 500.0)));
    assert!(contents > 3, "only {contents} different contents");
    let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().flatten().collect();
    assert_eq!(names.len(), 2, "{names:?} besides the metrics and standard error");
}

#[test]
fn metrics_show_workers_of_a_run_in_progress() {
    let stage = Stage::new();
    let path = stage.path("run.prom");
    let jobs = stage.waiting_job("a") + &stage.waiting_job("b");
    let arguments = ["-w", "1", "--allow-command", "--metrics-interval", "0.05", "--metrics"];
    let call = runner(arguments.into_iter().chain([path.to_str().unwrap()])).stdin(jobs);
    let mut run = stage.start(call);
    run.wait_until("one job runs and one waits", |_| {
        let text = read(&path);
        let samples = (!text.is_empty()).then(|| Samples::parse(&text));
        samples.is_some_and(|samples| {
            let busy = samples.get("runner_workers", &[("state", "busy")]);
            let resident = samples.get("runner_worker_resident_bytes", &[("slot", "0")]);
            (busy, samples.get("runner_jobs_queued", &[])) == (Some(1.0), Some(1.0))
                && samples.get("runner_finished", &[]) == Some(0.0)
                && resident.is_some_and(|bytes| bytes > 100_000.0)
        })
    });
    stage.open();
    assert_eq!(run.wait().code(), 0);
}

#[test]
fn other_executors_count_jobs() {
    for executor in ["threads", "serial"] {
        let stage = Stage::new();
        let path = stage.path("run.prom");
        let arguments = ["-q", "--executor", executor, "--metrics", path.to_str().unwrap()];
        let output = runner(arguments).stdin("{\"op\":\"sum\",\"n\":4}\n".repeat(7)).run();
        assert_eq!(output.code(), 0, "{}", output.stderr);
        let samples = Samples::parse(&read(&path));
        let jobs = samples.get("runner_jobs_total", &[("op", "sum"), ("outcome", "ok")]);
        assert_eq!((jobs, samples.get("runner_worker_starts_total", &[])), (Some(7.0), None));
    }
}

#[test]
fn metrics_and_a_timeline_can_be_written_together() {
    let stage = Stage::new();
    let (path, trace) = (stage.path("run.prom"), stage.path("trace.json"));
    let arguments = ["-q", "--metrics", path.to_str().unwrap(), "--trace", trace.to_str().unwrap()];
    let output = runner(arguments).stdin("{\"op\":\"sum\",\"n\":4}\n".repeat(50)).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    let samples = Samples::parse(&read(&path));
    assert_eq!(samples.get("runner_job_duration_seconds_count", &[("op", "sum")]), Some(50.0));
    assert!(read(&trace).contains("\"batch 0: "));
}

#[test]
fn user_defined_ops_are_counted_by_name() {
    let stage = Stage::new();
    let path = stage.path("run.prom");
    let arguments = ["each", "-q", "--metrics", path.to_str().unwrap(), "--", "cat"];
    let output = runner(arguments).stdin("a\nb\nc\n").run();
    assert_eq!((output.code(), output.text()), (0, "a\nb\nc\n"), "{}", output.stderr);
    let samples = Samples::parse(&read(&path));
    assert_eq!(samples.get("runner_jobs_total", &[("op", "cat"), ("outcome", "ok")]), Some(3.0));
}

#[test]
fn the_file_is_readable_like_any_new_file() {
    let stage = Stage::new();
    let (path, other) = (stage.path("run.prom"), stage.path("other"));
    fs::write(&other, "").unwrap();
    let output = runner(["-q", "--metrics", path.to_str().unwrap()]).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&other));
}

#[test]
fn unusable_files_are_refused() {
    let stage = Stage::new();
    let jobs = stage.path("jobs");
    fs::write(&jobs, "{\"op\":\"sum\",\"n\":4}\n").unwrap();
    let (jobs, missing) = (jobs.to_str().unwrap(), stage.path("missing/run.prom"));
    for (path, code) in [("/dev/null", 3), (missing.to_str().unwrap(), 3), ("-", 2), (jobs, 2)] {
        let output = runner(["--metrics", path, jobs]).run();
        assert_eq!((output.code(), output.text()), (code, ""), "{path}: {}", output.stderr);
    }
    assert_eq!(read(jobs.as_ref()), "{\"op\":\"sum\",\"n\":4}\n");
}

#[test]
fn a_failed_last_write_is_reported() {
    let stage = Stage::new();
    let folder = stage.path("folder");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("run.prom");
    let arguments = ["-w", "1", "--allow-command", "--metrics", path.to_str().unwrap()];
    let mut run = stage.start(runner(arguments).stdin(stage.waiting_job("x")));
    run.wait_until("the job runs", |run| path.exists() && !run.programs("sleep").is_empty());
    fs::remove_dir_all(&folder).unwrap();
    stage.open();
    let output = run.wait();
    assert_eq!((output.code(), output.kinds()), (3, vec!["ok".to_owned()]));
    assert!(stage.stderr().contains("cannot write the metrics: "), "{}", stage.stderr());
}
