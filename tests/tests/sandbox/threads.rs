//! Workers whose state has started a thread.

use std::path::PathBuf;

use end_to_end::{
    Case,
    hostile::{Attempt, Scene, Threaded},
    probe::{TIMEOUT, finish},
    program,
};
use pool::{Executor, JobError, ProcessPool, settings::Sandbox};

fn pool(sandbox: Sandbox) -> ProcessPool<Threaded> {
    ProcessPool::builder()
        .workers(1)
        .worker_program(program("hostile-worker"))
        .sandbox(sandbox)
        .build()
        .unwrap()
}

fn attempt(pool: &ProcessPool<Threaded>, name: &str) -> Result<Option<i32>, JobError<String>> {
    let scene = Scene { folder: PathBuf::from("/"), sibling: 0, descriptor: -1, port: 1 };
    let job = Threaded(Attempt { name: name.to_owned(), scene });
    pool.submit(job).unwrap().result_timeout(TIMEOUT)
}

#[test]
fn seccomp_restricts_the_thread_and_a_gap_of_landlock_is_reported() {
    let _case = Case::begin();
    let pool = pool(Sandbox::compute());
    assert_eq!(attempt(&pool, "listen by TCP").unwrap(), Some(libc::EPERM));
    let opened = attempt(&pool, "read a system file").unwrap();
    if sys::confinement::landlock_covers_threads() {
        assert_eq!((opened, pool.sandbox_gaps().len()), (Some(libc::EACCES), 0));
    } else {
        // What this kernel cannot restrict.
        assert_eq!(opened, None);
        let gaps = pool.sandbox_gaps();
        assert!(
            gaps.len() == 1 && gaps[0].contains("threads that the worker's state has started (1)"),
            "{gaps:?}"
        );
    }
    finish(&pool);
}

#[test]
fn strict_does_not_start_with_a_gap() {
    let _case = Case::begin();
    let pool = pool(Sandbox::compute().strict());
    let outcome = attempt(&pool, "read a system file");
    if sys::confinement::landlock_covers_threads() {
        assert_eq!(outcome.unwrap(), Some(libc::EACCES));
    } else {
        let Err(JobError::Broken(cause)) = outcome else { panic!("{outcome:?}") };
        assert!(cause.contains("the strict sandbox is not possible: Landlock: "), "{cause}");
    }
    finish(&pool);
}
