//! Workers that violate the protocol: each is detected in bounded time with a clear cause and affects no
//! other worker.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use end_to_end::{
    Case,
    counter::Counter,
    probe::{Barrier, Probe, TIMEOUT, finish, processes, wait_until},
    program,
    rogue::{FAILS_ON_BATCH, FAILS_TO_START, Misbehavior, NEVER_READY, RoguePlan, rogue_builder},
    runner,
    workers::live_pids,
};
use pool::{
    Executor, JobError, ProcessPool,
    error::{Crashed, DeathCause, SubmitError, TimedOut},
    settings::{JobOptions, OnWorkerDeath},
};

/// Maximum time until a rogue is detected on a busy machine.
const MAX_DELAY: Duration = Duration::from_secs(20);

type Failure = JobError<end_to_end::probe::ProbeError>;

/// Returns the misbehavior that leaves the job without an outcome.
fn without_an_answer() -> impl Iterator<Item = Misbehavior> {
    FAILS_ON_BATCH.into_iter().filter(|&misbehavior| misbehavior != Misbehavior::AnswersTwice)
}

/// Returns the failure of one job and checks that it is reported in bounded time.
fn failure(pool: &ProcessPool<Probe>, misbehavior: Misbehavior) -> Failure {
    let start = Instant::now();
    let result = pool.submit(Probe::Double(1)).unwrap().result_timeout(TIMEOUT);
    assert!(start.elapsed() < MAX_DELAY, "{misbehavior:?} took {:?}", start.elapsed());
    match result {
        Err(failure) => failure,
        other => panic!("{misbehavior:?} returns {other:?}"),
    }
}

/// Returns the cause for which a pool broke.
fn cause(pool: &ProcessPool<Probe>, misbehavior: Misbehavior) -> String {
    let JobError::Broken(cause) = failure(pool, misbehavior) else {
        panic!("{misbehavior:?} did not break the pool")
    };
    assert_eq!(pool.broken(), Some(cause.clone()));
    assert_eq!(pool.submit(Probe::Double(1)).err(), Some(SubmitError::Broken(cause.clone())));
    cause.to_string()
}

/// Runs jobs on a pool and checks that each has one outcome.
fn run_jobs(pool: &ProcessPool<Probe>, count: u64) {
    let counter = Arc::new(Counter::default());
    let mut submitter = pool.submitter(counter.clone());
    (0..count).for_each(|n| submitter.push(n, Probe::Double(n), JobOptions::default()));
    submitter.flush();
    counter.wait_for(count);
}

#[test]
fn worker_that_cannot_start_breaks_the_pool_with_the_cause() {
    let _case = Case::begin();
    let neighbour = processes(1);
    run_jobs(&neighbour, 10);
    for misbehavior in FAILS_TO_START {
        for policy in [OnWorkerDeath::Replace, OnWorkerDeath::Break] {
            let pool =
                rogue_builder(1, &RoguePlan::new(misbehavior)).on_worker_death(policy).build().unwrap();
            let cause = cause(&pool, misbehavior);
            let words = match misbehavior {
                Misbehavior::OtherVersion => "version",
                Misbehavior::OtherJobType => "job type `others`, expected `probe`",
                Misbehavior::GarbageHello | Misbehavior::EarlyAck => {
                    "unexpected message in the handshake with the worker"
                }
                Misbehavior::OversizedHello => "the peer sent data that ipc-channel cannot parse",
                Misbehavior::ExitsBeforeHello | Misbehavior::ExitsInHandshake => {
                    "handshake with the worker failed"
                }
                _ => "the worker did not connect",
            };
            assert!(cause.contains(words), "{misbehavior:?}: {cause}");
            finish(&pool);
        }
    }
    run_jobs(&neighbour, 10);
    assert_eq!(neighbour.worker_stats().len(), 1, "the good worker was affected");
    finish(&neighbour);
}

#[test]
fn worker_that_is_never_ready_times_out() {
    let _case = Case::begin();
    for misbehavior in NEVER_READY {
        let limit = Duration::from_millis(100);
        let pool = rogue_builder(1, &RoguePlan::new(misbehavior)).start_timeout(limit).build().unwrap();
        let cause = cause(&pool, misbehavior);
        assert!(cause.contains("the worker was not ready in time"), "{misbehavior:?}: {cause}");
        finish(&pool);
    }
}

#[test]
fn workers_that_are_never_ready_in_turns_break_the_pool() {
    let _case = Case::begin();
    // Longer than the backoff before a replacement, so that some worker is always starting.
    let limit = Duration::from_secs(1);
    let cases =
        [(2, Misbehavior::NeverConnects), (2, Misbehavior::NeverSendsHello), (3, Misbehavior::NeverReady)];
    let pools = cases.map(|(workers, misbehavior)| {
        (
            rogue_builder(workers, &RoguePlan::new(misbehavior)).start_timeout(limit).build().unwrap(),
            workers,
            misbehavior,
        )
    });
    // Workers start on demand, one per job.
    let mut jobs = Vec::new();
    for turn in 0..3 {
        for (pool, workers, misbehavior) in &pools {
            if turn < *workers {
                jobs.push((pool.submit(Probe::Double(1)).unwrap(), misbehavior));
            }
        }
        std::thread::sleep(limit / 3);
    }
    for (job, misbehavior) in jobs {
        let Err(JobError::Broken(cause)) = job.result_timeout(MAX_DELAY) else {
            panic!("{misbehavior:?}: not abandoned")
        };
        assert!(cause.contains("the worker was not ready in time"), "{misbehavior:?}: {cause}");
    }
    for (pool, workers, misbehavior) in &pools {
        let starts = pool.worker_stats().len();
        assert!(starts <= 5 + 2 * workers, "{misbehavior:?}: {starts} starts");
        finish(pool);
    }
}

#[test]
fn worker_that_misbehaves_in_a_job_fails_only_that_job() {
    let _case = Case::begin();
    for misbehavior in without_an_answer() {
        let plan = RoguePlan { publishes_job: true, ..RoguePlan::new(misbehavior) };
        let pool = rogue_builder(1, &plan).retries(1).build().unwrap();
        for _ in 0..2 {
            let JobError::Crashed(details) = failure(&pool, misbehavior) else {
                panic!("{misbehavior:?} is not a crash")
            };
            let Crashed { death, attempts, .. } = *details;
            assert_eq!(attempts, 2, "{misbehavior:?}");
            let causes = match misbehavior {
                Misbehavior::Exits | Misbehavior::HalfThenExits => vec![DeathCause::Exited(5)],
                // Its link is closed first, upon which it may exit.
                Misbehavior::GarbagePacket
                | Misbehavior::LargePacket
                | Misbehavior::HugePacket
                | Misbehavior::Nested => {
                    vec![DeathCause::Exited(0), DeathCause::Signalled(9)]
                }
                _ => vec![DeathCause::Signalled(9)],
            };
            assert!(causes.contains(&death.cause), "{misbehavior:?}: {death}");
        }
        assert_eq!(pool.broken(), None);
        finish(&pool);
    }
}

#[test]
fn worker_that_misbehaves_between_jobs_eventually_breaks_the_pool() {
    let _case = Case::begin();
    for misbehavior in without_an_answer() {
        let pool = rogue_builder(1, &RoguePlan::new(misbehavior)).build().unwrap();
        let cause = cause(&pool, misbehavior);
        assert!(cause.contains("process "), "{misbehavior:?}: {cause}");
        finish(&pool);
    }
}

#[test]
fn misbehaving_worker_breaks_a_pool_that_does_not_heal() {
    let _case = Case::begin();
    for misbehavior in without_an_answer() {
        let plan = RoguePlan { publishes_job: true, ..RoguePlan::new(misbehavior) };
        let pool = rogue_builder(1, &plan).on_worker_death(OnWorkerDeath::Break).build().unwrap();
        assert!(cause(&pool, misbehavior).contains("process "), "{misbehavior:?}");
        assert_eq!(pool.worker_stats().len(), 1, "more than one worker was started");
        finish(&pool);
    }
}

#[test]
fn pool_heals_from_one_rogue_without_lost_or_duplicate_outcomes() {
    let _case = Case::begin();
    let early = [
        Misbehavior::ExitsImmediately,
        Misbehavior::ExitsBeforeHello,
        Misbehavior::ExitsInHandshake,
        Misbehavior::ConnectsWithGarbage,
    ];
    for (misbehavior, good_batches) in
        early.into_iter().chain(FAILS_ON_BATCH).flat_map(|misbehavior| [(misbehavior, 0), (misbehavior, 2)])
    {
        let barrier = Barrier::new();
        let once = Some(barrier.file("once"));
        let pool = rogue_builder(2, &RoguePlan { once, good_batches, ..RoguePlan::new(misbehavior) })
            .build()
            .unwrap();
        run_jobs(&pool, 300);
        assert!(barrier.file("once").exists());
        assert_eq!(pool.broken(), None, "{misbehavior:?}");
        finish(&pool);
    }
}

#[test]
fn incompatible_worker_among_good_ones_is_tolerated() {
    let _case = Case::begin();
    for misbehavior in [
        Misbehavior::OtherVersion,
        Misbehavior::OtherJobType,
        Misbehavior::GarbageHello,
        Misbehavior::EarlyAck,
    ] {
        let barrier = Barrier::new();
        let pool =
            rogue_builder(2, &RoguePlan { once: Some(barrier.file("once")), ..RoguePlan::new(misbehavior) })
                .build()
                .unwrap();
        pool.prestart();
        run_jobs(&pool, 300);
        assert_eq!(pool.broken(), None, "{misbehavior:?}");
        finish(&pool);
    }
}

#[test]
fn invalid_outcomes_fail_their_jobs_and_keep_the_worker() {
    let _case = Case::begin();
    for misbehavior in [Misbehavior::UnknownStatus, Misbehavior::Undecodable] {
        let pool = rogue_builder(1, &RoguePlan::new(misbehavior)).build().unwrap();
        for _ in 0..10 {
            let JobError::Codec(words) = failure(&pool, misbehavior) else {
                panic!("{misbehavior:?} was decoded")
            };
            assert!(misbehavior == Misbehavior::Undecodable || words.contains("unknown kind"), "{words}");
        }
        assert_eq!(pool.worker_stats().len(), 1);
        finish(&pool);
    }
}

#[test]
fn files_that_cannot_be_opened_are_tolerated() {
    let _case = Case::begin();
    let pool = rogue_builder(1, &RoguePlan::new(Misbehavior::WrongFiles)).build().unwrap();
    run_jobs(&pool, 300);
    assert_eq!(pool.worker_stats().len(), 1);
    finish(&pool);
}

#[test]
fn absurd_busy_time_is_tolerated() {
    let _case = Case::begin();
    let pool = rogue_builder(1, &RoguePlan::new(Misbehavior::AbsurdBusy)).build().unwrap();
    run_jobs(&pool, 300);
    assert!(pool.worker_stats()[0].busy > Duration::from_secs(1 << 33));
    finish(&pool);
}

#[test]
fn duplicate_answer_is_ignored() {
    let _case = Case::begin();
    let pool = rogue_builder(1, &RoguePlan::new(Misbehavior::AnswersTwice)).build().unwrap();
    run_jobs(&pool, 50);
    assert_eq!(pool.broken(), None);
    finish(&pool);
}

#[test]
fn unanswered_batch_ends_with_the_time_limit_of_its_job() {
    let _case = Case::begin();
    for misbehavior in [Misbehavior::NeverAnswers, Misbehavior::HalfThenHangs] {
        let plan = RoguePlan { publishes_job: true, good_batches: 1, ..RoguePlan::new(misbehavior) };
        let pool = rogue_builder(1, &plan).time_limit(Duration::from_millis(200)).build().unwrap();
        assert_eq!(pool.submit(Probe::Double(4)).unwrap().result_timeout(TIMEOUT).unwrap(), 8);
        let JobError::TimedOut(details) = failure(&pool, misbehavior) else {
            panic!("{misbehavior:?} did not time out")
        };
        let TimedOut { attempts, .. } = *details;
        assert_eq!(attempts, 1);
        assert_eq!(pool.submit(Probe::Double(4)).unwrap().result_timeout(TIMEOUT).unwrap(), 8);
        finish(&pool);
    }
}

#[test]
fn unanswered_batch_can_be_killed_and_stopped() {
    let _case = Case::begin();
    for misbehavior in [Misbehavior::NeverAnswers, Misbehavior::HalfThenHangs] {
        let pool = rogue_builder(1, &RoguePlan::new(misbehavior)).build().unwrap();
        let job = pool.submit(Probe::Double(4)).unwrap();
        wait_until("the job is running", || job.is_running());
        assert!(job.kill());
        assert!(matches!(job.result_timeout(TIMEOUT), Err(JobError::Cancelled)));
        let job = pool.submit(Probe::Double(4)).unwrap();
        wait_until("the job is running", || job.is_running());
        pool.stop(Duration::from_millis(50));
        assert!(matches!(job.result_timeout(TIMEOUT), Err(JobError::Cancelled)));
        finish(&pool);
    }
}

#[test]
fn worker_that_does_not_exit_is_killed() {
    let _case = Case::begin();
    let plan = RoguePlan { publishes_job: true, ..RoguePlan::new(Misbehavior::IgnoresShutdown) };
    let pool = rogue_builder(2, &plan).exit_timeout(Duration::from_millis(100)).build().unwrap();
    run_jobs(&pool, 300);
    let start = Instant::now();
    finish(&pool);
    assert!(start.elapsed() < MAX_DELAY && live_pids(&pool).is_empty());
    let reports = pool.reports();
    assert!(!reports.is_empty());
    for report in reports {
        let reason = report.report.unwrap_err();
        assert!(
            reason.contains("the worker exited without a report") && reason.contains("signal 9"),
            "{reason}"
        );
    }
}

fn runner_with(plan: &RoguePlan, arguments: &[&str]) -> end_to_end::Output {
    let worker = program("rogue-worker");
    let call = runner(["--worker-bin".as_ref(), worker.as_os_str()]).with(|c| c.args(arguments));
    call.with(|c| c.envs(plan.environment())).stdin("{\"op\":\"sum\",\"n\":4}\n".repeat(3)).run()
}

#[test]
fn runner_reports_why_no_worker_could_be_started() {
    for (misbehavior, words) in [
        (Misbehavior::ExitsImmediately, "the worker did not connect"),
        (Misbehavior::OtherVersion, "version"),
        (Misbehavior::OtherJobType, "job type `others`, expected `"),
        (Misbehavior::GarbageHello, "unexpected message in the handshake with the worker"),
        (Misbehavior::GarbageOutcomes, "process "),
    ] {
        let output = runner_with(&RoguePlan::new(misbehavior), &["-w", "1"]);
        assert_eq!(output.kinds(), ["cancelled"; 3], "{misbehavior:?}");
        assert_eq!(output.code(), 4, "{misbehavior:?}");
        assert!(output.stderr.contains(words), "{misbehavior:?}: {}", output.stderr);
        assert!(output.elapsed < MAX_DELAY);
    }
}

#[test]
fn runner_reports_the_jobs_of_rogues_as_crashed() {
    for misbehavior in [
        Misbehavior::Exits,
        Misbehavior::GarbageOutcomes,
        Misbehavior::HalfThenExits,
        Misbehavior::HugePacket,
    ] {
        let plan = RoguePlan { publishes_job: true, ..RoguePlan::new(misbehavior) };
        let output = runner_with(&plan, &["-w", "1", "--retries", "0"]);
        assert_eq!(output.kinds(), ["crashed"; 3], "{misbehavior:?}");
        assert_eq!(output.code(), 1, "{misbehavior:?}");
        assert!(output.elapsed < MAX_DELAY);
    }
}

#[test]
fn runner_heals_from_one_rogue() {
    // A rogue that cannot decode the jobs sends the right number of outcomes with one too many.
    for misbehavior in without_an_answer().filter(|&misbehavior| misbehavior != Misbehavior::TooManyOutcomes)
    {
        let folder = tempfile::tempdir().unwrap();
        let once = Some(folder.path().join("once"));
        let output = runner_with(&RoguePlan { once, ..RoguePlan::new(misbehavior) }, &["-w", "1"]);
        assert_eq!(output.kinds(), ["ok"; 3], "{misbehavior:?}");
        assert_eq!(output.code(), 0, "{misbehavior:?}");
    }
}
