//! Who is charged when a worker dies inside a batch, and what becomes of the others.

#![allow(clippy::unwrap_used)]

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use end_to_end::{
    Case,
    probe::{LIMIT, Probe, Stage, builder, finish, marks},
    runner, shell_jobs,
};
use pool::{Executor, JobError, JobFuture, JobOptions, ResultError};

/// Marks three files, with a job in between the second and the third.
fn around(middle: Probe, stage: &Stage) -> (Vec<Probe>, [PathBuf; 3]) {
    let files = ["first", "second", "third"].map(|name| stage.file(name));
    let [first, second, third] = files.clone().map(Probe::Mark);
    (vec![first, second, middle, third], files)
}

fn failure(job: &JobFuture<Probe>) -> JobError<end_to_end::probe::Mishap> {
    match job.result(LIMIT) {
        Err(ResultError::Failed(failure)) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

#[test]
fn finished_siblings_of_a_job_that_kills_its_worker_keep_their_outcomes() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).retries(0).build().unwrap();
    let stage = Stage::new();
    let (jobs, files) = around(Probe::Exit(3), &stage);
    let futures = executor.submit_many(jobs, JobOptions::default()).unwrap();
    assert!(matches!(failure(&futures[2]), JobError::Crashed { attempts: 1, .. }));
    assert!([0, 1, 3].iter().all(|&place| futures[place].result(LIMIT).is_ok()));
    assert_eq!(files.map(|file| marks(&file)), [1, 1, 1], "none has run twice, none is lost");
    assert_eq!(executor.worker_stats()[0].batches, 0, "the first worker never sent a batch back");
    finish(&executor);
}

#[test]
fn finished_siblings_of_a_job_that_runs_too_long_keep_their_outcomes() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).time_limit(Duration::from_millis(100)).build().unwrap();
    let stage = Stage::new();
    let (jobs, files) = around(stage.hold(), &stage);
    let futures = executor.submit_many(jobs, JobOptions::default()).unwrap();
    assert!(matches!(failure(&futures[2]), JobError::TimedOut { attempts: 1, .. }));
    assert!([0, 1, 3].iter().all(|&place| futures[place].result(LIMIT).is_ok()));
    assert_eq!(files.map(|file| marks(&file)), [1, 1, 1]);
    finish(&executor);
}

#[test]
fn finished_siblings_of_a_job_that_is_killed_on_request_keep_their_outcomes() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).build().unwrap();
    let stage = Stage::new();
    let (jobs, files) = around(stage.hold(), &stage);
    let futures = executor.submit_many(jobs, JobOptions::default()).unwrap();
    stage.until_held(1);
    assert!(futures[2].kill());
    assert!(matches!(failure(&futures[2]), JobError::Cancelled));
    assert!([0, 1, 3].iter().all(|&place| futures[place].result(LIMIT).is_ok()));
    assert_eq!(files.map(|file| marks(&file)), [1, 1, 1]);
    finish(&executor);
}

#[test]
fn more_outcomes_than_can_be_kept_are_sent_early() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).retries(0).build().unwrap();
    let stage = Stage::new();
    let file = stage.file("ran");
    // An error of 1000 bytes each: more than fits into what survives the worker.
    let bulky = Probe::Then(Box::new(Probe::Mark(file.clone())), Box::new(Probe::Fail(bulky_mishap())));
    let mut jobs = vec![bulky; 600];
    jobs.push(Probe::Abort);
    let futures = executor.submit_many(jobs, JobOptions::default()).unwrap();
    assert!(matches!(failure(&futures[600]), JobError::Crashed { .. }));
    assert!(
        futures[..600].iter().all(|job| matches!(failure(job), JobError::Failed(m) if m == bulky_mishap()))
    );
    assert_eq!(marks(&file), 600, "none has run twice");
    finish(&executor);
}

#[test]
fn an_unordered_map_hands_out_what_is_sent_early() {
    let _case = Case::begin();
    let executor = builder::<Probe>(1).build().unwrap();
    let stage = Stage::new();
    let mut jobs = vec![Probe::Fail(bulky_mishap()); 600];
    jobs.push(stage.hold());
    let batch = NonZeroUsize::new(601).unwrap();
    let mut outputs = executor.map_unordered(jobs).chunk_size(batch).into_iter();
    assert!(
        matches!(outputs.next(), Some(Err((0, ResultError::Failed(JobError::Failed(_)))))),
        "while one is held"
    );
    stage.release();
    assert_eq!(outputs.count(), 600);
    finish(&executor);
}

fn bulky_mishap() -> end_to_end::probe::Mishap {
    end_to_end::probe::mishap(1, &"x".repeat(1000))
}

/// A job whose n-th attempt runs the n-th of these lines of shell, where `$worker` is the number of its worker.
fn attempts(folder: &std::path::Path, lines: &[&str]) -> String {
    let count = folder.join("count").display().to_string();
    let cases: String = lines.iter().enumerate().map(|(n, line)| format!("{n}) {line};; ")).collect();
    shell_jobs(&[&format!(
        "n=$(cat {count} 2>/dev/null || echo 0); echo $((n+1)) > {count}
        worker=$(cut -d ' ' -f 5 /proc/$$/stat); case $n in {cases} esac; sleep 100"
    )])
}

#[test]
fn a_failure_is_told_with_all_the_deaths_that_differ() {
    let (kill, illegal, abort) = ("kill -KILL $worker", "kill -ILL $worker", "kill -ABRT $worker");
    let cases: [(&[&str], &str, &str); 4] = [
        (&[kill, kill, kill], "crashed", "the worker was ended by SIGKILL"),
        (
            &[illegal, kill, abort],
            "crashed",
            "the worker was ended by SIGABRT; in earlier attempts the worker was ended by SIGILL, was ended by SIGKILL",
        ),
        (
            &[kill, illegal, kill],
            "crashed",
            "the worker was ended by SIGKILL; in earlier attempts the worker was ended by SIGILL",
        ),
        (
            &[abort, "sleep 100"],
            "timeout",
            "ran longer than 2 s; in earlier attempts the worker was ended by SIGABRT",
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
