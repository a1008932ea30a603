//! Blame when a worker dies in a batch, and the outcomes of the other jobs in the batch.

use std::{path::PathBuf, time::Duration};

use end_to_end::{
    Case,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, line_count},
    runner, shell_jobs,
};
use pool::{Executor, JobError, JobFuture, settings::JobOptions};

/// Returns jobs that mark three files, with another job between the second and the third.
fn around(middle: Probe, barrier: &Barrier) -> (Vec<Probe>, [PathBuf; 3]) {
    let files = ["first", "second", "third"].map(|name| barrier.file(name));
    let [first, second, third] = files.clone().map(Probe::Mark);
    (vec![first, second, middle, third], files)
}

fn failure(job: &JobFuture<Probe>) -> JobError<end_to_end::probe::ProbeError> {
    match job.result_timeout(TIMEOUT) {
        Err(failure) => failure,
        other => panic!("not a failure: {other:?}"),
    }
}

#[test]
fn outcomes_survive_a_job_that_kills_its_worker() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).retries(0).build().unwrap();
    let barrier = Barrier::new();
    let (jobs, files) = around(Probe::Exit(3), &barrier);
    let futures = executor.submit_many(jobs, JobOptions::default()).unwrap();
    assert!(matches!(failure(&futures[2]), JobError::Crashed(crash) if crash.attempts == 1));
    assert!([0, 1, 3].iter().all(|&place| futures[place].result_timeout(TIMEOUT).is_ok()));
    assert_eq!(files.map(|file| line_count(&file)), [1, 1, 1], "each job ran once");
    assert_eq!(executor.worker_stats()[0].batches, 0, "the first worker returned a batch");
    finish(&executor);
}

#[test]
fn outcomes_survive_a_job_that_times_out() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).time_limit(Duration::from_millis(100)).build().unwrap();
    let barrier = Barrier::new();
    let (jobs, files) = around(barrier.hold(), &barrier);
    let futures = executor.submit_many(jobs, JobOptions::default()).unwrap();
    assert!(matches!(failure(&futures[2]), JobError::TimedOut(timeout) if timeout.attempts == 1));
    assert!([0, 1, 3].iter().all(|&place| futures[place].result_timeout(TIMEOUT).is_ok()));
    assert_eq!(files.map(|file| line_count(&file)), [1, 1, 1]);
    finish(&executor);
}

#[test]
fn outcomes_survive_a_job_that_is_killed_on_request() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).build().unwrap();
    let barrier = Barrier::new();
    let (jobs, files) = around(barrier.hold(), &barrier);
    let futures = executor.submit_many(jobs, JobOptions::default()).unwrap();
    barrier.wait_for_held(1);
    assert!(futures[2].kill());
    assert!(matches!(failure(&futures[2]), JobError::Cancelled));
    assert!([0, 1, 3].iter().all(|&place| futures[place].result_timeout(TIMEOUT).is_ok()));
    assert_eq!(files.map(|file| line_count(&file)), [1, 1, 1]);
    finish(&executor);
}

#[test]
fn outcomes_that_exceed_the_saved_memory_are_sent_early() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).retries(0).build().unwrap();
    let barrier = Barrier::new();
    let file = barrier.file("ran");
    // Errors of 1000 bytes: more than fits into the memory that survives the worker.
    let bulky = Probe::Then(Box::new(Probe::Mark(file.clone())), Box::new(Probe::Fail(bulky_error())));
    let mut jobs = vec![bulky; 600];
    jobs.push(Probe::Abort);
    let futures = executor.submit_many(jobs, JobOptions::default()).unwrap();
    assert!(matches!(failure(&futures[600]), JobError::Crashed(_)));
    assert!(
        futures[..600].iter().all(|job| matches!(failure(job), JobError::Failed(m) if m == bulky_error()))
    );
    assert_eq!(line_count(&file), 600, "each job ran once");
    finish(&executor);
}

#[test]
fn unordered_map_returns_outcomes_that_are_sent_early() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).build().unwrap();
    let barrier = Barrier::new();
    let mut jobs = vec![Probe::Fail(bulky_error()); 600];
    jobs.push(barrier.hold());
    let mut outputs = executor.map_unordered(jobs).chunk_size(601).start();
    assert!(matches!(outputs.next(), Some((0, Err(JobError::Failed(_))))), "while one is held");
    barrier.release();
    assert_eq!(outputs.count(), 600);
    finish(&executor);
}

fn bulky_error() -> end_to_end::probe::ProbeError {
    end_to_end::probe::probe_error(1, &"x".repeat(1000))
}

/// Returns a job whose n-th attempt runs the n-th of these scripts, in which `$worker` is the id of its
/// worker.
fn attempts(folder: &std::path::Path, lines: &[&str]) -> String {
    let count = folder.join("count").display().to_string();
    let cases: String = lines.iter().enumerate().map(|(n, line)| format!("{n}) {line};; ")).collect();
    shell_jobs(&[&format!(
        "n=$(cat {count} 2>/dev/null || echo 0); echo $((n+1)) > {count}
        worker=$(cut -d ' ' -f 5 /proc/$$/stat); case $n in {cases} esac; sleep 100"
    )])
}

#[test]
fn failure_lists_all_distinct_deaths() {
    let (kill, illegal, abort) = ("kill -KILL $worker", "kill -ILL $worker", "kill -ABRT $worker");
    let cases: [(&[&str], &str, &str); 4] = [
        (&[kill, kill, kill], "crashed", "the worker was killed by SIGKILL"),
        (
            &[illegal, kill, abort],
            "crashed",
            "the worker was killed by SIGABRT; in earlier attempts the worker was killed by SIGILL, \
             was killed by SIGKILL",
        ),
        (
            &[kill, illegal, kill],
            "crashed",
            "the worker was killed by SIGKILL; in earlier attempts the worker was killed by SIGILL",
        ),
        (
            &[abort, "sleep 100"],
            "timeout",
            "ran longer than 2 s; in earlier attempts the worker was killed by SIGABRT",
        ),
    ];
    for (lines, kind, message) in cases {
        let folder = tempfile::tempdir().unwrap();
        let call =
            runner(["-w", "1", "--timeout", "2", "--allow-command"]).stdin(attempts(folder.path(), lines));
        let output = call.run();
        let error = &output.records()[0]["error"];
        assert_eq!((&error["kind"], &error["message"]), (&kind.into(), &message.into()), "{lines:?}");
        assert_eq!(error["attempts"], lines.len(), "{lines:?}");
    }
}
