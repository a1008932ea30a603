//! Pools behave identically with rings in shared memory and with sockets.

use end_to_end::{
    Case,
    fault::Fault,
    probe::{Probe, TIMEOUT, builder, finish},
    runner,
};
use pool::{Executor, JobError, settings::Transport};

const BOTH: [Transport; 2] = [Transport::Rings, Transport::Channel];

#[test]
fn jobs_are_transferred_and_outcomes_survive_their_worker() {
    let _case = Case::begin();
    for transport in BOTH {
        let pool = builder::<Probe>(2).transport(transport).retries(0).build().unwrap();
        let doubled: Vec<u64> = pool.map((0..50_000).map(Probe::Double)).map(Result::unwrap).collect();
        assert!(doubled.iter().copied().eq((0..50_000).map(|n| n * 2)), "{transport}");
        // In one batch, so that the first outcomes exist and are not sent when the worker exits.
        let jobs = vec![Probe::Double(1), Probe::Double(2), Probe::Exit(3), Probe::Double(4)];
        let jobs = pool.submit_many(jobs, pool::settings::JobOptions::default()).unwrap();
        let outcomes: Vec<_> = jobs.iter().map(|job| job.result_timeout(TIMEOUT)).collect();
        assert!(matches!(outcomes[2], Err(JobError::Crashed(_))), "{transport}");
        let doubled = [0, 1, 3].map(|place| *outcomes[place].as_ref().unwrap());
        assert_eq!(doubled, [2, 4, 8], "{transport}");
        finish(&pool);
    }
}

#[test]
fn forked_worker_does_not_become_a_second_worker() {
    let _case = Case::begin();
    for transport in BOTH {
        let pool = builder::<Probe>(1).transport(transport).build().unwrap();
        for n in 0..10 {
            let fork = pool.submit(Probe::Fault(Fault::ForkAndReturn)).unwrap();
            assert_eq!(fork.result_timeout(TIMEOUT).unwrap(), 0, "{transport}");
            assert_eq!(
                pool.submit(Probe::Double(n)).unwrap().result_timeout(TIMEOUT).unwrap(),
                2 * n,
                "{transport}"
            );
        }
        assert_eq!(pool.worker_stats().len(), 1, "{transport}: the worker was replaced");
        finish(&pool);
    }
}

#[test]
fn falls_back_to_the_channel_and_reports_it_with_verbose() {
    let jobs: String =
        (1..3000).map(|n| format!("{{\"op\":\"gcd\",\"a\":{n}{n},\"b\":{}}}\n", 3 * n)).collect();
    let usual = runner(["-w", "2", "-v", "--transport", "rings"]).stdin(jobs.as_str()).run();
    assert!(!usual.stderr.contains("sockets"), "{}", usual.stderr);
    let limited =
        runner(["-w", "2", "-v", "--transport", "rings"]).file_size(100 << 10).stdin(jobs.as_str()).run();
    assert_eq!(limited.code(), 0, "{}", limited.stderr);
    assert_eq!(&limited.stdout, &usual.stdout, "{}", limited.stderr);
    assert!(limited.stderr.contains("using sockets instead of shared memory"), "{}", limited.stderr);
    assert!(limited.stderr.contains("ftruncate failed: File too large"), "{}", limited.stderr);
    let quiet = runner(["-w", "2", "--transport", "rings"]).file_size(100 << 10).stdin(jobs.as_str()).run();
    assert!(!quiet.stderr.contains("sockets"), "{}", quiet.stderr);
}

#[test]
fn program_prints_the_same_bytes() {
    let jobs: String = (1..3000)
        .map(|n| format!("{{\"op\":\"gcd\",\"a\":{n}{n}{n},\"b\":{}}}\n", 3 * n))
        .chain((0..5).map(|n| format!("{{\"op\":\"prime_factors\",\"n\":{}}}\n", "123456789".repeat(n + 1))))
        .chain([format!("{{\"op\":\"gcd\",\"a\":{0},\"b\":{0}}}\n", "7".repeat(300_000))])
        .collect();
    let outputs =
        ["rings", "channel"].map(|name| runner(["-w", "2", "--transport", name]).stdin(jobs.as_str()).run());
    assert_eq!(outputs[0].stdout, outputs[1].stdout);
    let by_variable =
        runner(["-w", "2"]).with(|c| c.env("RUNNER_TRANSPORT", "channel")).stdin(jobs.as_str()).run();
    assert_eq!(by_variable.code(), 0);
    assert_eq!(by_variable.stdout, outputs[0].stdout.clone());
    let unknown = runner(["--transport", "pigeon"]).stdin("").run();
    assert_eq!(unknown.code(), 2);
    assert!(unknown.stderr.contains("[possible values: rings, channel]"), "{}", unknown.stderr);
}
