//! Runs that end before their end, and are taken up again.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    process::Stdio,
    time::Duration,
};

use end_to_end::{KILL_WORKER, Kept, Logged, gcd_jobs, shell_jobs};
use nix::sys::signal::Signal;

const COMMANDS: &[&str] = &["-w", "2", "--allow-command"];

/// What is in the journal has run, will not run again, and has been there before it was printed.
struct Proof {
    runs: BTreeMap<u64, u32>,
}

impl Proof {
    fn check(&mut self, kept: &Kept, jobs: &Logged, printed: &str) {
        let runs = jobs.runs();
        for (position, count) in &self.runs {
            assert_eq!(runs.get(position), Some(count), "job {position} ran again");
        }
        let recorded = kept.recorded();
        for line in printed.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            let is_recorded = recorded.contains(&record["id"].as_u64().unwrap());
            assert!(is_recorded || record["error"]["kind"] == "cancelled", "printed, not recorded: {line}");
        }
        self.runs = recorded.into_iter().map(|position| (position, runs[&position])).collect();
    }
}

#[test]
fn a_runner_that_is_killed_at_any_moment_runs_nothing_twice_that_is_recorded() {
    let kept = Kept::new();
    let jobs = Logged::new(&kept, 300);
    let mut proof = Proof { runs: BTreeMap::new() };
    let (mut moment, mut killed) = (3u64, 0);
    for round in 0..12 {
        let fsync = ["never", "batch", "always"][round % 3];
        let mut run =
            kept.resume(COMMANDS).with(|c| c.args(["--fsync", fsync])).stdin(jobs.jobs.clone()).start();
        let wanted = kept.length() + 2_000;
        run.until("some more is recorded", |run| {
            kept.length() > wanted || run.child.try_wait().unwrap().is_some()
        });
        // Moments that are spread over the making of a record; there is no event to wait for.
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_micros(moment >> 51));
        let _ = run.child.kill();
        let output = run.wait();
        killed += u32::from(output.signal() == 9);
        proof.check(&kept, &jobs, output.text());
    }
    assert!(killed >= 10, "only {killed} runs were killed");
    let output = kept.resume(COMMANDS).stdin(jobs.jobs.clone()).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), jobs.expected);
    assert!(output.stderr.contains(" from the journal"), "{}", output.stderr);
    proof.check(&kept, &jobs, output.text());
    assert_eq!(kept.recorded().len(), 300);
}

#[test]
fn an_interrupted_run_goes_on_where_it_stopped() {
    let kept = Kept::new();
    let jobs = Logged::new(&kept, 200);
    let mut proof = Proof { runs: BTreeMap::new() };
    let mut run = kept.runner(COMMANDS).stdin(jobs.jobs.clone()).start();
    run.until("something is recorded", |_| kept.length() > 4_000);
    run.signal(Signal::SIGINT);
    let output = run.wait();
    assert_eq!(output.signal(), 2);
    assert!(output.kinds().contains(&"cancelled".to_owned()), "interrupted too late");
    proof.check(&kept, &jobs, output.text());
    let finished = output.kinds().iter().filter(|kind| *kind == "ok").count();
    assert_eq!(kept.recorded().len(), finished, "what was cancelled is not recorded");
    let output = kept.resume(COMMANDS).stdin(jobs.jobs.clone()).run();
    assert_eq!((output.code(), output.text()), (0, jobs.expected.as_str()));
    proof.check(&kept, &jobs, output.text());
}

#[test]
fn a_journal_cut_anywhere_in_its_last_records_is_completed() {
    let kept = Kept::new();
    let (jobs, expected) = gcd_jobs(5);
    assert_eq!(kept.resume(&["--executor", "serial"]).stdin(jobs.clone()).run().code(), 0);
    let whole = kept.bytes();
    for cut in (0..20).chain(whole.len() - 150..=whole.len()) {
        fs::write(&kept.journal, &whole[..cut]).unwrap();
        let output = kept.resume(&["--executor", "serial"]).stdin(jobs.clone()).run();
        assert_eq!((output.code(), output.text()), (0, expected.as_str()), "cut at {cut}: {}", output.stderr);
        assert_eq!(kept.bytes(), whole, "cut at {cut}");
    }
}

#[test]
fn without_order_a_resumed_run_prints_the_same_set() {
    let kept = Kept::new();
    let jobs = Logged::new(&kept, 150);
    let mut proof = Proof { runs: BTreeMap::new() };
    let unordered = ["-w", "2", "--allow-command", "--unordered"];
    for _ in 0..2 {
        let mut run = kept.resume(&unordered).stdin(jobs.jobs.clone()).start();
        let wanted = kept.length() + 3_000;
        run.until("some more is recorded", |_| kept.length() > wanted);
        run.signal(Signal::SIGKILL);
        let output = run.wait();
        proof.check(&kept, &jobs, output.text());
    }
    let output = kept.resume(&unordered).stdin(jobs.jobs.clone()).run();
    let mut expected: Vec<&str> = jobs.expected.lines().collect();
    expected.sort_unstable();
    assert_eq!((output.code(), output.sorted()), (0, expected));
}

/// A job that kills its worker unless a file is there.
fn failing(kept: &Kept) -> (std::path::PathBuf, String) {
    let flag = kept.folder.path().join("flag");
    let script = format!("test -e {} || {{ {KILL_WORKER}; }}; echo fine", flag.display());
    (flag, shell_jobs(&[&script]))
}

#[test]
fn failures_are_final_unless_they_are_to_be_tried_again() {
    let kept = Kept::new();
    let (flag, failing) = failing(&kept);
    let jobs = format!("{}{failing}5\n{}", gcd_jobs(1).0, gcd_jobs(1).0);
    let once = ["-w", "1", "--allow-command", "--retries", "0"];
    let first = kept.runner(&once).stdin(jobs.clone()).run();
    assert_eq!(
        (first.code(), first.kinds()),
        (1, ["ok", "crashed", "invalid", "ok"].map(String::from).to_vec())
    );
    assert_eq!(kept.recorded(), [0, 1, 3].into(), "what is invalid can be found out again");
    fs::write(&flag, "").unwrap();
    let second = kept.resume(&once).stdin(jobs.clone()).run();
    assert_eq!((second.code(), second.text()), (1, first.text()), "its pid and all");
    assert!(second.stderr.contains("3 from the journal"), "{}", second.stderr);
    let before = kept.length();
    let retry = kept.resume(&once).with(|c| c.arg("--retry-failed"));
    assert_eq!(retry.stdin(jobs.clone()).run().kinds(), ["ok", "ok", "invalid", "ok"]);
    assert!(kept.length() > before);
    fs::remove_file(&flag).unwrap();
    for again in [kept.resume(&once), kept.resume(&once).with(|c| c.arg("--retry-failed"))] {
        let output = again.stdin(jobs.clone()).run();
        assert_eq!(output.kinds(), ["ok", "ok", "invalid", "ok"], "the later record counts");
    }
}

#[test]
fn a_gap_wider_than_any_buffer_is_closed() {
    let kept = Kept::new();
    let (flag, failing) = failing(&kept);
    let (gcds, expected) = gcd_jobs(40_000);
    let names: String =
        gcds.lines().zip(1..).map(|(job, n)| job.replace('}', &format!(",\"id\":\"job {n}\"}}\n"))).collect();
    let jobs = failing + &names;
    let output = kept.runner(&["-w", "2", "--allow-command", "--retries", "0"]).stdin(jobs.clone()).run();
    assert_eq!(output.code(), 1);
    fs::write(&flag, "").unwrap();
    let file = kept.folder.path().join("jobs");
    fs::write(&file, &jobs).unwrap();
    let before = kept.bytes();
    for is_file in [true, false] {
        fs::write(&kept.journal, &before).unwrap();
        let call = kept.resume(&["-w", "2", "--allow-command", "--retry-failed"]);
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
        // Neither is the job's own file left behind.
        assert_eq!(fs::read_dir(kept.folder.path()).unwrap().count(), 3);
    }
}

#[test]
fn a_producer_that_waits_for_each_result_gets_it_on_resume_too() {
    let kept = Kept::new();
    let (jobs, expected) = gcd_jobs(6);
    assert_eq!(
        kept.runner(&["-w", "1"]).stdin(jobs.lines().take(3).collect::<Vec<_>>().join("\n")).run().code(),
        0
    );
    let mut run = kept.resume(&["-w", "1"]).with(|c| c.stdin(Stdio::piped())).start_bare();
    let (mut input, mut results) = (run.child.stdin.take().unwrap(), run.child.stdout.take().unwrap());
    for (job, expected) in jobs.lines().zip(expected.split_inclusive('\n')) {
        input.write_all(format!("{job}\n").as_bytes()).unwrap();
        let mut line = vec![0; expected.len()];
        results.read_exact(&mut line).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }
    drop(input);
    assert_eq!(run.wait().code(), 0);
    assert_eq!(kept.recorded().len(), 6);
}

#[test]
fn all_executors_and_ways_to_sync_leave_the_same_outcomes() {
    let (jobs, expected) = gcd_jobs(300);
    for executor in ["processes", "threads", "serial"] {
        for fsync in ["never", "batch", "always"] {
            let kept = Kept::new();
            let arguments = ["-w", "2", "--executor", executor, "--fsync", fsync];
            let first = kept.runner(&arguments).stdin(jobs.clone()).run();
            assert_eq!((first.code(), first.text()), (0, expected.as_str()));
            let whole = kept.bytes();
            let second = kept.resume(&arguments).stdin(jobs.clone()).run();
            assert_eq!((second.code(), second.text()), (0, expected.as_str()));
            assert!(second.stderr.contains("300 from the journal"), "{}", second.stderr);
            assert!(kept.bytes() == whole, "nothing was added");
        }
    }
}
