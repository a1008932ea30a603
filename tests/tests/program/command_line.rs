//! Options, messages, exit codes.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, time::Duration};

use end_to_end::{
    Call, data, runner,
    screen::{Screen, on_a_terminal},
};

const JOB: &str = "{\"op\":\"sum\",\"n\":4}\n";

#[test]
fn invalid_command_line_exits_with_2() {
    for wrong in [
        &["--workers", "0"][..],
        &["--workers", "-1"],
        &["--workers", "99999999"],
        &["--workers", "two"],
        &["--no-such-option"],
        &["--timeout", "0"],
        &["--timeout", "x"],
        &["--batch", "0"],
        &["--max-job-size", "0"],
        &["--executor", "gpu"],
        &["--executor", "threads", "--timeout", "1"],
        &["--executor", "serial", "--max-jobs-per-worker", "5"],
        &["--stats-file", "x"],
        &["-q", "-v"],
        &["--resume"],
        &["--journal", "x", "--retry-failed"],
        &["--fsync", "always"],
        &["--journal", "x", "--fsync", "sometimes"],
        &["--max-failures", "0"],
        &["--max-failures", "1", "--fail-fast"],
        &["--time-limit", "0"],
    ] {
        let output = runner(wrong).stdin(JOB).run();
        assert_eq!(output.code(), 2, "{wrong:?}");
        assert_eq!(output.text(), "", "{wrong:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn summary_counts_outcomes() {
    let output = runner(["-w", "2"]).stdin(format!("{JOB}5\n{JOB}")).run();
    assert!(output.stderr.contains("3 jobs in "), "{}", output.stderr);
    assert!(output.stderr.contains("2 ok, 1 failed (1 invalid); 2 processes, "), "{}", output.stderr);
    assert_eq!(runner(["-q"]).stdin(JOB).run().stderr, "");
}

#[test]
fn stats_list_each_worker() {
    let output = runner(["-w", "2", "--stats", "--batch", "1"])
        .stdin("{\"op\":\"sleep\",\"seconds\":0.2}\n".repeat(2))
        .run();
    let table = &output.stderr;
    assert!(table.contains("worker") && table.contains("    0.0") && table.contains("    1.0"), "{table}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stats");
    let sleepers = "{\"op\":\"sleep\",\"seconds\":0.2}\n".repeat(4);
    let output =
        runner(["-w", "2", "--stats=json", "--stats-file"]).with(|c| c.arg(&file)).stdin(sleepers).run();
    assert_eq!(output.code(), 0);
    let stats: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(
        (stats["jobs"].as_u64(), stats["ok"].as_u64(), stats["failed"].as_u64()),
        (Some(4), Some(4), Some(0))
    );
    for worker in stats["workers"].as_array().unwrap() {
        assert_eq!(worker["jobs"], 2);
        let (busy, life) = (worker["busy_s"].as_f64().unwrap(), worker["life_s"].as_f64().unwrap());
        assert!((0.4..0.6).contains(&busy) && busy < life && life < 1.0, "{worker}");
    }
}

#[test]
fn dry_run_checks_and_counts_without_running() {
    let slow = "{\"op\":\"sleep\",\"seconds\":1000}\n";
    let output = runner(["--dry-run", "-w", "3"]).stdin(format!("{JOB}{slow}{JOB}")).run();
    assert_eq!(output.code(), 0);
    assert_eq!(output.text(), "");
    assert!(output.stderr.contains("3 jobs (2 sum, 1 sleep), 0 invalid"), "{}", output.stderr);
    assert!(output.stderr.contains("processes, 3 at a time"), "{}", output.stderr);
    assert!(output.elapsed < Duration::from_secs(5));
    let output = runner(["--dry-run"]).stdin("5\n").run();
    assert_eq!(output.code(), 1);
    assert!(output.stderr.contains("0 jobs, 1 invalid; would run on "), "{}", output.stderr);
    assert!(output.stderr.contains("line 1, column 1: a job must be an object"), "{}", output.stderr);
    assert_eq!(runner(["--dry-run"]).stdin("[").run().code(), 3);
}

#[test]
fn dry_run_uses_singular_and_plural() {
    for (arguments, input, words) in [
        (
            &["-w", "1"][..],
            JOB.to_owned(),
            "1 job (1 sum), 0 invalid; would run on 1 process, results in order",
        ),
        (
            &["-w", "1", "--executor", "threads"],
            JOB.repeat(2),
            "2 jobs (2 sum), 0 invalid; would run on 1 thread, ",
        ),
        (
            &["-w", "9", "--executor", "serial"],
            JOB.to_owned(),
            "1 job (1 sum), 0 invalid; would run serially, ",
        ),
        (
            &["-w", "2", "--unordered"],
            String::new(),
            "0 jobs, 0 invalid; would run on processes, 2 at a time, ",
        ),
        (&["-w", "2", "--strict"], format!("{JOB}5\n{JOB}"), "1 job (1 sum), 1 invalid; would run on "),
    ] {
        let output = runner(["--dry-run"]).with(|c| c.args(arguments)).stdin(input).run();
        assert!(output.stderr.contains(words), "{arguments:?}: {}", output.stderr);
    }
}

#[test]
fn progress_bar_is_drawn_on_terminals_and_on_request() {
    let sleepers = "{\"op\":\"sleep\",\"seconds\":0.3}\n".repeat(4);
    let run = |arguments: &[&str]| end_to_end::terminal(arguments, &sleepers);
    let drawn = run(&["-w", "2"]);
    assert!(drawn.contains("/4 jobs, 0 failed"), "{drawn:?}");
    assert!(!run(&["-w", "2", "--progress", "never"]).contains("/4 jobs"));
    let output = runner(["-w", "2"]).stdin(sleepers.clone()).run();
    assert!(!output.stderr.contains("/4 jobs"), "{}", output.stderr);
    let slow = "{\"op\":\"sleep\",\"seconds\":1.5}\n".repeat(2);
    let output = runner(["-w", "2", "--progress", "always"]).stdin(slow).run();
    assert!(output.stderr.contains("runner: 0/2 jobs, 0 failed"), "{}", output.stderr);
}

/// Returns the lines of a terminal with a progress bar that are neither records nor messages.
fn leftovers(screen: &Screen) -> Vec<&str> {
    assert!(screen.written.contains("/4 jobs, "), "the bar was drawn: {:?}", screen.written);
    let is_whole = |line: &str| match line.strip_prefix("runner: ") {
        Some(message) => !message.contains('\u{1b}'),
        None => line.is_empty() || serde_json::from_str::<serde_json::Value>(line).is_ok(),
    };
    screen.lines.iter().map(String::as_str).filter(|line| !is_whole(line)).collect()
}

#[test]
fn progress_bar_does_not_mix_with_records_and_messages() {
    let sleeper = "{\"op\":\"sleep\",\"seconds\":0.25}\n";
    let sleepers = sleeper.repeat(4);
    let failing = format!("{{\"op\":\"sleep\",\"seconds\":9,\"timeout\":0.3}}\n{}", sleeper.repeat(3));
    for (arguments, jobs, both, records) in [
        (&["-w", "1"][..], &sleepers, true, 4),
        (&["-w", "1", "--unordered"], &sleepers, true, 4),
        (&["-w", "1", "--fail-fast"], &failing, true, 4),
        (&["-w", "1", "--fail-fast"], &failing, false, 0),
        (&["-w", "1", "-o", "/dev/stderr"], &sleepers, false, 4),
    ] {
        let (screen, output) = on_a_terminal(runner(arguments).stdin(jobs.as_str()), both);
        assert!(matches!(output.code(), 0 | 1));
        let leftovers = leftovers(&screen);
        assert!(leftovers.is_empty(), "{arguments:?}: {leftovers:?} in {screen:?}");
        let on_screen = screen.lines.iter().filter(|line| line.starts_with("{\"id\":")).count();
        assert_eq!(on_screen, records, "{arguments:?}: {screen:?}");
        assert!(screen.lines.iter().any(|line| line.starts_with("runner: ")), "{screen:?}");
    }
}

#[test]
fn statistics_fit_a_hundred_columns() {
    let jobs = end_to_end::gcd_jobs(2_000).0;
    for executor in ["processes", "threads", "serial"] {
        let output = runner(["-w", "2", "-q", "--stats", "--executor", executor]).stdin(jobs.clone()).run();
        let widest = output.stderr.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{executor}: {widest:?}\n{}", output.stderr);
        assert!(output.stderr.contains("/batch"), "{}", output.stderr);
    }
}

#[test]
fn command_line_overrides_environment_variables() {
    let serial = |arguments: &[&str]| {
        let call = runner(arguments)
            .stdin(JOB)
            .with(|c| c.env("RUNNER_EXECUTOR", "serial").env("RUNNER_WORKERS", "7"));
        call.run().stderr
    };
    assert!(serial(&["-"]).contains("; serial, "));
    assert!(serial(&["--executor", "threads"]).contains("; 7 threads, "));
    assert!(serial(&["--executor", "threads", "-w", "1"]).contains("; 1 thread, "));
}

#[test]
fn empty_variable_counts_as_unset() {
    for name in [
        "RUNNER_WORKERS",
        "RUNNER_EXECUTOR",
        "RUNNER_TRANSPORT",
        "RUNNER_PROGRESS",
        "RUNNER_CLUSTER",
        "RUNNER_QUEUE",
    ] {
        let output = runner(["-"]).stdin(JOB).with(|c| c.env(name, "")).run();
        assert_eq!(output.code(), 0, "{name}: {}", output.stderr);
        assert!(output.stderr.contains(" process"), "{}", output.stderr);
    }
    let factor = runner(["factor", "12"]).with(|c| c.env("RUNNER_WORKERS", "")).run();
    assert_eq!(factor.code(), 0);
    assert_eq!(factor.text(), "12: 2 2 3\n");
    let advise = runner(["advise"]).stdin(JOB).with(|c| c.env("RUNNER_WORKERS", "")).run();
    assert_eq!(advise.code(), 0, "{}", advise.stderr);
}

#[test]
fn invalid_variable_is_named() {
    for (name, value) in [
        ("RUNNER_WORKERS", OsStr::new("0")),
        ("RUNNER_WORKERS", OsStr::new("many")),
        ("RUNNER_EXECUTOR", OsStr::new("gpu")),
        ("RUNNER_PROGRESS", OsStr::new("maybe")),
        ("RUNNER_EXECUTOR", OsStr::from_bytes(b"\xff")),
    ] {
        let output = runner(["-"]).stdin(JOB).with(|c| c.env(name, value)).run();
        assert_eq!(output.code(), 2, "{name}={value:?}");
        assert_eq!(output.text(), "", "{name}={value:?}");
        assert!(output.stderr.contains(name) && !output.stderr.contains("--workers"), "{}", output.stderr);
    }
    let bench = runner(["bench", "--quick"]).with(|c| c.env("RUNNER_WORKERS", "0")).run();
    assert!(bench.code() == 2 && bench.stderr.contains("'RUNNER_WORKERS'"), "{}", bench.stderr);
    // Errors of the command line are reported first, with the name of the option.
    let output = runner(["-w", "0"]).with(|c| c.env("RUNNER_EXECUTOR", "gpu")).run();
    assert!(output.code() == 2 && output.stderr.contains("'--workers <N>'"), "{}", output.stderr);
    let output = runner(["--timeout", "1"]).stdin(JOB).with(|c| c.env("RUNNER_EXECUTOR", "threads")).run();
    assert!(output.code() == 2 && output.stderr.contains("RUNNER_EXECUTOR"), "{}", output.stderr);
    if runner(["--help"]).run().text().contains("--cluster") {
        let output = runner(["node"]).with(|c| c.env("RUNNER_QUEUE", "no name")).run();
        assert!(output.code() == 2 && output.stderr.contains("'RUNNER_QUEUE'"), "{}", output.stderr);
    }
}

#[test]
fn variables_are_read_only_by_commands_that_use_them() {
    let wrong = |call: Call| call.with(|c| c.env("RUNNER_EXECUTOR", "gpu").env("RUNNER_PROGRESS", "maybe"));
    let all_wrong = |call: Call| wrong(call).with(|c| c.env("RUNNER_WORKERS", "0"));
    for arguments in
        [&["man"][..], &["completions", "bash"], &["--help"], &["--version"], &["bench", "--help"]]
    {
        let output = all_wrong(runner(arguments)).run();
        assert_eq!(output.code(), 0, "{arguments:?}: {}", output.stderr);
    }
    let output = wrong(runner(["advise"]).stdin(JOB)).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    let output = wrong(runner(["factor", "12"])).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    let output = wrong(runner(["--executor", "serial", "--progress", "never"]).stdin(JOB)).run();
    assert_eq!(output.code(), 0, "the command line wins: {}", output.stderr);
}

#[test]
fn completions_and_manual_page_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let output = runner(["completions", shell]).run();
        assert!(["runner", "factor", "exponents", "gcd"].iter().all(|word| output.text().contains(word)));
    }
    let output = runner(["man"]).run();
    assert!([".TH runner 1", "factor", "gcd"].iter().all(|word| output.text().contains(word)));
}

#[test]
fn help_and_version_exit_with_0() {
    let output = runner(["--help"]).run();
    assert_eq!(output.code(), 0);
    assert!(output.text().contains("Exit codes:"));
    assert!(["  factor ", "  gcd "].iter().all(|name| output.text().contains(name)));
    assert!(runner(["--version"]).run().text().starts_with("runner "));
}

#[test]
fn file_named_like_a_subcommand_is_given_with_its_directory() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(data("seed_jobs.json"), folder.path().join("man")).unwrap();
    let output = runner(["./man"]).with(|c| c.current_dir(folder.path())).run();
    assert_eq!(output.kinds().len(), 12);
}

#[test]
fn workers_sleep_concurrently_and_serial_does_not() {
    let sleepers = "{\"op\":\"sleep\",\"seconds\":0.5}\n".repeat(8);
    let output = runner(["-w", "8"]).stdin(sleepers.clone()).run();
    assert!(output.elapsed < Duration::from_millis(800), "{:?}", output.elapsed);
    let output = runner(["--executor", "threads", "-w", "8"]).stdin(sleepers.clone()).run();
    assert!(output.elapsed < Duration::from_millis(800), "{:?}", output.elapsed);
    let output = runner(["--executor", "serial"]).stdin(sleepers).run();
    assert!(output.elapsed >= Duration::from_secs(4), "{:?}", output.elapsed);
}
