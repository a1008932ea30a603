//! Submissions by callbacks and sinks, which must not wait for room.

use std::sync::{Arc, mpsc};

use end_to_end::{
    Case,
    probe::{Probe, TIMEOUT, finish},
};
use parking_lot::Mutex;
use pool::{
    Executor, JobFuture,
    settings::JobOptions,
    stream::{Resolved, Sink},
};

use crate::{bounded_processes, bounded_threads};

/// Submits further jobs when an outcome arrives, until there have been `left` of them.
struct Chain {
    executor: Arc<dyn Executor<Probe>>,
    left: Mutex<u32>,
    submitted: mpsc::Sender<JobFuture<Probe>>,
}

impl Chain {
    fn submit_more(self: &Arc<Self>) {
        for _ in 0..3 {
            let mut left = self.left.lock();
            if *left == 0 {
                return;
            }
            *left -= 1;
            drop(left);
            let job = self.executor.submit(Probe::Double(4)).unwrap();
            let chain = self.clone();
            job.on_done(move |_| chain.submit_more());
            self.submitted.send(job).unwrap();
        }
    }
}

struct ChainSink(Arc<Chain>);

impl Sink<Probe> for ChainSink {
    fn resolve(&self, _: Vec<Resolved<Probe>>) {
        self.0.submit_more();
    }
}

fn callbacks_submit_over_the_bound(executor: &Arc<dyn Executor<Probe>>) {
    let (sender, receiver) = mpsc::channel();
    let chain = Arc::new(Chain { executor: executor.clone(), left: Mutex::new(200), submitted: sender });
    let mut submitter = executor.submitter(Arc::new(ChainSink(chain.clone())));
    submitter.push(0, Probe::Double(1), JobOptions::new());
    drop((submitter, chain));
    let mut count = 0;
    // The waiting thread may run callbacks itself.
    while count < 200 {
        let job = receiver.recv_timeout(TIMEOUT).unwrap();
        assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 8);
        count += 1;
    }
    finish(&**executor);
}

#[test]
fn callbacks_submit_over_the_bound_in_both_pools() {
    let _case = Case::begin();
    let processes: Arc<dyn Executor<Probe>> = Arc::new(bounded_processes(1));
    callbacks_submit_over_the_bound(&processes);
    let threads: Arc<dyn Executor<Probe>> = Arc::new(bounded_threads(1));
    callbacks_submit_over_the_bound(&threads);
}
