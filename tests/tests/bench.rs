//! `runner bench`: reports, exit codes and cleanup.

use std::{fs, thread, time::Duration};

use bench::report::{ExecutorName, Report, Sweep};
use end_to_end::{Call, Output, runner};
use nix::sys::signal::Signal;

/// Returns the shortest possible benchmark with these further arguments.
fn short(arguments: &[&str]) -> Call {
    let least = ["bench", "--quick", "--rounds", "1", "--run-time", "0.001", "--workers", "2"];
    runner(least.iter().chain(arguments))
}

fn report(output: &Output) -> Report {
    assert_eq!(output.code(), 0);
    assert_eq!(output.stderr.as_str(), "");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn grain_sweep_measures_all_executors() {
    let report = report(&short(&["--only", "grain", "--json", "-"]).run());
    assert_eq!((report.schema, report.quick, report.rounds, report.workers), (1, true, 1, 2));
    let model = report.model.as_ref().unwrap();
    assert!(report.machine.cores >= 1 && model.parent_ns >= 0.0 && !model.curve.is_empty());
    let executors: Vec<ExecutorName> = report.rows.iter().map(|row| row.executor).collect();
    let three = [ExecutorName::Serial, ExecutorName::Threads, ExecutorName::Processes];
    assert_eq!(executors, three.repeat(6), "100 ns to 10 ms, by decades");
    for rows in report.rows.chunks(3) {
        assert!(rows.iter().all(|row| row.grain_ns == rows[0].grain_ns && row.jobs == rows[0].jobs));
    }
    for row in &report.rows {
        assert!(row.grain_ns > 0.0 && row.speedup > 0.0 && row.ns_per_job.median > 0.0, "{row:?}");
        assert_eq!((row.sweep, row.ns_per_job.rounds.len()), (Sweep::Grain, 1));
        let processes = row.executor == ExecutorName::Processes;
        assert_eq!((row.predicted_ns.is_some(), !row.stages.is_empty()), (processes, processes));
        assert_eq!(row.codec.is_empty(), row.executor != ExecutorName::Processes, "only processes encode");
    }
}

#[test]
fn other_sweeps_vary_their_parameter() {
    let report = report(&short(&["--only", "codec,batch", "--only=workers,transport", "--json", "-"]).run());
    let rows = |sweep| report.rows.iter().filter(move |row| row.sweep == sweep);
    let workers: Vec<usize> = rows(Sweep::Workers).map(|row| row.workers).collect();
    assert_eq!(workers, [1, 2, 4, 1, 2, 4]);
    let batches: Vec<Option<u64>> = rows(Sweep::Batch).map(|row| row.batch).collect();
    assert_eq!(batches, [None, Some(1), Some(100), Some(10_000)]);
    let payloads: Vec<u64> =
        rows(Sweep::Codec).filter(|row| row.codec == "bincode").map(|row| row.payload_bytes).collect();
    assert_eq!(payloads, [16, 4 << 10, 1 << 20]);
    let codecs: Vec<&str> = rows(Sweep::Codec).map(|row| row.codec.as_str()).collect();
    assert_eq!(codecs[..6], ["bincode", "postcard", "msgpack", "cbor", "json", "pickle"]);
    let transports: Vec<(&str, Option<u64>)> =
        rows(Sweep::Transport).map(|row| (row.transport.as_str(), row.in_flight)).collect();
    let both = |in_flight| [("rings", in_flight), ("channel", in_flight)];
    assert_eq!(transports, [both(None), both(None), both(None), both(Some(1))].concat());
    assert!(rows(Sweep::Workers).all(|row| row.transport == "rings"), "the default");
    assert_eq!(rows(Sweep::Grain).count(), 0);
}

#[test]
fn writes_report_files_and_prints_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["report.json", "report.csv", "report.html", "pictures"];
    let [json, csv, page, pictures] = names.map(|name| folder.path().join(name));
    fs::write(&csv, "x".repeat(1 << 20)).unwrap();
    let asked = [("--json", &json), ("--csv", &csv), ("--html", &page), ("--svg", &pictures)];
    let output = short(&["--only", "batch"])
        .with(|c| asked.iter().fold(c, |c, (option, path)| c.arg(option).arg(path)))
        .run();
    assert_eq!(output.code(), 0);
    assert_eq!(output.stderr.as_str(), "");
    assert!(output.text().contains("\nBatch: time for a job by the size of batches; 2 workers\n"));
    let report: Report = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let csv = fs::read_to_string(&csv).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + report.rows.len(), "{csv}");
    let page = fs::read_to_string(&page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg"), "{page}");
    let pictures = fs::read_dir(&pictures).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(pictures.collect::<Vec<_>>(), ["batches.svg"]);
    assert!(lines[0].starts_with("sweep,executor,") && lines[4].starts_with("batch,processes,2,"), "{csv}");
}

#[test]
fn invalid_command_line_exits_with_2() {
    for wrong in [
        &["--only", "nothing"][..],
        &["--rounds", "0"],
        &["--workers", "0"],
        &["--run-time", "0"],
        &["--json", "-", "--csv", "-"],
        &["--executor", "threads"],
        &["jobs.json"],
    ] {
        let output = runner(["bench"]).with(|c| c.args(wrong)).run();
        assert_eq!(output.code(), 2, "{wrong:?}");
        assert_eq!(output.text(), "", "{wrong:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn checks_output_files_before_measuring() {
    let output = runner(["bench", "--csv", "/no/such/folder/file"]).run();
    assert_eq!(output.code(), 3);
    assert_eq!(output.text(), "");
    assert!(output.stderr.contains("/no/such/folder/file"), "{}", output.stderr);
    let output = short(&["--only", "batch", "--json", "/dev/full"]).run();
    assert_eq!(output.code(), 3, "{}", output.stderr);
}

#[test]
fn exits_with_4_without_workers() {
    let output = short(&["--only", "batch"]).with(|c| c.env("TMPDIR", "/no/such/folder")).run();
    assert_eq!(output.code(), 4);
    assert_eq!(output.text(), "");
    assert!(output.stderr.contains("/no/such/folder"), "{}", output.stderr);
}

#[test]
fn signal_ends_the_benchmark_and_its_workers() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut run = runner(["bench", "--only", "workers", "--workers", "2"]).start();
        run.wait_until("two workers have started", |run| run.workers().len() == 2);
        run.signal(signal);
        let output = run.wait();
        assert_eq!(output.signal(), signal as i32);
        assert_eq!(output.text(), "");
    }
}

#[test]
fn signal_leaves_no_temporary_files() {
    let folder = tempfile::tempdir().unwrap();
    for moment in 0..20 {
        let call = runner(["bench", "--quick", "--only", "workers", "--workers", "2"]);
        let run = call.with(|c| c.env("TMPDIR", folder.path())).start();
        thread::sleep(Duration::from_millis(50 + 10 * moment));
        run.signal(Signal::SIGINT);
        assert_eq!(run.wait().signal(), 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "after {moment}");
    }
}

#[test]
fn closed_output_ends_it_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let stderr = fs::File::create(folder.path().join("stderr")).unwrap();
    let mut run = short(&["--only", "batch"]).start_with_input_and_stderr(stderr.into());
    drop(run.child.stdout.take());
    assert_eq!(run.wait().signal(), 13);
    assert_eq!(fs::read_to_string(folder.path().join("stderr")).unwrap(), "");
}

#[test]
fn progress_is_shown_on_terminals_and_on_request() {
    let with = |others: &[&'static str]| [&["bench", "--quick", "--only", "batch"], others].concat();
    let drawn = end_to_end::terminal(&with(&["--rounds", "2"]), "");
    assert!(drawn.contains("/24 runs, "), "{drawn:?}");
    assert!(!end_to_end::terminal(&with(&["--rounds", "2", "-q"]), "").contains("runs"));
    let output = runner(with(&["--rounds", "8", "--progress", "always"])).run();
    assert!(output.stderr.contains("/72 runs\n"), "{}", output.stderr);
}
