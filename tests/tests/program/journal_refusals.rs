//! Journals that cannot be used, and inputs that are not theirs: exit 5, and the journal stays as it was.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::Stdio,
};

use end_to_end::{KILL_WORKER, Kept, Logged, Output, gcd_jobs, runner};
use nix::sys::signal::Signal;

/// The journal of five jobs, and their texts.
fn five() -> (Kept, String) {
    let (kept, jobs) = (Kept::new(), gcd_jobs(5).0);
    assert_eq!(kept.runner(&["--executor", "serial"]).stdin(jobs.clone()).run().code(), 0);
    (kept, jobs)
}

fn expect_refused(kept: &Kept, output: &Output, words: &str) {
    assert_eq!(output.code(), 5, "{}", output.stderr);
    assert!(output.stderr.contains(words), "{}", output.stderr);
    assert!(output.stderr.contains(&kept.journal.display().to_string()), "{}", output.stderr);
}

#[test]
fn a_journal_with_outcomes_needs_to_be_asked_for() {
    let (kept, jobs) = five();
    let before = kept.bytes();
    let output = kept.runner(&["-"]).stdin(jobs).run();
    expect_refused(&kept, &output, "--resume");
    assert_eq!((output.text(), kept.bytes() == before), ("", true));
}

#[test]
fn a_missing_or_empty_journal_is_started_afresh() {
    let (jobs, expected) = gcd_jobs(5);
    for content in [None, Some(&b""[..]), Some(b"runner jour"), Some(b"runner journal\0\x01")] {
        for is_resumed in [true, false] {
            let kept = Kept::new();
            content.inspect(|content| fs::write(&kept.journal, content).unwrap());
            let call = if is_resumed { kept.resume(&["-w", "1"]) } else { kept.runner(&["-w", "1"]) };
            assert_eq!(call.stdin(jobs.clone()).run().text(), expected);
            assert_eq!(kept.recorded().len(), 5);
        }
    }
}

#[test]
fn damaged_and_foreign_files_are_refused_and_left_alone() {
    let (kept, jobs) = five();
    let whole = kept.bytes();
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
        fs::write(&kept.journal, &bytes).unwrap();
        let output = kept.resume(&["-"]).stdin(jobs.clone()).run();
        expect_refused(&kept, &output, words);
        assert_eq!((output.text(), kept.bytes() == bytes), ("", true));
    }
}

#[test]
fn a_journal_that_lost_or_gained_a_byte_runs_nothing_twice() {
    let kept = Kept::new();
    let jobs = Logged::new(&kept, 20);
    let arguments = ["-w", "2", "--allow-command"];
    assert_eq!(kept.runner(&arguments).stdin(jobs.jobs.clone()).run().code(), 0);
    let (whole, once) = (kept.bytes(), jobs.runs());
    // In the first record, somewhere, and in the last but one.
    for at in [16, 20, 60, whole.len() / 3, whole.len() / 2, whole.len() - 200] {
        for damaged in [
            [&whole[..at], &whole[at + 1..]].concat(),
            [&whole[..at], b"x", &whole[at..]].concat(),
            [&whole[..at], &whole[at + 30..]].concat(),
        ] {
            fs::write(&kept.journal, &damaged).unwrap();
            let output = kept.resume(&arguments).stdin(jobs.jobs.clone()).run();
            expect_refused(&kept, &output, "damaged at byte");
            assert_eq!((output.text(), kept.bytes() == damaged), ("", true), "byte {at}");
        }
    }
    assert_eq!(jobs.runs(), once);
}

#[test]
fn the_bytes_of_a_torn_end_are_counted() {
    let (kept, jobs) = five();
    let whole = kept.bytes();
    let resume = |bytes: &[u8], arguments: &[&str]| {
        fs::write(&kept.journal, bytes).unwrap();
        let output = kept.resume(arguments).stdin(jobs.clone()).run();
        assert_eq!((output.code(), kept.bytes() == whole), (0, true), "{}", output.stderr);
        output.stderr
    };
    let torn = &whole[..whole.len() - 1];
    let bytes = whole.len() - whole.windows(4).rposition(|bytes| bytes == b"\x1eJR\xf1").unwrap();
    let words =
        format!("the last {} bytes of the journal {} are no complete", bytes - 1, kept.journal.display());
    assert!(resume(torn, &["--executor", "serial"]).contains(&words));
    let changed = [torn, &[!whole[whole.len() - 1]]].concat();
    let words = format!("the last {bytes} bytes");
    assert!(resume(&changed, &["--executor", "serial"]).contains(&words));
    assert!(resume(&whole[..1], &["--executor", "serial"]).contains("the last byte of the journal"));
    assert_eq!(resume(torn, &["--executor", "serial", "-q"]), "");
    assert!(!resume(&whole, &["--executor", "serial"]).contains("dropped"), "there is nothing to be dropped");
}

#[test]
fn what_is_no_file_of_its_own_is_no_journal() {
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
fn a_journal_that_is_refused_costs_no_earlier_results() {
    let (kept, jobs) = five();
    let results = kept.folder.path().join("results");
    fs::write(&results, "earlier results").unwrap();
    let output = kept.runner(&["-"]).with(|c| c.arg("-o").arg(&results)).stdin(jobs).run();
    assert_eq!((output.code(), fs::read_to_string(&results).unwrap().as_str()), (5, "earlier results"));
}

#[test]
fn a_second_run_at_the_same_time_is_refused() {
    let (kept, jobs) = (Kept::new(), gcd_jobs(1).0);
    let mut run = kept.runner(&["-w", "1"]).with(|c| c.stdin(Stdio::piped())).start_bare();
    let mut input = run.child.stdin.take().unwrap();
    input.write_all(jobs.as_bytes()).unwrap();
    run.child.stdout.as_mut().unwrap().read_exact(&mut [0; 20]).unwrap();
    let before = kept.bytes();
    expect_refused(&kept, &kept.resume(&["-"]).stdin(jobs.clone()).run(), "another run");
    expect_refused(&kept, &kept.runner(&["-"]).stdin(jobs.clone()).run(), "another run");
    assert!(kept.bytes() == before);
    drop(input);
    assert_eq!(run.wait().code(), 0);
    assert_eq!(kept.resume(&["-"]).stdin(jobs).run().code(), 0, "its end lets go");
}

#[test]
fn another_input_ends_the_run_and_leaves_the_journal() {
    let (kept, jobs) = five();
    // Its end is torn: looking at it must not even cut that off.
    let torn = [kept.bytes(), b"\x1eJR\xf1torn".to_vec()].concat();
    fs::write(&kept.journal, &torn).unwrap();
    let changed = jobs.replacen("\"op\"", " \"op\"", 4).replacen(" \"op\"", "\"op\"", 3);
    let lines: Vec<&str> = jobs.lines().collect();
    for (input, words, printed) in [
        (changed, "job 3 differs from the job recorded", 3),
        (lines[..3].join("\n"), "has records up to job 4, but the input has only 3 jobs", 3),
        ([&lines[..2], &["5"], &lines[2..]].concat().join("\n"), "job 2 differs from the job recorded", 2),
        (lines[1..].join("\n"), "job 0 differs from the job recorded", 0),
        (String::new(), "ended after 0 jobs", 0),
    ] {
        let output = kept.resume(&["-w", "1"]).stdin(input).run();
        expect_refused(&kept, &output, words);
        assert_eq!((output.records().len(), kept.bytes() == torn), (printed, true), "{words}");
    }
    // A longer one is fine.
    let longer = gcd_jobs(9);
    let output = kept.resume(&["-w", "1"]).stdin(longer.0).run();
    assert_eq!((output.code(), output.text()), (0, longer.1.as_str()));
}

#[test]
fn nothing_runs_before_the_input_has_been_found_to_be_the_right_one() {
    let kept = Kept::new();
    let log = kept.folder.path().join("log");
    let jobs = |last: u32| {
        let script = format!("echo x >> {}; {KILL_WORKER}", log.display());
        format!("{}{{\"op\":\"sum\",\"n\":{last}}}\n", end_to_end::shell_jobs(&[&script]))
    };
    let arguments = ["-w", "1", "--allow-command", "--retries", "0"];
    assert_eq!(kept.runner(&arguments).stdin(jobs(1)).run().code(), 1);
    let before = (kept.bytes(), fs::read_to_string(&log).unwrap());
    let output = kept.resume(&arguments).with(|c| c.arg("--retry-failed")).stdin(jobs(2)).run();
    expect_refused(&kept, &output, "job 1 differs from the job recorded");
    assert_eq!((kept.bytes(), fs::read_to_string(&log).unwrap()), before);
    assert_eq!(output.text(), "");
}

#[test]
fn the_same_text_under_another_operation_is_another_job() {
    let kept = Kept::new();
    let with = |op: &str, jobs: &str| kept.resume(&["-w", "1", "--op", op]).stdin(jobs).run();
    assert_eq!(with("sum", "6\n{\"op\":\"gcd\",\"a\":4,\"b\":6}\n").code(), 0);
    expect_refused(
        &kept,
        &with("factorize", "6\n{\"op\":\"gcd\",\"a\":4,\"b\":6}\n"),
        "job 0 differs from the job recorded",
    );
    // A job that names its operation is the same under any other.
    let same = kept.resume(&["-w", "1"]).stdin("{\"op\":\"sum\",\"n\":6}\n").run();
    expect_refused(&kept, &same, "job 0 differs from the job recorded");
    assert_eq!(with("sum", "6\n{\"op\":\"gcd\",\"a\":4,\"b\":6}\n").code(), 0);
}

#[test]
fn a_full_disk_ends_the_run_and_what_was_printed_is_in_the_journal() {
    let (jobs, expected) = gcd_jobs(40_000);
    for executor in ["processes", "threads", "serial"] {
        let kept = Kept::new();
        let call = kept.runner(&["-w", "2", "--executor", executor]).stdin(jobs.clone());
        // Above what the workers share with their parent, which is a file too.
        let output = call.file_size(400_000).run();
        expect_refused(&kept, &output, "File too large");
        let finished: Vec<&str> = output.text().lines().filter(|line| line.contains("\"ok\":true")).collect();
        let recorded = kept.recorded();
        assert!(finished.len() > 500, "{}", finished.len());
        assert!(finished.len() <= recorded.len() && kept.length() <= 400_000);
        for record in output.records().iter().filter(|record| record["ok"] == true) {
            assert!(recorded.contains(&record["id"].as_u64().unwrap()));
        }
        let output = kept.resume(&["-w", "2", "--executor", executor]).stdin(jobs.clone()).run();
        assert_eq!((output.code(), output.text() == expected), (0, true));
    }
}

#[test]
fn records_that_fail_at_the_very_end_are_told_too() {
    // Processes need files for themselves, which must fit.
    for (executor, count, times) in [("serial", 3, 12), ("threads", 8, 12), ("processes", 6_000, 6)] {
        let jobs = gcd_jobs(count).0;
        let arguments = ["-w", "2", "--executor", executor];
        let whole = Kept::new();
        assert_eq!(whole.runner(&arguments).stdin(jobs.clone()).run().code(), 0);
        for round in 0..times {
            let kept = Kept::new();
            let fsync = ["batch", "never"][round % 2];
            let call = kept.runner(&arguments).with(|c| c.args(["--fsync", fsync])).stdin(jobs.clone());
            let output = call.file_size(whole.length() - 1).run();
            expect_refused(&kept, &output, "File too large");
            assert!(output.kinds().contains(&"cancelled".to_owned()), "its record cannot be kept");
        }
    }
}

#[test]
fn a_resumed_run_tells_of_its_last_record_as_well() {
    let (kept, jobs) = five();
    let whole = kept.length();
    fs::OpenOptions::new().write(true).open(&kept.journal).unwrap().set_len(whole - 1).unwrap();
    for _ in 0..8 {
        let call = kept.resume(&["--executor", "serial"]).stdin(jobs.clone());
        let output = call.file_size(whole - 1).run();
        expect_refused(&kept, &output, "File too large");
        assert_eq!(output.kinds(), ["ok", "ok", "ok", "ok", "cancelled"]);
    }
}

#[test]
fn a_signal_counts_before_the_journal_and_the_journal_before_the_input() {
    let (kept, jobs) = five();
    // The end of the input is broken, and it is too short.
    let lines: Vec<&str> = jobs.lines().take(3).collect();
    let output = kept.resume(&["-w", "1"]).stdin(format!("[{}", lines.join(","))).run();
    assert_eq!(output.code(), 3, "only the input is wrong: {}", output.stderr);
    let mut run = kept.resume(&["-w", "1"]).with(|c| c.stdin(Stdio::piped())).start_bare();
    let mut input = run.child.stdin.take().unwrap();
    input.write_all(format!("{}\n", lines[0]).as_bytes()).unwrap();
    run.child.stdout.as_mut().unwrap().read_exact(&mut [0; 20]).unwrap();
    run.signal(Signal::SIGINT);
    assert_eq!(run.wait().signal(), 2, "a comparison can be interrupted");
    drop(input);
}
