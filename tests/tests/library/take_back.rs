//! Jobs that were sent to a worker do not wait for its running job while another worker is idle.

use std::sync::Arc;

use end_to_end::{
    Case,
    counter::Counter,
    probe::{Barrier, Probe, TIMEOUT, builder, finish},
};
use pool::{
    Executor,
    settings::{JobOptions, Transport},
};

#[test]
fn short_jobs_behind_a_long_one_move_to_an_idle_worker() {
    let _case = Case::begin();
    for transport in [Transport::Rings, Transport::Channel] {
        for round in 0..10 {
            let pool = builder::<Probe>(2).transport(transport).build().unwrap();
            // After these, batches are large.
            assert_eq!(pool.map((0..50_000).map(Probe::Double)).filter_map(Result::ok).count(), 50_000);
            let (barrier, counter) = (Barrier::new(), Arc::new(Counter::default()));
            let held = pool.submit(barrier.hold()).unwrap();
            let mut submitter = pool.submitter(counter.clone());
            (0..3000).for_each(|n| submitter.push(n, Probe::Double(n), JobOptions::default()));
            submitter.flush();
            counter.wait_for(3000);
            assert!(!held.is_done(), "{transport}, round {round}");
            barrier.release();
            held.result_timeout(TIMEOUT).unwrap();
            finish(&pool);
        }
    }
}
