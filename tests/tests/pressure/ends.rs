//! Futures and handles that end their jobs.

use end_to_end::{
    Case,
    blob::Blob,
    on_pools,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, processes},
};
use pool::{Executor, JobError, future::AbortHandle};

use crate::block_on;

#[test]
fn dropped_guard_kills_a_running_job() {
    let _case = Case::begin();
    let executor = processes(1);
    let barrier = Barrier::new();
    let job = barrier.hold_many(&executor, 1).remove(0);
    drop(job.clone().cancel_on_drop());
    assert!(matches!(job.result_timeout(TIMEOUT), Err(JobError::Cancelled)));
    assert_eq!(executor.submit(Probe::Double(1)).unwrap().result_timeout(TIMEOUT).unwrap(), 2);
    assert_eq!(executor.worker_stats().len(), 2, "the worker was replaced");
    finish(&executor);
}

#[test]
fn dropped_guard_cancels_a_queued_job_and_an_awaited_one_does_not() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let barrier = Barrier::new();
        let held = barrier.hold_many(&executor, 1).remove(0).cancel_on_drop();
        let queued = executor.submit(Probe::Double(1)).unwrap();
        drop(queued.clone().cancel_on_drop());
        assert!(queued.is_cancelled() && !held.is_done());
        let kept = executor.submit(Probe::Double(2)).unwrap().cancel_on_drop().into_inner();
        barrier.release();
        assert_eq!(block_on(held).unwrap(), 0);
        assert_eq!(kept.result_timeout(TIMEOUT).unwrap(), 4);
    });
}

#[test]
fn abort_handles_of_different_jobs_are_of_one_type() {
    let _case = Case::begin();
    let (probes, blobs) = (processes(1), builder::<Blob>(1).build().unwrap());
    let barrier = Barrier::new();
    let held = barrier.hold_many(&probes, 1).remove(0);
    let blob = blobs.submit(Blob::Echo(end_to_end::blob::Bytes::new(10))).unwrap();
    assert!(blob.error_timeout(TIMEOUT).unwrap().is_none());
    let handles: Vec<AbortHandle> = vec![held.abort_handle(), blob.abort_handle()];
    assert_eq!([handles[0].is_finished(), handles[1].is_finished()], [false, true]);
    std::thread::spawn({
        let handles = handles.clone();
        move || handles.iter().for_each(AbortHandle::abort)
    })
    .join()
    .unwrap();
    assert!(matches!(held.result_timeout(TIMEOUT), Err(JobError::Cancelled)));
    assert!(handles[0].is_finished() && blob.error_timeout(TIMEOUT).unwrap().is_none());
    finish(&probes);
    finish(&blobs);
}
