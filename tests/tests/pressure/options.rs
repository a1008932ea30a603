//! Options of single jobs.

use std::sync::Arc;

use end_to_end::{
    Case,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, line_count, processes, threads},
};
use parking_lot::Mutex;
use pool::{
    Executor, JobError,
    metrics::{JobId, Observer, PoolEvent},
    settings::JobOptions,
};

#[test]
fn retries_of_a_job_override_those_of_the_pool() {
    let _case = Case::begin();
    for (of_pool, of_job, expected) in [(2, Some(0), 1), (0, Some(2), 3), (1, None, 2)] {
        let executor = builder(1).retries(of_pool).build().unwrap();
        let options = of_job.map_or(JobOptions::new(), |retries| JobOptions::new().retries(retries));
        let barrier = Barrier::new();
        let starts = barrier.file("starts");
        let job = Probe::Then(Box::new(Probe::Mark(starts.clone())), Box::new(Probe::Abort));
        let job = executor.submit_with(job, options).unwrap();
        let Err(JobError::Crashed(crash)) = job.result_timeout(TIMEOUT) else { panic!("not crashed") };
        assert_eq!((crash.attempts, line_count(&starts)), (expected, expected as usize));
        finish(&executor);
    }
}

/// A job with a process that holds 200 MB until a file exists.
fn uses_memory(barrier: &Barrier) -> Probe {
    let release = barrier.file("release");
    let wait = format!("while [ ! -e {} ]; do sleep 0.01; done", release.display());
    Probe::Shell(format!(
        "(head -c 200000000 /dev/zero; touch {}; {wait}) | tail -c 200000000 >/dev/null",
        barrier.file("full").display()
    ))
}

#[test]
fn job_over_its_own_memory_limit_fails_and_others_do_not() {
    let _case = Case::begin();
    let executor = processes(1);
    let barrier = Barrier::new();
    let limited = JobOptions::new().max_rss(100 << 20);
    let job = executor.submit_with(uses_memory(&barrier), limited).unwrap();
    let result = job.result_timeout(TIMEOUT);
    assert!(matches!(&result, Err(JobError::OutOfMemory(memory)) if memory.attempts == 1), "{result:?}");
    let barrier = Barrier::new();
    let unlimited = executor.submit(uses_memory(&barrier)).unwrap();
    let small = executor.submit_with(Probe::Double(4), limited).unwrap();
    end_to_end::probe::wait_until("the memory is used", || barrier.file("full").exists());
    barrier.release();
    assert_eq!((unlimited.result_timeout(TIMEOUT).unwrap(), small.result_timeout(TIMEOUT).unwrap()), (0, 8));
    finish(&executor);
    let threads = threads(1);
    let unsupported = threads.submit_with(Probe::Double(1), limited).unwrap().result_timeout(TIMEOUT);
    assert!(matches!(unsupported, Err(JobError::Unsupported(_))), "{unsupported:?}");
    finish(&threads);
}

/// Records the jobs of the batches that were sent: their numbers and their ids.
#[derive(Default)]
struct SentJobs(Mutex<Vec<(u64, u64)>>);

impl Observer for SentJobs {
    fn on_event(&self, event: &PoolEvent) {
        if let PoolEvent::BatchSent { jobs, ids, .. } = event {
            let numbers = jobs.iter().cloned().flatten();
            self.0.lock().extend(numbers.zip(ids.iter().cloned().flatten()));
        }
    }
}

#[test]
fn observers_recognize_jobs_by_tag_and_id() {
    let _case = Case::begin();
    let sent = Arc::new(SentJobs::default());
    let executor = builder(1).observer(sent.clone()).build().unwrap();
    let barrier = Barrier::new();
    let mut jobs = barrier.hold_many(&executor, 1);
    for tag in [0, 70, 71, 0, 90] {
        jobs.push(executor.submit_with(Probe::Double(tag), JobOptions::new().tag(tag)).unwrap());
    }
    let ids: Vec<u64> = jobs.iter().map(|job| job.id().unwrap().0).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
    barrier.release();
    assert!(jobs.iter().all(|job| job.result_timeout(TIMEOUT).is_ok() && job.id() == job.clone().id()));
    assert_eq!(jobs.iter().map(|job| job.tag()).collect::<Vec<_>>(), [0, 0, 70, 71, 0, 90]);
    assert_eq!(jobs[5].id(), Some(JobId(5)));
    let unencodable = executor.submit(Probe::Unencodable(())).unwrap();
    assert_eq!(unencodable.id(), None);
    finish(&executor);
    assert_eq!(*sent.0.lock(), [(0, 0), (1, 1), (70, 2), (71, 3), (4, 4), (90, 5)]);
}
