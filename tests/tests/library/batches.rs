//! Distribution of batches over workers.

use end_to_end::{
    Case,
    probe::{Probe, finish, processes},
};
use pool::Executor;

#[test]
fn underestimated_batch_is_rebalanced() {
    let _case = Case::begin();
    let pool = processes(2);
    // After many short jobs, forty jobs are expected to fit into one batch.
    assert_eq!(pool.map((0..50_000).map(Probe::Double)).filter_map(Result::ok).count(), 50_000);
    let jobs = || pool.worker_stats().iter().map(|worker| worker.jobs).collect::<Vec<_>>();
    let before = jobs();
    assert_eq!(
        pool.map((0..40).map(|_| Probe::Shell("sleep 0.02".to_owned()))).filter_map(Result::ok).count(),
        40
    );
    let shares: Vec<u64> = jobs().iter().zip(before).map(|(after, before)| after - before).collect();
    assert!(shares.iter().all(|&share| share >= 10), "uneven shares: {shares:?}");
    finish(&pool);
}
