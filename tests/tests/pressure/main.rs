//! Bounded queues, counts of jobs, encoding on another thread, options of single jobs, and futures that end
//! their jobs.

mod bounds;
mod callbacks;
mod counts;
mod encoding;
mod ends;
mod options;

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use end_to_end::probe::{Barrier, Probe, builder, wait_until};
use pool::{Executor, JobFuture, ProcessPool, ThreadPool, error::TrySubmitError};

/// Pools with one worker and this bound.
fn bounded_processes(max_queued: usize) -> ProcessPool<Probe> {
    builder(1).max_queued(max_queued).build().unwrap()
}

fn bounded_threads(max_queued: usize) -> ThreadPool<Probe> {
    ThreadPool::builder().workers(1).max_queued(max_queued).build()
}

/// Occupies the only worker of a pool, then submits jobs until the queue is full.
fn fill(executor: &dyn Executor<Probe>, barrier: &Barrier) -> Vec<JobFuture<Probe>> {
    let mut jobs = barrier.hold_many(executor, 1);
    loop {
        match executor.try_submit(Probe::Double(1)) {
            Ok(job) => jobs.push(job),
            Err(TrySubmitError::Full(Probe::Double(1))) => return jobs,
            Err(other) => panic!("{other:?}"),
        }
        assert!(jobs.len() < 1000, "the queue has no bound");
    }
}

/// Records that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Woken {
    fn wait(&self) {
        wait_until("the task is woken", || self.0.load(Ordering::SeqCst));
    }
}

/// Polls a future once.
fn poll<F: Future + Unpin>(future: &mut F, woken: &Arc<Woken>) -> Poll<F::Output> {
    let waker = Waker::from(woken.clone());
    pin!(future).poll(&mut Context::from_waker(&waker))
}

/// Polls a future until it is ready.
fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    loop {
        let woken = Arc::new(Woken::default());
        match poll(&mut future, &woken) {
            Poll::Ready(output) => return output,
            Poll::Pending => woken.wait(),
        }
    }
}
