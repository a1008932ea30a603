//! Conformance: worker deaths under both policies, and killed jobs. Each test name starts with the id of its
//! row.

use end_to_end::{
    Case, block_worker, on_pools,
    probe::{Probe, TIMEOUT, breaking, finish, processes, wait_until},
    workers::kill_and_wait,
};
use pool::{
    Executor, JobError,
    error::{Crashed, DeathCause, SubmitError},
};

#[test]
fn death_01_killed_while_running_breaks_the_pool() {
    let _case = Case::begin();
    let executor = breaking(1);
    let pid = executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap();
    block_worker!(executor, barrier, held);
    let waiting = executor.submit(Probe::Double(1)).unwrap();
    kill_and_wait(pid);
    for job in [&held, &waiting] {
        let Err(JobError::Broken(cause)) = job.result_timeout(TIMEOUT) else { panic!("not abandoned") };
        assert_eq!(&*cause, format!("process {pid} was killed by signal 9 (SIGKILL)"));
        assert_eq!(executor.submit(Probe::Double(1)).err(), Some(SubmitError::Broken(cause)));
    }
    finish(&executor);
}

#[test]
fn death_02_exits_and_crashes_are_blamed_on_the_job() {
    let _case = Case::begin();
    let executor = processes(1);
    for (job, cause) in [
        (Probe::Exit(0), DeathCause::Exited(0)),
        (Probe::Exit(7), DeathCause::Exited(7)),
        (Probe::Abort, DeathCause::Signalled(6)),
    ] {
        let result = executor.submit(job).unwrap().result_timeout(TIMEOUT);
        let Err(JobError::Crashed(details)) = result else { panic!("not crashed") };
        let Crashed { death, attempts, .. } = *details;
        assert_eq!((death.cause, attempts), (cause, 3));
        assert!(death.pid > 1);
    }
    assert_eq!(executor.submit(Probe::Double(2)).unwrap().result_timeout(TIMEOUT).unwrap(), 4);
    finish(&executor);
}

#[test]
fn death_04_each_abandoned_job_has_its_own_error() {
    let _case = Case::begin();
    let executor = breaking(2);
    let jobs: Vec<_> = (0..20).map(|_| executor.submit(Probe::Abort).unwrap()).collect();
    for job in &jobs {
        assert!(matches!(job.join_timeout(TIMEOUT), Err(JobError::Broken(_))));
    }
    finish(&executor);
}

#[test]
fn death_05_a_death_while_idle_is_detected() {
    let _case = Case::begin();
    let healing = processes(1);
    let pid = healing.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap();
    kill_and_wait(pid);
    assert_ne!(healing.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap(), pid);
    finish(&healing);

    let executor = breaking(1);
    let pid = executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap();
    kill_and_wait(pid);
    wait_until("the pool is broken", || executor.broken().is_some());
    assert!(matches!(executor.submit(Probe::Pid).err(), Some(SubmitError::Broken(_))));
    finish(&executor);
}

#[test]
fn death_16_survivors_are_killed_and_a_fresh_pool_works() {
    let _case = Case::begin();
    let executor = breaking(2);
    block_worker!(executor, barrier, held);
    assert!(matches!(
        executor.submit(Probe::Exit(3)).unwrap().result_timeout(TIMEOUT),
        Err(JobError::Broken(_))
    ));
    assert!(matches!(held.result_timeout(TIMEOUT), Err(JobError::Broken(_))));
    finish(&executor);
    drop(barrier);
    let fresh = breaking(1);
    assert_eq!(fresh.submit(Probe::Double(1)).unwrap().result_timeout(TIMEOUT).unwrap(), 2);
    finish(&fresh);
}

#[test]
fn death_17_pools_heal_by_default() {
    let _case = Case::begin();
    let executor = processes(2);
    block_worker!(executor, barrier, held);
    assert!(executor.submit(Probe::Exit(3)).unwrap().result_timeout(TIMEOUT).is_err());
    assert_eq!(executor.submit(Probe::Double(1)).unwrap().result_timeout(TIMEOUT).unwrap(), 2);
    assert!(held.is_running());
    barrier.release();
    assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
    finish(&executor);
}

#[test]
fn idle_01_workers_start_on_demand_or_when_asked() {
    let _case = Case::begin();
    let executor = processes(3);
    assert_eq!(executor.worker_stats().len(), 0);
    for _ in 0..5 {
        executor.submit(Probe::Double(1)).unwrap().result_timeout(TIMEOUT).unwrap();
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
    let before = executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap();
    block_worker!(executor, barrier, held);
    let waiting = executor.submit(Probe::Double(3)).unwrap();
    assert!(held.kill());
    assert!(matches!(held.result_timeout(TIMEOUT), Err(JobError::Cancelled)));
    assert_eq!(waiting.result_timeout(TIMEOUT).unwrap(), 6);
    assert_ne!(executor.submit(Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap(), before);
    assert!(held.kill() && !waiting.kill(), "the first is cancelled, the second has succeeded");
    barrier.release();
    finish(&executor);
}

#[test]
fn tmo_04b_killing_a_waiting_job_cancels_it_and_a_thread_cannot_be_killed() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let waiting = executor.submit(Probe::Double(3)).unwrap();
        assert!(waiting.kill() && waiting.is_cancelled());
        barrier.release();
        held.result_timeout(TIMEOUT).unwrap();
    });
    let executor = end_to_end::probe::threads(1);
    block_worker!(executor, barrier, held);
    assert!(!held.kill());
    barrier.release();
    assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
    finish(&executor);
}
