//! Journals that cannot be used, and inputs that do not match them: exit code 5 and an unchanged journal.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::Stdio,
};

use end_to_end::{JournalDir, KILL_WORKER, LoggedCommands, Output, gcd_jobs, runner};
use nix::sys::signal::Signal;

/// Returns the journal of a run of five jobs, and its input.
fn five() -> (JournalDir, String) {
    let (dir, jobs) = (JournalDir::new(), gcd_jobs(5).0);
    assert_eq!(dir.runner(&["--executor", "serial"]).stdin(jobs.clone()).run().code(), 0);
    (dir, jobs)
}

fn expect_refused(dir: &JournalDir, output: &Output, words: &str) {
    assert_eq!(output.code(), 5, "{}", output.stderr);
    assert!(output.stderr.contains(words), "{}", output.stderr);
    assert!(output.stderr.contains(&dir.journal.display().to_string()), "{}", output.stderr);
}

#[test]
fn journal_with_outcomes_needs_resume() {
    let (dir, jobs) = five();
    let before = dir.bytes();
    let output = dir.runner(&["-"]).stdin(jobs).run();
    expect_refused(&dir, &output, "--resume");
    assert_eq!((output.text(), dir.bytes() == before), ("", true));
}

#[test]
fn missing_or_empty_journal_is_created() {
    let (jobs, expected) = gcd_jobs(5);
    for content in [None, Some(&b""[..]), Some(b"runner jour"), Some(b"runner journal\0\x01")] {
        for is_resumed in [true, false] {
            let dir = JournalDir::new();
            content.inspect(|content| fs::write(&dir.journal, content).unwrap());
            let call = if is_resumed { dir.resume(&["-w", "1"]) } else { dir.runner(&["-w", "1"]) };
            assert_eq!(call.stdin(jobs.clone()).run().text(), expected);
            assert_eq!(dir.recorded().len(), 5);
        }
    }
}

#[test]
fn damaged_and_foreign_files_are_rejected_unchanged() {
    let (dir, jobs) = five();
    let whole = dir.bytes();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    for (bytes, words) in [
        (flipped(whole.len() / 2), "damaged at byte"),
        (flipped(20), "damaged at byte 16"),
        (flipped(15), "version 0"),
        (flipped(0), "not a journal"),
        (jobs.clone().into_bytes(), "not a journal"),
    ] {
        fs::write(&dir.journal, &bytes).unwrap();
        let output = dir.resume(&["-"]).stdin(jobs.clone()).run();
        expect_refused(&dir, &output, words);
        assert_eq!((output.text(), dir.bytes() == bytes), ("", true));
    }
}

#[test]
fn journal_with_lost_or_added_bytes_is_rejected() {
    let dir = JournalDir::new();
    let jobs = LoggedCommands::new(&dir, 20);
    let arguments = ["-w", "2", "--allow-command"];
    assert_eq!(dir.runner(&arguments).stdin(jobs.jobs.clone()).run().code(), 0);
    let (whole, once) = (dir.bytes(), jobs.runs());
    // In the first record, in the middle, and in the last but one.
    for at in [16, 20, 60, whole.len() / 3, whole.len() / 2, whole.len() - 200] {
        for damaged in [
            [&whole[..at], &whole[at + 1..]].concat(),
            [&whole[..at], b"x", &whole[at..]].concat(),
            [&whole[..at], &whole[at + 30..]].concat(),
        ] {
            fs::write(&dir.journal, &damaged).unwrap();
            let output = dir.resume(&arguments).stdin(jobs.jobs.clone()).run();
            expect_refused(&dir, &output, "damaged at byte");
            assert_eq!((output.text(), dir.bytes() == damaged), ("", true), "byte {at}");
        }
    }
    assert_eq!(jobs.runs(), once);
}

#[test]
fn bytes_of_a_torn_end_are_reported() {
    let (dir, jobs) = five();
    let whole = dir.bytes();
    let resume = |bytes: &[u8], arguments: &[&str]| {
        fs::write(&dir.journal, bytes).unwrap();
        let output = dir.resume(arguments).stdin(jobs.clone()).run();
        assert_eq!(output.code(), 0, "{}", output.stderr);
        assert!(dir.bytes() == whole, "{}", output.stderr);
        output.stderr
    };
    let torn = &whole[..whole.len() - 1];
    let bytes = whole.len() - whole.windows(4).rposition(|bytes| bytes == b"\x1eJR\xf1").unwrap();
    let words =
        format!("dropping the last {} bytes of the journal {}: incomplete", bytes - 1, dir.journal.display());
    assert!(resume(torn, &["--executor", "serial"]).contains(&words));
    let changed = [torn, &[!whole[whole.len() - 1]]].concat();
    let words = format!("the last {bytes} bytes");
    assert!(resume(&changed, &["--executor", "serial"]).contains(&words));
    assert!(resume(&whole[..1], &["--executor", "serial"]).contains("the last byte of the journal"));
    assert_eq!(resume(torn, &["--executor", "serial", "-q"]), "");
    assert!(!resume(&whole, &["--executor", "serial"]).contains("dropping"), "complete records were dropped");
}

#[test]
fn special_and_shared_files_are_rejected_as_journal() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = folder.path().join("jobs");
    fs::write(&jobs, gcd_jobs(2).0).unwrap();
    let call = |journal: &Path, output: Option<&Path>| {
        let call = runner([jobs.as_os_str(), "--resume".as_ref(), "--journal".as_ref(), journal.as_os_str()]);
        match output {
            Some(output) => call.with(|c| c.arg("-o").arg(output)).run(),
            None => call.run(),
        }
    };
    for no_file in ["/dev/null", "/dev/full", "/dev/ptmx", "/", "/nonexistent/journal"] {
        assert_eq!(call(Path::new(no_file), None).code(), 5, "{no_file}");
    }
    let other = folder.path().join("other");
    assert_eq!((call(&jobs, None).code(), call(&other, Some(&other)).code()), (2, 2));
    let results = fs::File::create(&other).unwrap();
    let call = runner([jobs.as_os_str(), "--journal".as_ref(), other.as_os_str()]);
    assert_eq!(call.with(|c| c.stdout(results)).run().code(), 2);
    assert_eq!(fs::read_to_string(&jobs).unwrap(), gcd_jobs(2).0);
}

#[test]
fn rejected_journal_does_not_change_the_output_file() {
    let (dir, jobs) = five();
    let results = dir.folder.path().join("results");
    fs::write(&results, "earlier results").unwrap();
    let output = dir.runner(&["-"]).with(|c| c.arg("-o").arg(&results)).stdin(jobs).run();
    assert_eq!(output.code(), 5);
    assert_eq!(fs::read_to_string(&results).unwrap().as_str(), "earlier results");
}

#[test]
fn concurrent_run_is_rejected() {
    let (dir, jobs) = (JournalDir::new(), gcd_jobs(1).0);
    let mut run = dir.runner(&["-w", "1"]).with(|c| c.stdin(Stdio::piped())).start_raw();
    let mut input = run.child.stdin.take().unwrap();
    input.write_all(jobs.as_bytes()).unwrap();
    run.child.stdout.as_mut().unwrap().read_exact(&mut [0; 20]).unwrap();
    let before = dir.bytes();
    expect_refused(&dir, &dir.resume(&["-"]).stdin(jobs.clone()).run(), "another run");
    expect_refused(&dir, &dir.runner(&["-"]).stdin(jobs.clone()).run(), "another run");
    assert!(dir.bytes() == before);
    drop(input);
    assert_eq!(run.wait().code(), 0);
    assert_eq!(dir.resume(&["-"]).stdin(jobs).run().code(), 0, "the lock was not released");
}

#[test]
fn other_input_is_rejected_and_the_journal_unchanged() {
    let (dir, jobs) = five();
    // The end is torn; a rejected run must not even truncate it.
    let torn = [dir.bytes(), b"\x1eJR\xf1torn".to_vec()].concat();
    fs::write(&dir.journal, &torn).unwrap();
    let changed = jobs.replacen("\"op\"", " \"op\"", 4).replacen(" \"op\"", "\"op\"", 3);
    let lines: Vec<&str> = jobs.lines().collect();
    for (input, words, printed) in [
        (changed, "job 3 differs from the job recorded", 3),
        (lines[..3].join("\n"), "has records up to job 4, but the input has only 3 jobs", 3),
        ([&lines[..2], &["5"], &lines[2..]].concat().join("\n"), "job 2 differs from the job recorded", 2),
        (lines[1..].join("\n"), "job 0 differs from the job recorded", 0),
        (String::new(), "has records up to job 4, but the input has only 0 jobs", 0),
    ] {
        let output = dir.resume(&["-w", "1"]).stdin(input).run();
        expect_refused(&dir, &output, words);
        assert_eq!((output.records().len(), dir.bytes() == torn), (printed, true), "{words}");
    }
    // A longer input is accepted.
    let longer = gcd_jobs(9);
    let output = dir.resume(&["-w", "1"]).stdin(longer.0).run();
    assert_eq!(output.code(), 0);
    assert_eq!(output.text(), longer.1.as_str());
}

#[test]
fn no_job_runs_before_the_input_is_verified() {
    let dir = JournalDir::new();
    let log = dir.folder.path().join("log");
    let jobs = |last: u32| {
        let script = format!("echo x >> {}; {KILL_WORKER}", log.display());
        format!("{}{{\"op\":\"sum\",\"n\":{last}}}\n", end_to_end::shell_jobs(&[&script]))
    };
    let arguments = ["-w", "1", "--allow-command", "--retries", "0"];
    assert_eq!(dir.runner(&arguments).stdin(jobs(1)).run().code(), 1);
    let before = (dir.bytes(), fs::read_to_string(&log).unwrap());
    let output = dir.resume(&arguments).with(|c| c.arg("--retry-failed")).stdin(jobs(2)).run();
    expect_refused(&dir, &output, "job 1 differs from the job recorded");
    assert_eq!((dir.bytes(), fs::read_to_string(&log).unwrap()), before);
    assert_eq!(output.text(), "");
}

#[test]
fn same_text_with_another_default_op_is_another_job() {
    let dir = JournalDir::new();
    let with = |op: &str, jobs: &str| dir.resume(&["-w", "1", "--op", op]).stdin(jobs).run();
    assert_eq!(with("sum", "6\n{\"op\":\"gcd\",\"a\":4,\"b\":6}\n").code(), 0);
    expect_refused(
        &dir,
        &with("factorize", "6\n{\"op\":\"gcd\",\"a\":4,\"b\":6}\n"),
        "job 0 differs from the job recorded",
    );
    // A job that names its operation does not depend on `--op`.
    let same = dir.resume(&["-w", "1"]).stdin("{\"op\":\"sum\",\"n\":6}\n").run();
    expect_refused(&dir, &same, "job 0 differs from the job recorded");
    assert_eq!(with("sum", "6\n{\"op\":\"gcd\",\"a\":4,\"b\":6}\n").code(), 0);
}

#[test]
fn full_disk_ends_the_run_and_printed_records_are_in_the_journal() {
    let (jobs, expected) = gcd_jobs(40_000);
    for executor in ["processes", "threads", "serial"] {
        let dir = JournalDir::new();
        let call = dir.runner(&["-w", "2", "--executor", executor]).stdin(jobs.clone());
        // Above the size of the memory that workers share with their parent, which is also limited.
        let output = call.file_size(400_000).run();
        expect_refused(&dir, &output, "File too large");
        let finished: Vec<&str> = output.text().lines().filter(|line| line.contains("\"ok\":true")).collect();
        let recorded = dir.recorded();
        assert!(finished.len() > 500, "{}", finished.len());
        assert!(finished.len() <= recorded.len() && dir.length() <= 400_000);
        for record in output.records().iter().filter(|record| record["ok"] == true) {
            assert!(recorded.contains(&record["id"].as_u64().unwrap()));
        }
        let output = dir.resume(&["-w", "2", "--executor", executor]).stdin(jobs.clone()).run();
        assert_eq!(output.code(), 0);
        assert!(output.text() == expected);
    }
}

#[test]
fn write_errors_of_the_last_records_are_reported() {
    // With processes, the limit has to be above the size of their shared memory.
    for (executor, count, times) in [("serial", 3, 12), ("threads", 8, 12), ("processes", 6_000, 6)] {
        let jobs = gcd_jobs(count).0;
        let arguments = ["-w", "2", "--executor", executor];
        let whole = JournalDir::new();
        assert_eq!(whole.runner(&arguments).stdin(jobs.clone()).run().code(), 0);
        for round in 0..times {
            let dir = JournalDir::new();
            let fsync = ["batch", "never"][round % 2];
            let call = dir.runner(&arguments).with(|c| c.args(["--fsync", fsync])).stdin(jobs.clone());
            let output = call.file_size(whole.length() - 1).run();
            expect_refused(&dir, &output, "File too large");
            assert!(output.kinds().contains(&"cancelled".to_owned()), "a job without a record was reported");
        }
    }
}

#[test]
fn write_error_of_the_last_record_of_a_resumed_run_is_reported() {
    let (dir, jobs) = five();
    let whole = dir.length();
    fs::OpenOptions::new().write(true).open(&dir.journal).unwrap().set_len(whole - 1).unwrap();
    for _ in 0..8 {
        let call = dir.resume(&["--executor", "serial"]).stdin(jobs.clone());
        let output = call.file_size(whole - 1).run();
        expect_refused(&dir, &output, "File too large");
        assert_eq!(output.kinds(), ["ok", "ok", "ok", "ok", "cancelled"]);
    }
}

#[test]
fn exit_status_prefers_signal_then_journal_then_input() {
    let (dir, jobs) = five();
    // The input is too short, and its end is invalid.
    let lines: Vec<&str> = jobs.lines().take(3).collect();
    let output = dir.resume(&["-w", "1"]).stdin(format!("[{}", lines.join(","))).run();
    assert_eq!(output.code(), 3, "not an input error: {}", output.stderr);
    let mut run = dir.resume(&["-w", "1"]).with(|c| c.stdin(Stdio::piped())).start_raw();
    let mut input = run.child.stdin.take().unwrap();
    input.write_all(format!("{}\n", lines[0]).as_bytes()).unwrap();
    run.child.stdout.as_mut().unwrap().read_exact(&mut [0; 20]).unwrap();
    run.signal(Signal::SIGINT);
    assert_eq!(run.wait().signal(), 2, "not interrupted");
    drop(input);
}
