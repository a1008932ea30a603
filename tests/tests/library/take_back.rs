//! Jobs that a worker has been sent do not wait for the one that it is in while another worker has nothing to do.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use end_to_end::{
    Case,
    counter::Counter,
    probe::{LIMIT, Probe, Stage, builder, finish},
};
use pool::{Executor, JobOptions, Transport};

#[test]
fn short_jobs_behind_a_long_one_in_a_batch_are_run_by_an_idle_worker() {
    let _case = Case::begin();
    for transport in [Transport::Rings, Transport::Channel] {
        for round in 0..10 {
            let pool = builder::<Probe>(2).transport(transport).build().unwrap();
            // From now on batches are large.
            assert_eq!(pool.map((0..50_000).map(Probe::Double)).into_iter().flatten().count(), 50_000);
            let (stage, counter) = (Stage::new(), Arc::new(Counter::default()));
            let held = pool.submit(stage.hold()).unwrap();
            let mut submitter = pool.submitter(counter.clone());
            (0..3000).for_each(|n| submitter.push(n, Probe::Double(n), JobOptions::default()));
            submitter.flush();
            counter.until(3000);
            assert!(!held.done(), "{transport}, round {round}");
            stage.release();
            held.result(LIMIT).unwrap();
            finish(&pool);
        }
    }
}
