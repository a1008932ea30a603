//! Runs that are interrupted and resumed from their journal.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    process::Stdio,
    time::Duration,
};

use end_to_end::{JournalDir, KILL_WORKER, LoggedCommands, gcd_jobs, shell_jobs};
use nix::sys::signal::Signal;

const COMMANDS: &[&str] = &["-w", "2", "--allow-command"];

/// Checks that recorded jobs do not run again, and that jobs are recorded before their record is printed.
struct Proof {
    runs: BTreeMap<u64, u32>,
}

impl Proof {
    fn check(&mut self, dir: &JournalDir, jobs: &LoggedCommands, printed: &str) {
        let runs = jobs.runs();
        for (position, count) in &self.runs {
            assert_eq!(runs.get(position), Some(count), "job {position} ran again");
        }
        let recorded = dir.recorded();
        for line in printed.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            let is_recorded = recorded.contains(&record["id"].as_u64().unwrap());
            assert!(is_recorded || record["error"]["kind"] == "cancelled", "printed, not recorded: {line}");
        }
        self.runs = recorded.into_iter().map(|position| (position, runs[&position])).collect();
    }
}

#[test]
fn killed_run_does_not_repeat_recorded_jobs() {
    let dir = JournalDir::new();
    let jobs = LoggedCommands::new(&dir, 300);
    let mut proof = Proof { runs: BTreeMap::new() };
    let (mut moment, mut killed) = (3u64, 0);
    for round in 0..12 {
        let fsync = ["never", "batch", "always"][round % 3];
        let mut run =
            dir.resume(COMMANDS).with(|c| c.args(["--fsync", fsync])).stdin(jobs.jobs.clone()).start();
        let wanted = dir.length() + 2_000;
        run.wait_until("more jobs are recorded", |run| {
            dir.length() > wanted || run.child.try_wait().unwrap().is_some()
        });
        // Random delays spread the kills over the writing of a record; there is no event to wait for.
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_micros(moment >> 51));
        let _ = run.child.kill();
        let output = run.wait();
        killed += u32::from(output.signal() == 9);
        proof.check(&dir, &jobs, output.text());
    }
    assert!(killed >= 10, "only {killed} runs were killed");
    let output = dir.resume(COMMANDS).stdin(jobs.jobs.clone()).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), jobs.expected);
    assert!(output.stderr.contains(" from the journal"), "{}", output.stderr);
    proof.check(&dir, &jobs, output.text());
    assert_eq!(dir.recorded().len(), 300);
}

#[test]
fn interrupted_run_is_resumed() {
    let dir = JournalDir::new();
    let jobs = LoggedCommands::new(&dir, 200);
    let mut proof = Proof { runs: BTreeMap::new() };
    let mut run = dir.runner(COMMANDS).stdin(jobs.jobs.clone()).start();
    run.wait_until("some jobs are recorded", |_| dir.length() > 4_000);
    run.signal(Signal::SIGINT);
    let output = run.wait();
    assert_eq!(output.signal(), 2);
    assert!(output.kinds().contains(&"cancelled".to_owned()), "interrupted too late");
    proof.check(&dir, &jobs, output.text());
    let finished = output.kinds().iter().filter(|kind| *kind == "ok").count();
    assert_eq!(dir.recorded().len(), finished, "a cancelled job was recorded");
    let output = dir.resume(COMMANDS).stdin(jobs.jobs.clone()).run();
    assert_eq!(output.code(), 0);
    assert_eq!(output.text(), jobs.expected.as_str());
    proof.check(&dir, &jobs, output.text());
}

#[test]
fn truncated_journal_is_completed() {
    let dir = JournalDir::new();
    let (jobs, expected) = gcd_jobs(5);
    assert_eq!(dir.resume(&["--executor", "serial"]).stdin(jobs.clone()).run().code(), 0);
    let whole = dir.bytes();
    for cut in (0..20).chain(whole.len() - 150..=whole.len()) {
        fs::write(&dir.journal, &whole[..cut]).unwrap();
        let output = dir.resume(&["--executor", "serial"]).stdin(jobs.clone()).run();
        assert_eq!(output.code(), 0, "cut at {cut}: {}", output.stderr);
        assert_eq!(output.text(), expected.as_str(), "cut at {cut}: {}", output.stderr);
        assert_eq!(dir.bytes(), whole, "cut at {cut}");
    }
}

#[test]
fn resumed_unordered_run_prints_the_same_records() {
    let dir = JournalDir::new();
    let jobs = LoggedCommands::new(&dir, 150);
    let mut proof = Proof { runs: BTreeMap::new() };
    let unordered = ["-w", "2", "--allow-command", "--unordered"];
    for _ in 0..2 {
        let mut run = dir.resume(&unordered).stdin(jobs.jobs.clone()).start();
        let wanted = dir.length() + 3_000;
        run.wait_until("more jobs are recorded", |_| dir.length() > wanted);
        run.signal(Signal::SIGKILL);
        let output = run.wait();
        proof.check(&dir, &jobs, output.text());
    }
    let output = dir.resume(&unordered).stdin(jobs.jobs.clone()).run();
    let mut expected: Vec<&str> = jobs.expected.lines().collect();
    expected.sort_unstable();
    assert_eq!(output.code(), 0);
    assert_eq!(output.sorted(), expected);
}

/// Returns a job that kills its worker unless a file exists, and the path of that file.
fn failing(dir: &JournalDir) -> (std::path::PathBuf, String) {
    let flag = dir.folder.path().join("flag");
    let script = format!("test -e {} || {{ {KILL_WORKER}; }}; echo fine", flag.display());
    (flag, shell_jobs(&[&script]))
}

#[test]
fn recorded_failures_are_final_without_retry_failed() {
    let dir = JournalDir::new();
    let (flag, failing) = failing(&dir);
    let jobs = format!("{}{failing}5\n{}", gcd_jobs(1).0, gcd_jobs(1).0);
    let once = ["-w", "1", "--allow-command", "--retries", "0"];
    let first = dir.runner(&once).stdin(jobs.clone()).run();
    assert_eq!(first.code(), 1);
    assert_eq!(first.kinds(), ["ok", "crashed", "invalid", "ok"].map(String::from).to_vec());
    assert_eq!(dir.recorded(), [0, 1, 3].into(), "an invalid job was recorded");
    fs::write(&flag, "").unwrap();
    let second = dir.resume(&once).stdin(jobs.clone()).run();
    assert_eq!(second.code(), 1, "the resumed run prints another record");
    assert_eq!(second.text(), first.text(), "the resumed run prints another record");
    assert!(second.stderr.contains("3 from the journal"), "{}", second.stderr);
    let before = dir.length();
    let retry = dir.resume(&once).with(|c| c.arg("--retry-failed"));
    assert_eq!(retry.stdin(jobs.clone()).run().kinds(), ["ok", "ok", "invalid", "ok"]);
    assert!(dir.length() > before);
    fs::remove_file(&flag).unwrap();
    for again in [dir.resume(&once), dir.resume(&once).with(|c| c.arg("--retry-failed"))] {
        let output = again.stdin(jobs.clone()).run();
        assert_eq!(output.kinds(), ["ok", "ok", "invalid", "ok"], "the earlier record was used");
    }
}

#[test]
fn gap_wider_than_any_buffer_is_filled() {
    let dir = JournalDir::new();
    let (flag, failing) = failing(&dir);
    let (gcds, expected) = gcd_jobs(40_000);
    let names: String =
        gcds.lines().zip(1..).map(|(job, n)| job.replace('}', &format!(",\"id\":\"job {n}\"}}\n"))).collect();
    let jobs = failing + &names;
    let output = dir.runner(&["-w", "2", "--allow-command", "--retries", "0"]).stdin(jobs.clone()).run();
    assert_eq!(output.code(), 1);
    fs::write(&flag, "").unwrap();
    let file = dir.folder.path().join("jobs");
    fs::write(&file, &jobs).unwrap();
    let before = dir.bytes();
    for is_file in [true, false] {
        fs::write(&dir.journal, &before).unwrap();
        let call = dir.resume(&["-w", "2", "--allow-command", "--retry-failed"]);
        let call = if is_file { call.with(|c| c.arg(&file)) } else { call.stdin(jobs.clone()) };
        let output = call.run();
        assert_eq!(output.code(), 0, "{}", output.stderr);
        assert!(output.stderr.contains("40000 from the journal"), "{}", output.stderr);
        let records = output.records();
        assert_eq!(records[0]["result"]["stdout"], "fine\n");
        assert_eq!((records.len(), records[40_000]["id"].as_str()), (40_001, Some("job 40000")));
        for (record, line) in records[1..].iter().zip(expected.lines()) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(record["result"], line["result"]);
        }
        // No temporary file is left.
        assert_eq!(fs::read_dir(dir.folder.path()).unwrap().count(), 3);
    }
}

#[test]
fn resumed_run_answers_interactive_input() {
    let dir = JournalDir::new();
    let (jobs, expected) = gcd_jobs(6);
    assert_eq!(
        dir.runner(&["-w", "1"]).stdin(jobs.lines().take(3).collect::<Vec<_>>().join("\n")).run().code(),
        0
    );
    let mut run = dir.resume(&["-w", "1"]).with(|c| c.stdin(Stdio::piped())).start_raw();
    let (mut input, mut results) = (run.child.stdin.take().unwrap(), run.child.stdout.take().unwrap());
    for (job, expected) in jobs.lines().zip(expected.split_inclusive('\n')) {
        input.write_all(format!("{job}\n").as_bytes()).unwrap();
        let mut line = vec![0; expected.len()];
        results.read_exact(&mut line).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }
    drop(input);
    assert_eq!(run.wait().code(), 0);
    assert_eq!(dir.recorded().len(), 6);
}

#[test]
fn all_executors_and_fsync_modes_record_the_same_outcomes() {
    let (jobs, expected) = gcd_jobs(300);
    for executor in ["processes", "threads", "serial"] {
        for fsync in ["never", "batch", "always"] {
            let dir = JournalDir::new();
            let arguments = ["-w", "2", "--executor", executor, "--fsync", fsync];
            let first = dir.runner(&arguments).stdin(jobs.clone()).run();
            assert_eq!(first.code(), 0);
            assert_eq!(first.text(), expected.as_str());
            let whole = dir.bytes();
            let second = dir.resume(&arguments).stdin(jobs.clone()).run();
            assert_eq!(second.code(), 0);
            assert_eq!(second.text(), expected.as_str());
            assert!(second.stderr.contains("300 from the journal"), "{}", second.stderr);
            assert!(dir.bytes() == whole, "records were added");
        }
    }
}
