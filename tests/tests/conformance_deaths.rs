//! Conformance: workers that die, under both policies, and jobs that are killed. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use end_to_end::{
    Case, held, on_pools,
    probe::{LIMIT, Probe, breaking, finish, processes, until},
    workers::kill_off,
};
use pool::{DeathCause, Executor, JobError, ResultError, SubmitError};

#[test]
fn death_01_killed_while_running_breaks_the_pool() {
    let _case = Case::begin();
    let executor = breaking(1);
    let pid = executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap();
    held!(executor, stage, held);
    let waiting = executor.submit(Probe::Double(1)).unwrap();
    kill_off(pid);
    for job in [&held, &waiting] {
        let Err(ResultError::Failed(JobError::Abandoned(cause))) = job.result(LIMIT) else {
            panic!("not abandoned")
        };
        assert_eq!(&*cause, format!("process {pid} was ended by signal 9"));
        assert_eq!(executor.submit(Probe::Double(1)).err(), Some(SubmitError::Broken(cause)));
    }
    finish(&executor);
}

#[test]
fn death_02_exits_and_crashes_name_the_culprit() {
    let _case = Case::begin();
    let executor = processes(1);
    for (job, cause) in [
        (Probe::Exit(0), DeathCause::Exited(0)),
        (Probe::Exit(7), DeathCause::Exited(7)),
        (Probe::Abort, DeathCause::Signalled(6)),
    ] {
        let result = executor.submit(job).unwrap().result(LIMIT);
        let Err(ResultError::Failed(JobError::Crashed { death, attempts, .. })) = result else {
            panic!("not crashed")
        };
        assert_eq!((death.cause, attempts), (cause, 3));
        assert!(death.pid > 1);
    }
    assert_eq!(executor.submit(Probe::Double(2)).unwrap().result(LIMIT).unwrap(), 4);
    finish(&executor);
}

#[test]
fn death_04_each_abandoned_job_has_an_error_of_its_own() {
    let _case = Case::begin();
    let executor = breaking(2);
    let jobs: Vec<_> = (0..20).map(|_| executor.submit(Probe::Abort).unwrap()).collect();
    for job in &jobs {
        assert!(matches!(job.take(LIMIT), Ok(Err(JobError::Abandoned(_)))));
    }
    finish(&executor);
}

#[test]
fn death_05_killed_while_idle_is_noticed() {
    let _case = Case::begin();
    let healing = processes(1);
    let pid = healing.submit(Probe::Pid).unwrap().result(LIMIT).unwrap();
    kill_off(pid);
    assert_ne!(healing.submit(Probe::Pid).unwrap().result(LIMIT).unwrap(), pid);
    finish(&healing);

    let executor = breaking(1);
    let pid = executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap();
    kill_off(pid);
    until("the pool is broken", || executor.broken().is_some());
    assert!(matches!(executor.submit(Probe::Pid).err(), Some(SubmitError::Broken(_))));
    finish(&executor);
}

#[test]
fn death_16_survivors_are_killed_and_a_fresh_pool_works() {
    let _case = Case::begin();
    let executor = breaking(2);
    held!(executor, stage, held);
    assert!(matches!(
        executor.submit(Probe::Exit(3)).unwrap().result(LIMIT),
        Err(ResultError::Failed(JobError::Abandoned(_)))
    ));
    assert!(matches!(held.result(LIMIT), Err(ResultError::Failed(JobError::Abandoned(_)))));
    finish(&executor);
    drop(stage);
    let fresh = breaking(1);
    assert_eq!(fresh.submit(Probe::Double(1)).unwrap().result(LIMIT).unwrap(), 2);
    finish(&fresh);
}

#[test]
fn death_17_the_default_heals() {
    let _case = Case::begin();
    let executor = processes(2);
    held!(executor, stage, held);
    assert!(executor.submit(Probe::Exit(3)).unwrap().result(LIMIT).is_err());
    assert_eq!(executor.submit(Probe::Double(1)).unwrap().result(LIMIT).unwrap(), 2);
    assert!(held.running());
    stage.release();
    assert_eq!(held.result(LIMIT).unwrap(), 0);
    finish(&executor);
}

#[test]
fn idle_01_workers_start_on_demand_or_when_asked() {
    let _case = Case::begin();
    let executor = processes(3);
    assert_eq!(executor.worker_stats().len(), 0);
    for _ in 0..5 {
        executor.submit(Probe::Double(1)).unwrap().result(LIMIT).unwrap();
    }
    assert_eq!(executor.worker_stats().len(), 1);
    executor.prestart();
    assert_eq!(executor.worker_stats().len(), 3);
    executor.prestart();
    assert_eq!(executor.worker_stats().len(), 3);
    finish(&executor);
}

#[test]
fn tmo_04_killing_a_running_job_cancels_it_and_replaces_its_worker() {
    let _case = Case::begin();
    let executor = processes(1);
    let before = executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap();
    held!(executor, stage, held);
    let waiting = executor.submit(Probe::Double(3)).unwrap();
    assert!(held.kill());
    assert!(matches!(held.result(LIMIT), Err(ResultError::Failed(JobError::Cancelled))));
    assert_eq!(waiting.result(LIMIT).unwrap(), 6);
    assert_ne!(executor.submit(Probe::Pid).unwrap().result(LIMIT).unwrap(), before);
    assert!(held.kill() && !waiting.kill(), "one is cancelled, the other has succeeded");
    stage.release();
    finish(&executor);
}

#[test]
fn tmo_04b_killing_a_waiting_job_cancels_it_and_a_thread_cannot_be_killed() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        held!(executor, stage, held);
        let waiting = executor.submit(Probe::Double(3)).unwrap();
        assert!(waiting.kill() && waiting.cancelled());
        stage.release();
        held.result(LIMIT).unwrap();
    });
    let executor = end_to_end::probe::threads(1);
    held!(executor, stage, held);
    assert!(!held.kill());
    stage.release();
    assert_eq!(held.result(LIMIT).unwrap(), 0);
    finish(&executor);
}
