//! Pools behave identically with every codec.

use std::path::PathBuf;

use end_to_end::{
    Case,
    probe::{Probe, TIMEOUT, builder, finish, probe_error},
};
use pool::{Executor, JobError, ProcessPool, settings::CodecKind};

fn failure(pool: &ProcessPool<Probe>, job: Probe) -> JobError<end_to_end::probe::ProbeError> {
    match pool.submit(job).unwrap().result_timeout(TIMEOUT) {
        Err(failure) => failure,
        other => panic!("not a failure: {other:?}"),
    }
}

#[test]
fn jobs_errors_panics_and_deaths_are_transferred() {
    let _case = Case::begin();
    assert_eq!(CodecKind::ALL.len(), 6);
    for &codec in CodecKind::ALL {
        let pool = builder::<Probe>(2).codec(codec).retries(0).build().unwrap();
        let doubled: Vec<u64> = pool.map((0..2000).map(Probe::Double)).map(Result::unwrap).collect();
        assert!(doubled.iter().copied().eq((0..2000).map(|n| n * 2)), "{codec}");
        let large = pool.submit(Probe::Double(u64::MAX / 2)).unwrap().result_timeout(TIMEOUT);
        assert_eq!(large.unwrap(), u64::MAX - 1, "{codec}");
        let both = Probe::Then(Box::new(Probe::Double(1)), Box::new(Probe::Double(2)));
        assert_eq!(pool.submit(both).unwrap().result_timeout(TIMEOUT).unwrap(), 4, "{codec}");

        let words = "\u{e4} \"quoted\" \0";
        let JobError::Failed(error) = failure(&pool, Probe::Fail(probe_error(-7, words))) else {
            panic!("{codec}")
        };
        assert_eq!(error, probe_error(-7, words), "{codec}");
        let JobError::Panicked(panic) = failure(&pool, Probe::Panic(words.into())) else { panic!("{codec}") };
        assert_eq!(panic.message, words, "{codec}");
        assert!(
            matches!(failure(&pool, Probe::Exit(3)), JobError::Crashed(crash) if crash.attempts == 1),
            "{codec}"
        );
        finish(&pool);
    }
}

#[test]
fn unencodable_job_fails_alone() {
    let _case = Case::begin();
    for &codec in CodecKind::ALL {
        let pool = builder::<Probe>(1).codec(codec).build().unwrap();
        let refused = failure(&pool, Probe::Unencodable(()));
        assert!(
            matches!(&refused, JobError::Codec(why) if why.contains("this cannot be encoded")),
            "{codec}: {refused}"
        );
        let chain = |length| {
            (0..length).fold(Probe::Double(1), |inner, _| {
                Probe::Then(Box::new(Probe::Mark(PathBuf::from("/dev/null"))), Box::new(inner))
            })
        };
        assert_eq!(pool.submit(chain(20)).unwrap().result_timeout(TIMEOUT).unwrap(), 2, "{codec}");
        if codec != CodecKind::Bincode {
            let refused = failure(&pool, chain(2000));
            assert!(matches!(refused, JobError::Codec(_)), "{codec}: {refused}");
        }
        assert_eq!(pool.submit(Probe::Double(4)).unwrap().result_timeout(TIMEOUT).unwrap(), 8, "{codec}");
        finish(&pool);
    }
}
