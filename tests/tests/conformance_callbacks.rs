//! Conformance: callbacks of futures. Each test name starts with the id of its row.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use end_to_end::{
    Case, block_worker, on_all, on_pools,
    probe::{Barrier, Probe, TIMEOUT, finish, probe_error, processes, threads, wait_until},
};
use pool::{Executor, JobError, error::SubmitError, settings::JobOptions};

#[test]
fn cb_01a_a_callback_runs_once_on_success() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let (sender, receiver) = channel();
        held.on_done(move |job| sender.send(job.result_timeout(Duration::ZERO).ok()).unwrap());
        barrier.release();
        assert_eq!(receiver.recv_timeout(TIMEOUT).unwrap(), Some(0));
        executor.join();
        assert!(receiver.try_recv().is_err(), "called twice");
    });
}

#[test]
fn cb_01b_a_callback_runs_once_on_error_timeout_and_death() {
    let _case = Case::begin();
    let executor = processes(2);
    let barrier = Barrier::new();
    let (sender, receiver) = channel();
    let limit = JobOptions::new().time_limit(Duration::from_millis(50));
    let jobs = [
        executor.submit(Probe::Fail(probe_error(1, ""))).unwrap(),
        executor.submit_with(barrier.hold(), limit).unwrap(),
        executor.submit(Probe::Exit(3)).unwrap(),
    ];
    for (index, job) in jobs.iter().enumerate() {
        let sender = sender.clone();
        job.on_done(move |job| {
            let kind = match job.error_timeout(Duration::ZERO).unwrap().unwrap() {
                JobError::Failed(_) => "error",
                JobError::TimedOut(_) => "time-out",
                JobError::Crashed(_) => "death",
                _ => "something else",
            };
            sender.send((index, kind)).unwrap();
        });
    }
    let mut endings = [(); 3].map(|()| receiver.recv_timeout(TIMEOUT).unwrap());
    endings.sort_unstable();
    assert_eq!(endings, [(0, "error"), (1, "time-out"), (2, "death")]);
    finish(&executor);
    assert!(receiver.try_recv().is_err(), "called twice");
}

#[test]
fn cb_01c_a_callback_runs_once_on_cancellation() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, _held);
        let (sender, receiver) = channel();
        let job = executor.submit(Probe::Double(1)).unwrap();
        job.on_done(move |job| sender.send(job.is_cancelled()).unwrap());
        assert!(job.cancel() && job.cancel());
        assert!(receiver.recv_timeout(TIMEOUT).unwrap());
        barrier.release();
        executor.join();
        assert!(receiver.try_recv().is_err(), "called twice");
    });
}

#[test]
fn cb_02_a_late_callback_runs_immediately_on_the_adding_thread() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Double(3)).unwrap();
        job.result_timeout(TIMEOUT).unwrap();
        let (sender, receiver) = channel();
        job.on_done(move |_| sender.send(thread::current().id()).unwrap());
        assert_eq!(receiver.try_recv().unwrap(), thread::current().id());
    });
}

#[test]
fn cb_03a_other_callbacks_run_after_a_panicking_one() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let (sender, receiver) = channel();
        held.on_done(|_| panic!("a callback's panic, on purpose"));
        held.on_done(move |_| sender.send(()).unwrap());
        barrier.release();
        receiver.recv_timeout(TIMEOUT).unwrap();
        assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
    });
}

#[test]
fn cb_03b_a_panic_at_registration_is_caught() {
    let _case = Case::begin();
    on_all!(|executor| {
        let job = executor.submit(Probe::Double(3)).unwrap();
        job.result_timeout(TIMEOUT).unwrap();
        job.on_done(|_| panic!("a callback's panic, on purpose"));
        assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 6);
    });
}

#[test]
fn cb_03c_a_panicking_callback_does_not_affect_the_pool() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        for n in 0..20 {
            let job = executor.submit(Probe::Double(n)).unwrap();
            job.on_done(|_| panic!("a callback's panic, on purpose"));
            assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 2 * n);
        }
    });
}

#[test]
fn cb_04a_callbacks_can_submit_jobs() {
    let _case = Case::begin();
    fn step(executor: &Arc<dyn Executor<Probe>>, left: usize, done: &Arc<AtomicUsize>) {
        let (again, done) = (executor.clone(), done.clone());
        executor.submit(Probe::Double(1)).unwrap().on_done(move |_| {
            done.fetch_add(1, Ordering::Relaxed);
            if left > 1 {
                step(&again, left - 1, &done);
            }
        });
    }
    let executor: Arc<dyn Executor<Probe>> = Arc::new(processes(2));
    let done = Arc::new(AtomicUsize::new(0));
    (0..4).for_each(|_| step(&executor, 200, &done));
    wait_until("four chains of 200 jobs have completed", || done.load(Ordering::Relaxed) == 800);
    finish(&*executor);
}

#[test]
fn cb_04b_a_callback_can_submit_an_unencodable_job() {
    let _case = Case::begin();
    let executor = Arc::new(processes(1));
    let (sender, receiver) = channel();
    let again = executor.clone();
    executor.submit(Probe::Double(1)).unwrap().on_done(move |_| {
        sender.send(again.submit(Probe::Unencodable(())).unwrap()).unwrap();
    });
    let bad = receiver.recv_timeout(TIMEOUT).unwrap();
    let Err(JobError::Codec(message)) = bad.result_timeout(TIMEOUT) else { panic!("not a codec error") };
    assert!(message.contains("cannot be encoded"), "{message}");
    finish(&*executor);
}

#[test]
fn cb_05_a_pool_can_be_closed_from_a_callback() {
    let _case = Case::begin();
    let executor = Arc::new(processes(1));
    let (sender, receiver) = channel();
    let again = executor.clone();
    executor.submit(Probe::Double(1)).unwrap().on_done(move |_| {
        again.close();
        sender.send(again.submit(Probe::Double(1)).err()).unwrap();
    });
    assert_eq!(receiver.recv_timeout(TIMEOUT).unwrap(), Some(SubmitError::Closed));
    finish(&*executor);
}

#[test]
fn cb_05b_a_waiting_shutdown_in_a_callback_does_not_deadlock() {
    let _case = Case::begin();
    let executors: [Arc<dyn Executor<Probe>>; 2] = [Arc::new(processes(1)), Arc::new(threads(1))];
    for executor in executors {
        block_worker!(executor, barrier, held);
        let (sender, receiver) = channel();
        let again = executor.clone();
        held.on_done(move |_| {
            again.join();
            sender.send(again.submit(Probe::Double(1)).err()).unwrap();
        });
        barrier.release();
        assert_eq!(receiver.recv_timeout(TIMEOUT).unwrap(), Some(SubmitError::Closed));
        finish(&*executor);
    }
}
