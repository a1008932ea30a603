//! Counts of jobs by state.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use end_to_end::{
    Case, on_all, on_pools,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, probe_error, processes},
};
use pool::{
    Executor,
    settings::JobOptions,
    stream::{Resolved, Sink},
};

struct Ignore;

impl Sink<Probe> for Ignore {
    fn resolve(&self, _: Vec<Resolved<Probe>>) {}
}

#[test]
fn each_job_is_counted_in_one_state() {
    let _case = Case::begin();
    on_all!(|executor| {
        let jobs = [Probe::Double(1), Probe::Fail(probe_error(1, "counted")), Probe::Panic("counted".into())];
        let jobs = jobs.map(|job| executor.submit(job).unwrap());
        assert_eq!(executor.counts().submitted(), 3);
        jobs.iter().for_each(|job| drop(job.result_timeout(TIMEOUT)));
        let counts = executor.counts();
        assert_eq!((counts.succeeded, counts.failed, counts.ended()), (1, 2, 3), "{counts:?}");
        assert_eq!(executor.map((0..50).map(Probe::Double)).filter_map(Result::ok).count(), 50);
        assert_eq!((executor.counts().succeeded, executor.counts().ended()), (51, 53));
    });
    on_pools!(1, |executor| {
        let barrier = Barrier::new();
        let held = barrier.hold_many(&executor, 1);
        let queued = executor.submit(Probe::Double(1)).unwrap();
        let counts = executor.counts();
        assert_eq!((counts.queued, counts.running, counts.submitted()), (1, 1, 2));
        assert!(queued.cancel());
        let mut submitter = executor.submitter(Arc::new(Ignore));
        (0..20).for_each(|n| submitter.push(n, Probe::Double(n), JobOptions::new()));
        submitter.cancel_waiting();
        let counts = executor.counts();
        assert_eq!((counts.queued, counts.running, counts.cancelled), (0, 1, 21));
        barrier.release();
        held[0].result_timeout(TIMEOUT).unwrap();
        assert_eq!(executor.counts().succeeded, 1);
        drop(submitter);
    });
}

#[test]
fn retries_are_counted() {
    let _case = Case::begin();
    let executor = builder(1).retries(2).build().unwrap();
    assert!(executor.submit(Probe::Exit(3)).unwrap().result_timeout(TIMEOUT).is_err());
    let counts = executor.counts();
    assert_eq!((counts.retried, counts.failed, counts.submitted()), (2, 1, 1));
    finish(&executor);
}

/// Numbers of submissions that have begun and returned.
#[derive(Default)]
struct Progress {
    begun: AtomicU64,
    returned: AtomicU64,
}

impl Progress {
    fn count(&self, jobs: u64, submit: impl FnOnce()) {
        self.begun.fetch_add(jobs, Ordering::SeqCst);
        submit();
        self.returned.fetch_add(jobs, Ordering::SeqCst);
    }
}

fn sums_are_exact_at_each_reading(executor: &dyn Executor<Probe>) {
    let (progress, is_done) = (Progress::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut readings = 0;
            while !is_done.load(Ordering::SeqCst) {
                let returned = progress.returned.load(Ordering::SeqCst);
                let counts = executor.counts();
                let begun = progress.begun.load(Ordering::SeqCst);
                assert!((returned..=begun).contains(&counts.submitted()), "{returned} {counts:?} {begun}");
                readings += 1;
            }
            readings
        });
        let submitters: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for n in 0..2000 {
                        progress.count(1, || match n % 7 {
                            0 => drop(executor.submit(Probe::Fail(probe_error(1, "counted"))).unwrap()),
                            1 => drop(executor.submit(Probe::Unencodable(())).unwrap()),
                            2 => drop(executor.submit(Probe::Double(n)).unwrap().cancel()),
                            _ => drop(executor.submit(Probe::Double(n)).unwrap()),
                        });
                    }
                })
            })
            .collect();
        for round in 0..100 {
            progress.count(20, || {
                let mut submitter = executor.submitter(Arc::new(Ignore));
                (0..20).for_each(|n| submitter.push(n, Probe::Double(n), JobOptions::new()));
                if round % 10 == 0 {
                    submitter.cancel_waiting();
                }
            });
        }
        submitters.into_iter().for_each(|submitter| submitter.join().unwrap());
        executor.close();
        executor.join();
        is_done.store(true, Ordering::SeqCst);
        assert!(reader.join().unwrap() > 0);
    });
    let counts = executor.counts();
    assert_eq!((counts.queued, counts.running, counts.ended()), (0, 0, 8000), "{counts:?}");
    assert!(counts.failed >= 3 * 285 && counts.succeeded > 0, "{counts:?}");
}

#[test]
fn sums_are_exact_at_each_reading_of_all_executors() {
    let _case = Case::begin();
    sums_are_exact_at_each_reading(&processes(2));
    sums_are_exact_at_each_reading(&builder::<Probe>(2).max_queued(50).build().unwrap());
    sums_are_exact_at_each_reading(&end_to_end::probe::threads(2));
    sums_are_exact_at_each_reading(&end_to_end::probe::serial());
}
