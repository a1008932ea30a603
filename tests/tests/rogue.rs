//! Workers that speak the protocol wrongly: every one gets a clear verdict in bounded time and harms nobody else.

#![allow(clippy::unwrap_used)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    counter::Counter,
    probe::{LIMIT, Probe, Stage, finish, processes, until},
    program,
    rogue::{AT_THE_START, LATE, Plan, WITH_A_BATCH, Wrong, rogues},
    runner,
    workers::living,
};
use pool::{
    DeathCause, Executor, JobError, JobOptions, OnWorkerDeath, ProcessPool, ResultError, SubmitError,
};

/// Longer than any verdict on a rogue may take on a busy machine.
const BOUND: Duration = Duration::from_secs(20);

type Verdict = JobError<end_to_end::probe::Mishap>;

/// What a worker does wrong that leaves its job without an outcome.
fn without_an_answer() -> impl Iterator<Item = Wrong> {
    WITH_A_BATCH.into_iter().filter(|&wrong| wrong != Wrong::AnswersTwice)
}

/// The verdict on one job, which must come in bounded time.
fn verdict(pool: &ProcessPool<Probe>, wrong: Wrong) -> Verdict {
    let start = Instant::now();
    let result = pool.submit(Probe::Double(1)).unwrap().result(LIMIT);
    assert!(start.elapsed() < BOUND, "{wrong:?} took {:?}", start.elapsed());
    match result {
        Err(ResultError::Failed(failure)) => failure,
        other => panic!("{wrong:?} yields {other:?}"),
    }
}

/// The cause for which a pool gave up.
fn cause(pool: &ProcessPool<Probe>, wrong: Wrong) -> String {
    let JobError::Abandoned(cause) = verdict(pool, wrong) else { panic!("{wrong:?} breaks no pool") };
    assert_eq!(pool.broken(), Some(cause.clone()));
    assert_eq!(pool.submit(Probe::Double(1)).err(), Some(SubmitError::Broken(cause.clone())));
    cause.to_string()
}

/// Runs jobs on a pool, and proves that each has one outcome.
fn run_jobs(pool: &ProcessPool<Probe>, count: u64) {
    let counter = Arc::new(Counter::default());
    let mut submitter = pool.submitter(counter.clone());
    (0..count).for_each(|n| submitter.push(n, Probe::Double(n), JobOptions::default()));
    submitter.flush();
    counter.until(count);
}

#[test]
fn who_cannot_even_start_breaks_the_pool_with_the_cause() {
    let _case = Case::begin();
    let neighbour = processes(1);
    run_jobs(&neighbour, 10);
    for wrong in AT_THE_START {
        for policy in [OnWorkerDeath::Heal, OnWorkerDeath::Break] {
            let pool = rogues(1, &Plan::new(wrong)).on_worker_death(policy).build().unwrap();
            let cause = cause(&pool, wrong);
            let words = match wrong {
                Wrong::OtherVersion => "version",
                Wrong::OtherJobs => "job type `others`, expected `probe`",
                Wrong::GarbageHello | Wrong::EarlyReceipt => {
                    "unexpected message in the handshake with the worker"
                }
                Wrong::SpoiltHello => "the peer sent data that ipc-channel cannot parse",
                Wrong::LeavesAtOnce | Wrong::DiesInHandshake => "handshake with the worker failed",
                _ => "the worker did not connect",
            };
            assert!(cause.contains(words), "{wrong:?}: {cause}");
            finish(&pool);
        }
    }
    run_jobs(&neighbour, 10);
    assert_eq!(neighbour.worker_stats().len(), 1, "the good worker was not disturbed");
    finish(&neighbour);
}

#[test]
fn who_is_never_ready_is_given_up_after_a_while() {
    let _case = Case::begin();
    for wrong in LATE {
        let limit = Duration::from_millis(100);
        let pool = rogues(1, &Plan::new(wrong)).start_timeout(limit).build().unwrap();
        let cause = cause(&pool, wrong);
        assert!(cause.contains("the worker was not ready in time"), "{wrong:?}: {cause}");
        finish(&pool);
    }
}

#[test]
fn workers_that_are_never_ready_in_turns_break_the_pool() {
    let _case = Case::begin();
    // Longer than the pause before a replacement, so that some worker is always starting.
    let limit = Duration::from_secs(1);
    let cases = [(2, Wrong::StaysAway), (2, Wrong::SaysNothing), (3, Wrong::NeverReady)];
    let pools = cases.map(|(workers, wrong)| {
        (rogues(workers, &Plan::new(wrong)).start_timeout(limit).build().unwrap(), workers, wrong)
    });
    // Workers are started on demand, one for each job.
    let mut jobs = Vec::new();
    for turn in 0..3 {
        for (pool, workers, wrong) in &pools {
            if turn < *workers {
                jobs.push((pool.submit(Probe::Double(1)).unwrap(), wrong));
            }
        }
        std::thread::sleep(limit / 3);
    }
    for (job, wrong) in jobs {
        let Err(ResultError::Failed(JobError::Abandoned(cause))) = job.result(BOUND) else {
            panic!("{wrong:?}: no end")
        };
        assert!(cause.contains("the worker was not ready in time"), "{wrong:?}: {cause}");
    }
    for (pool, workers, wrong) in &pools {
        let starts = pool.worker_stats().len();
        assert!(starts <= 5 + 2 * workers, "{wrong:?}: {starts} starts");
        finish(pool);
    }
}

#[test]
fn who_goes_wrong_in_a_job_costs_that_job_and_nothing_else() {
    let _case = Case::begin();
    for wrong in without_an_answer() {
        let plan = Plan { publishes: true, ..Plan::new(wrong) };
        let pool = rogues(1, &plan).retries(1).build().unwrap();
        for _ in 0..2 {
            let JobError::Crashed { death, attempts, .. } = verdict(&pool, wrong) else {
                panic!("{wrong:?} is no crash")
            };
            assert_eq!(attempts, 2, "{wrong:?}");
            let causes = match wrong {
                Wrong::Dies | Wrong::HalfThenDeath => vec![DeathCause::Exited(5)],
                // It is hung up on first, and takes that for the end.
                Wrong::GarbagePacket | Wrong::LargePacket | Wrong::HugePacket | Wrong::Nested => {
                    vec![DeathCause::Exited(0), DeathCause::Signalled(9)]
                }
                _ => vec![DeathCause::Signalled(9)],
            };
            assert!(causes.contains(&death.cause), "{wrong:?}: {death}");
        }
        assert_eq!(pool.broken(), None);
        finish(&pool);
    }
}

#[test]
fn who_goes_wrong_between_jobs_breaks_the_pool_in_the_end() {
    let _case = Case::begin();
    for wrong in without_an_answer() {
        let pool = rogues(1, &Plan::new(wrong)).build().unwrap();
        let cause = cause(&pool, wrong);
        assert!(cause.contains("process "), "{wrong:?}: {cause}");
        finish(&pool);
    }
}

#[test]
fn who_goes_wrong_breaks_a_pool_that_does_not_heal() {
    let _case = Case::begin();
    for wrong in without_an_answer() {
        let plan = Plan { publishes: true, ..Plan::new(wrong) };
        let pool = rogues(1, &plan).on_worker_death(OnWorkerDeath::Break).build().unwrap();
        assert!(cause(&pool, wrong).contains("process "), "{wrong:?}");
        assert_eq!(pool.worker_stats().len(), 1, "one was enough");
        finish(&pool);
    }
}

#[test]
fn a_pool_heals_from_one_rogue_and_no_job_is_lost_or_answered_twice() {
    let _case = Case::begin();
    let early = [Wrong::ExitsAtOnce, Wrong::LeavesAtOnce, Wrong::DiesInHandshake, Wrong::Knocks];
    for (wrong, good_batches) in
        early.into_iter().chain(WITH_A_BATCH).flat_map(|wrong| [(wrong, 0), (wrong, 2)])
    {
        let stage = Stage::new();
        let once = Some(stage.file("once"));
        let pool = rogues(2, &Plan { once, good_batches, ..Plan::new(wrong) }).build().unwrap();
        run_jobs(&pool, 300);
        assert!(stage.file("once").exists());
        assert_eq!(pool.broken(), None, "{wrong:?}");
        finish(&pool);
    }
}

#[test]
fn a_misfit_among_good_workers_is_done_without() {
    let _case = Case::begin();
    for wrong in [Wrong::OtherVersion, Wrong::OtherJobs, Wrong::GarbageHello, Wrong::EarlyReceipt] {
        let stage = Stage::new();
        let pool = rogues(2, &Plan { once: Some(stage.file("once")), ..Plan::new(wrong) }).build().unwrap();
        pool.prestart();
        run_jobs(&pool, 300);
        assert_eq!(pool.broken(), None, "{wrong:?}");
        finish(&pool);
    }
}

#[test]
fn answers_that_make_no_sense_cost_their_jobs_and_not_the_worker() {
    let _case = Case::begin();
    for wrong in [Wrong::UnknownStatus, Wrong::Undecodable] {
        let pool = rogues(1, &Plan::new(wrong)).build().unwrap();
        for _ in 0..10 {
            let JobError::Codec(words) = verdict(&pool, wrong) else { panic!("{wrong:?} is decoded") };
            assert!(wrong == Wrong::Undecodable || words.contains("unknown kind"), "{words}");
        }
        assert_eq!(pool.worker_stats().len(), 1);
        finish(&pool);
    }
}

#[test]
fn a_worker_that_lies_about_its_time_confuses_nobody() {
    let _case = Case::begin();
    let pool = rogues(1, &Plan::new(Wrong::AbsurdBusy)).build().unwrap();
    run_jobs(&pool, 300);
    assert!(pool.worker_stats()[0].busy > Duration::from_secs(1 << 33));
    finish(&pool);
}

#[test]
fn who_answers_twice_has_answered() {
    let _case = Case::begin();
    let pool = rogues(1, &Plan::new(Wrong::AnswersTwice)).build().unwrap();
    run_jobs(&pool, 50);
    assert_eq!(pool.broken(), None);
    finish(&pool);
}

#[test]
fn a_batch_that_is_never_answered_ends_with_the_limit_of_its_job() {
    let _case = Case::begin();
    for wrong in [Wrong::NeverAnswers, Wrong::HalfThenSilence] {
        let plan = Plan { publishes: true, good_batches: 1, ..Plan::new(wrong) };
        let pool = rogues(1, &plan).time_limit(Duration::from_millis(200)).build().unwrap();
        assert_eq!(pool.submit(Probe::Double(4)).unwrap().result(LIMIT).unwrap(), 8);
        let JobError::TimedOut { attempts, .. } = verdict(&pool, wrong) else { panic!("{wrong:?} has time") };
        assert_eq!(attempts, 1);
        assert_eq!(pool.submit(Probe::Double(4)).unwrap().result(LIMIT).unwrap(), 8);
        finish(&pool);
    }
}

#[test]
fn a_batch_that_is_never_answered_can_be_ended_by_hand() {
    let _case = Case::begin();
    for wrong in [Wrong::NeverAnswers, Wrong::HalfThenSilence] {
        let pool = rogues(1, &Plan::new(wrong)).build().unwrap();
        let job = pool.submit(Probe::Double(4)).unwrap();
        until("the job is out", || job.running());
        assert!(job.kill());
        assert!(matches!(job.result(LIMIT), Err(ResultError::Failed(JobError::Cancelled))));
        let job = pool.submit(Probe::Double(4)).unwrap();
        until("the job is out", || job.running());
        pool.stop(Duration::from_millis(50));
        assert!(matches!(job.result(LIMIT), Err(ResultError::Failed(JobError::Cancelled))));
        finish(&pool);
    }
}

#[test]
fn who_does_not_leave_is_killed() {
    let _case = Case::begin();
    let plan = Plan { publishes: true, ..Plan::new(Wrong::NeverLeaves) };
    let pool = rogues(2, &plan).exit_timeout(Duration::from_millis(100)).build().unwrap();
    run_jobs(&pool, 300);
    let start = Instant::now();
    finish(&pool);
    assert!(start.elapsed() < BOUND && living(&pool).is_empty());
    let reports = pool.reports();
    assert!(!reports.is_empty());
    for report in reports {
        let told = report.report.unwrap_err();
        assert!(told.contains("the worker exited without a report") && told.contains("signal 9"), "{told}");
    }
}

fn runner_with(plan: &Plan, arguments: &[&str]) -> end_to_end::Output {
    let worker = program("rogue-worker");
    let call = runner(["--worker-bin".as_ref(), worker.as_os_str()]).with(|c| c.args(arguments));
    call.with(|c| c.envs(plan.environment())).stdin("{\"op\":\"sum\",\"n\":4}\n".repeat(3)).run()
}

#[test]
fn runner_says_why_no_worker_could_be_started() {
    for (wrong, words) in [
        (Wrong::ExitsAtOnce, "the worker did not connect"),
        (Wrong::OtherVersion, "version"),
        (Wrong::OtherJobs, "job type `others`, expected `"),
        (Wrong::GarbageHello, "unexpected message in the handshake with the worker"),
        (Wrong::GarbageOutcomes, "process "),
    ] {
        let output = runner_with(&Plan::new(wrong), &["-w", "1"]);
        assert_eq!((output.kinds(), output.code()), (vec!["cancelled".into(); 3], 4), "{wrong:?}");
        assert!(output.stderr.contains(words), "{wrong:?}: {}", output.stderr);
        assert!(output.elapsed < BOUND);
    }
}

#[test]
fn runner_reports_the_jobs_of_rogues_as_crashed() {
    for wrong in [Wrong::Dies, Wrong::GarbageOutcomes, Wrong::HalfThenDeath, Wrong::HugePacket] {
        let plan = Plan { publishes: true, ..Plan::new(wrong) };
        let output = runner_with(&plan, &["-w", "1", "--retries", "0"]);
        assert_eq!((output.kinds(), output.code()), (vec!["crashed".into(); 3], 1), "{wrong:?}");
        assert!(output.elapsed < BOUND);
    }
}

#[test]
fn runner_heals_from_one_rogue() {
    // With one outcome too many a rogue that does not know the jobs has as many as it should have.
    for wrong in without_an_answer().filter(|&wrong| wrong != Wrong::TooMany) {
        let folder = tempfile::tempdir().unwrap();
        let once = Some(folder.path().join("once"));
        let output = runner_with(&Plan { once, ..Plan::new(wrong) }, &["-w", "1"]);
        assert_eq!((output.kinds(), output.code()), (vec!["ok".into(); 3], 0), "{wrong:?}");
    }
}
