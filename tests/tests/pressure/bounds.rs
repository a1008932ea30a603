//! Bounds on the queue.

use std::{sync::Arc, task::Poll, thread};

use end_to_end::{
    Case,
    blob::{Blob, Bytes},
    probe::{Barrier, Probe, TIMEOUT, breaking, builder, finish, line_count},
};
use pool::{
    Executor,
    error::{SubmitError, TrySubmitError},
    future::{ReturnWhen, wait},
    settings::JobOptions,
};

use crate::{Woken, block_on, bounded_processes, bounded_threads, fill, poll};

fn full_queue_makes_submissions_wait(executor: &dyn Executor<Probe>, max_queued: u64) {
    let barrier = Barrier::new();
    let jobs = fill(executor, &barrier);
    assert_eq!(executor.counts().queued, max_queued);
    let marked = barrier.file("marked");
    let woken = Arc::new(Woken::default());
    let mut withdrawn = executor.submit_async(Probe::Mark(marked.clone()));
    assert!(poll(&mut withdrawn, &woken).is_pending());
    drop(withdrawn);
    let mut waiting = executor.submit_async(Probe::Double(21));
    assert!(poll(&mut waiting, &woken).is_pending());
    assert_eq!(executor.counts().queued, max_queued);
    barrier.release();
    woken.wait();
    let Poll::Ready(Ok(last)) = poll(&mut waiting, &woken) else { panic!("woken without room") };
    assert_eq!(last.result_timeout(TIMEOUT).unwrap(), 42);
    assert!(jobs.iter().all(|job| job.result_timeout(TIMEOUT).is_ok()));
    assert_eq!(line_count(&marked), 0, "a withdrawn job has run");
    finish(executor);
}

#[test]
fn full_queue_makes_submissions_wait_in_both_pools() {
    let _case = Case::begin();
    for max_queued in [1, 3] {
        full_queue_makes_submissions_wait(&bounded_processes(max_queued), max_queued as u64);
        full_queue_makes_submissions_wait(&bounded_threads(max_queued), max_queued as u64);
    }
}

fn blocked_submit_goes_on_when_there_is_room(executor: &dyn Executor<Probe>, max_counted: u64) {
    thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let jobs: Vec<_> = (0..2000).map(|n| executor.submit(Probe::Double(n)).unwrap()).collect();
            jobs.iter().map(|job| job.result_timeout(TIMEOUT).unwrap()).sum::<u64>()
        });
        while !producer.is_finished() {
            let counts = executor.counts();
            assert!(counts.queued <= max_counted, "{counts:?}");
        }
        assert_eq!(producer.join().unwrap(), (0..2000).map(|n| 2 * n).sum::<u64>());
    });
    finish(executor);
}

#[test]
fn blocked_submit_goes_on_when_there_is_room_in_both_pools() {
    let _case = Case::begin();
    for max_queued in [1, 7, 300] {
        blocked_submit_goes_on_when_there_is_room(&bounded_processes(max_queued), max_queued as u64);
        // A thread may put jobs back into the queue.
        blocked_submit_goes_on_when_there_is_room(&bounded_threads(max_queued), u64::MAX);
    }
}

fn waiting_submissions_are_admitted_in_order(executor: &dyn Executor<Probe>) {
    let barrier = Barrier::new();
    let mut jobs = fill(executor, &barrier);
    let woken: [Arc<Woken>; 3] = Default::default();
    let [mut first, mut second, mut third] = [1, 2, 3].map(|n| executor.submit_async(Probe::Double(n)));
    assert!(poll(&mut first, &woken[0]).is_pending());
    assert!(poll(&mut second, &woken[1]).is_pending());
    assert!(poll(&mut third, &woken[2]).is_pending());
    assert!(jobs.pop().unwrap().cancel());
    woken[0].wait();
    assert!(matches!(executor.try_submit(Probe::Double(4)), Err(TrySubmitError::Full(_))), "overtaken");
    let Poll::Ready(Ok(first)) = poll(&mut first, &woken[0]) else { panic!("not admitted") };
    assert!(poll(&mut second, &woken[1]).is_pending() && poll(&mut third, &woken[2]).is_pending());
    drop(second);
    assert!(first.cancel());
    woken[2].wait();
    let Poll::Ready(Ok(third)) = poll(&mut third, &woken[2]) else { panic!("not admitted") };
    barrier.release();
    assert_eq!(third.result_timeout(TIMEOUT).unwrap(), 6);
    finish(executor);
}

#[test]
fn waiting_submissions_are_admitted_in_order_in_both_pools() {
    let _case = Case::begin();
    waiting_submissions_are_admitted_in_order(&bounded_processes(2));
    waiting_submissions_are_admitted_in_order(&bounded_threads(2));
}

fn closing_refuses_waiting_submissions(executor: &dyn Executor<Probe>) {
    let barrier = Barrier::new();
    let _jobs = fill(executor, &barrier);
    thread::scope(|scope| {
        let blocked = scope.spawn(|| executor.submit(Probe::Double(1)).err());
        let woken = Arc::new(Woken::default());
        let mut waiting = executor.submit_async(Probe::Double(1));
        assert!(poll(&mut waiting, &woken).is_pending());
        executor.close();
        woken.wait();
        assert!(matches!(poll(&mut waiting, &woken), Poll::Ready(Err(SubmitError::Closed))));
        assert_eq!(blocked.join().unwrap(), Some(SubmitError::Closed));
        let refused = executor.try_submit(Probe::Double(1));
        assert!(matches!(refused, Err(TrySubmitError::Refused(SubmitError::Closed))), "{refused:?}");
    });
    barrier.release();
    finish(executor);
}

#[test]
fn closing_refuses_waiting_submissions_in_both_pools() {
    let _case = Case::begin();
    closing_refuses_waiting_submissions(&bounded_processes(2));
    closing_refuses_waiting_submissions(&bounded_threads(2));
}

#[test]
fn breaking_refuses_waiting_submissions() {
    let _case = Case::begin();
    let executor =
        builder(1).max_queued(2).on_worker_death(pool::settings::OnWorkerDeath::Break).build().unwrap();
    let barrier = Barrier::new();
    let fatal = executor.submit(Probe::Then(Box::new(barrier.hold()), Box::new(Probe::Abort))).unwrap();
    barrier.wait_for_held(1);
    while executor.try_submit(Probe::Double(1)).is_ok() {}
    let woken = Arc::new(Woken::default());
    let mut waiting = executor.submit_async(Probe::Double(1));
    assert!(poll(&mut waiting, &woken).is_pending());
    barrier.release();
    woken.wait();
    assert!(matches!(poll(&mut waiting, &woken), Poll::Ready(Err(SubmitError::Broken(_)))));
    assert!(fatal.result_timeout(TIMEOUT).is_err());
    finish(&executor);
    drop(breaking(1));
}

#[test]
fn bytes_of_queued_jobs_are_bounded() {
    let _case = Case::begin();
    const SIZE: usize = 100_000;
    let executor = builder::<Blob>(1).max_queued_bytes(1_000_000).build().unwrap();
    let executor = &executor;
    thread::scope(|scope| {
        let blobs = move || (0..100).map(|_| Blob::Echo(Bytes::new(SIZE)));
        let submit = move || blobs().map(|blob| executor.submit(blob).unwrap()).collect::<Vec<_>>();
        let producers = [scope.spawn(submit), scope.spawn(submit)];
        while !producers.iter().all(|producer| producer.is_finished()) {
            let counts = executor.counts();
            assert!(counts.queued * SIZE as u64 <= 1_000_000, "{counts:?}");
        }
        let jobs = producers.into_iter().flat_map(|producer| producer.join().unwrap());
        let waited = wait(jobs, TIMEOUT, ReturnWhen::AllCompleted);
        assert!(
            waited.done.len() == 200
                && waited.done.iter().all(|job| job.error_timeout(TIMEOUT).unwrap().is_none())
        );
    });
    let huge = executor.try_submit(Blob::Echo(Bytes::new(5_000_000))).unwrap();
    assert!(huge.error_timeout(TIMEOUT).unwrap().is_none(), "an empty queue accepts a job of any size");
    finish(executor);
}

#[test]
fn jobs_that_are_submitted_together_are_admitted_together() {
    let _case = Case::begin();
    let executor = bounded_processes(3);
    let barrier = Barrier::new();
    let held = barrier.hold_many(&executor, 1);
    let many = executor.submit_many(vec![Probe::Double(1); 10], JobOptions::new()).unwrap();
    assert_eq!(executor.counts().queued, 10, "an empty queue accepts any number");
    assert!(executor.try_submit(Probe::Double(1)).is_err());
    barrier.release();
    wait(many.into_iter().chain(held), TIMEOUT, ReturnWhen::AllCompleted);
    assert!(executor.try_submit(Probe::Double(1)).is_ok());
    finish(&executor);
}

#[test]
fn unencodable_and_refused_jobs_leave_no_trace_in_the_bound() {
    let _case = Case::begin();
    let executor = bounded_processes(1);
    for _ in 0..10 {
        assert!(executor.submit(Probe::Unencodable(())).unwrap().result_timeout(TIMEOUT).is_err());
        executor.submit_many(vec![Probe::Unencodable(()), Probe::Double(1)], JobOptions::new()).unwrap();
        assert_eq!(
            block_on(executor.submit_async(Probe::Double(2))).unwrap().result_timeout(TIMEOUT).unwrap(),
            4
        );
    }
    let counts = executor.counts();
    assert_eq!((counts.submitted(), counts.failed), (40, 20));
    finish(&executor);
}

#[test]
fn maps_and_submitters_are_counted_but_do_not_wait() {
    let _case = Case::begin();
    fn check(executor: &impl Executor<Probe>) {
        let outputs = executor.map((0..500).map(Probe::Double)).map(Result::unwrap);
        assert!(outputs.eq((0..500).map(|n| 2 * n)));
        executor.join();
    }
    check(&bounded_processes(1));
    check(&bounded_threads(1));
}

#[test]
fn jobs_are_encoded_on_another_thread_in_order_and_within_the_bound() {
    let _case = Case::begin();
    let executor = bounded_processes(1);
    let barrier = Barrier::new();
    let held = fill(&executor, &barrier);
    let log = barrier.file("log");
    let mark = |n| Probe::Shell(format!("echo {n} >> {}", log.display()));
    let submissions: Vec<_> =
        (0..5).map(|n| executor.submit_off_thread(mark(n), JobOptions::new())).collect();
    drop(executor.submit_off_thread(mark(5), JobOptions::new()));
    assert_eq!(executor.counts().submitted(), held.len() as u64, "the queue is full");
    barrier.release();
    for submission in submissions {
        assert_eq!(block_on(submission).unwrap().result_timeout(TIMEOUT).unwrap(), 0);
    }
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "0\n1\n2\n3\n4\n");
    executor.close();
    let late = block_on(executor.submit_off_thread(mark(6), JobOptions::new()));
    assert!(matches!(late, Err(SubmitError::Closed)));
    finish(&executor);
}
