//! What jobs need works in the sandbox.

use end_to_end::{
    Case,
    fault::Fault,
    large_data::{Large, sum},
    probe::{Probe, TIMEOUT, builder, finish},
    program, runner,
};
use pool::{
    Executor, JobError, ProcessPool,
    data::{Blob, Shared},
    error::DeathCause,
    settings::{CodecKind, Sandbox, Transport},
};

const LEVELS: [&str; 2] = ["best-effort", "strict"];
const TRANSPORTS: [Transport; 2] = [Transport::Rings, Transport::Channel];

fn sandboxes() -> [Sandbox; 2] {
    [Sandbox::compute(), Sandbox::compute().strict()]
}

/// Jobs of all ops, by both methods, with short and long numbers.
const JOBS: &str = "{\"op\":\"gcd\",\"a\":12,\"b\":18}
{\"op\":\"gcd\",\"values\":[12,18,-4]}
{\"op\":\"gcd\",\"a\":1234567,\"b\":7654321,\"method\":\"trial\"}
{\"op\":\"factorize\",\"n\":360}
{\"op\":\"factorize\",\"n\":3600,\"method\":\"trial\"}
{\"op\":\"prime_factors\",\"n\":18446744065119617029}
{\"op\":\"prime_factors\",\"n\":1000000000000000000000000000000000000000000000000000000000057}
{\"op\":\"sum\",\"n\":100000000000000000000000000000000000000}
{\"op\":\"sum\",\"n\":1000,\"method\":\"trial\"}
{\"op\":\"sleep\",\"seconds\":0.01}
{\"op\":\"command\",\"argv\":[\"true\"]}
{\"op\":\"nothing\"}
";

#[test]
fn all_ops_give_the_same_results_with_all_codecs_and_transports() {
    let reference = runner(["-w", "1", "--sandbox", "off"]).stdin(JOBS).run();
    assert_eq!(reference.code(), 1, "{}", reference.stderr);
    for level in LEVELS {
        for transport in ["rings", "channel"] {
            for codec in CodecKind::ALL {
                let arguments =
                    ["-w", "2", "--sandbox", level, "--transport", transport, "--codec", codec.name()];
                let output = runner(arguments).stdin(JOBS).run();
                assert_eq!(output.text(), reference.text(), "{arguments:?}: {}", output.stderr);
            }
        }
    }
}

#[test]
fn large_jobs_and_results_work() {
    let number = "7".repeat(900_000);
    let jobs =
        format!("{{\"op\":\"sum\",\"n\":{number}}}\n{{\"op\":\"gcd\",\"a\":{number},\"b\":{number}}}\n");
    let reference = runner(["-w", "1", "--sandbox", "off"]).stdin(jobs.as_str()).run();
    for level in LEVELS {
        for transport in ["rings", "channel"] {
            let output =
                runner(["-w", "1", "--sandbox", level, "--transport", transport]).stdin(jobs.as_str()).run();
            assert_eq!(output.code(), 0, "{level}, {transport}: {}", output.stderr);
            assert!(output.stdout == reference.stdout, "{level}, {transport}");
        }
    }
}

#[test]
fn the_worker_of_its_own_program_works() {
    let worker = program("worker").display().to_string();
    for level in LEVELS {
        let output = runner(["-w", "1", "--sandbox", level, "--worker-bin", &worker]).stdin(JOBS).run();
        assert_eq!(output.records().len(), 12, "{}", output.stderr);
    }
}

#[test]
fn panics_have_backtraces_with_names() {
    let _case = Case::begin();
    for (sandbox, transport) in sandboxes().into_iter().zip(TRANSPORTS) {
        let pool =
            builder::<Probe>(1).sandbox(sandbox.clone()).transport(transport).env("RUST_BACKTRACE", "1");
        let pool = pool.build().unwrap();
        for _ in 0..2 {
            let outcome = pool.submit(Probe::Panic("oh".into())).unwrap().result_timeout(TIMEOUT);
            let Err(JobError::Panicked(panic)) = outcome else { panic!("{sandbox:?}: {outcome:?}") };
            assert_eq!(panic.message, "oh");
            let backtrace = panic.backtrace.as_deref().unwrap_or_default();
            assert!(backtrace.contains("probe::Probe"), "{sandbox:?}: {backtrace}");
        }
        assert_eq!(pool.worker_stats().len(), 1, "the worker lives on");
        finish(&pool);
    }
}

/// Returns the cause of the worker's death in a job.
fn death(sandbox: &Sandbox, transport: Transport, job: &Probe) -> DeathCause {
    let builder = builder::<Probe>(1).retries(0).sandbox(sandbox.clone()).transport(transport);
    let pool = builder.build().unwrap();
    let outcome = pool.submit(job.clone()).unwrap().result_timeout(TIMEOUT);
    let Err(JobError::Crashed(crashed)) = &outcome else { panic!("{sandbox:?}, {job:?}: {outcome:?}") };
    // Its replacement works.
    assert_eq!(pool.submit(Probe::Double(2)).unwrap().result_timeout(TIMEOUT).unwrap(), 4);
    finish(&pool);
    crashed.death.cause
}

#[test]
fn deaths_have_the_same_causes() {
    let _case = Case::begin();
    for sandbox in sandboxes() {
        for transport in TRANSPORTS {
            let death = |job: Probe| death(&sandbox, transport, &job);
            assert_eq!(death(Probe::Abort), DeathCause::Signalled(libc::SIGABRT));
            // The standard library's handler reports the overflow, and aborts.
            assert_eq!(death(Probe::Fault(Fault::Recursion)), DeathCause::Signalled(libc::SIGABRT));
            assert_eq!(death(Probe::Fault(Fault::NullWrite)), DeathCause::Signalled(libc::SIGSEGV));
            assert_eq!(death(Probe::Fault(Fault::PanicInPanic)), DeathCause::Signalled(libc::SIGABRT));
            assert_eq!(death(Probe::Exit(7)), DeathCause::Exited(7));
            assert_eq!(death(Probe::Raise(libc::SIGTERM)), DeathCause::Signalled(libc::SIGTERM));
        }
    }
}

#[test]
fn lack_of_memory_is_recognised() {
    let _case = Case::begin();
    for sandbox in sandboxes() {
        let pool = builder::<Probe>(1).max_memory(256 << 20).sandbox(sandbox.clone()).build().unwrap();
        let outcome = pool.submit(Probe::AllocateForever).unwrap().result_timeout(TIMEOUT);
        assert!(matches!(outcome, Err(JobError::OutOfMemory(_))), "{sandbox:?}: {outcome:?}");
        finish(&pool);
    }
}

fn large_pool(sandbox: Sandbox, transport: Transport, workers: usize) -> ProcessPool<Large> {
    let builder =
        ProcessPool::builder_with(Shared::from_slice(&vec![3u64; 1 << 20]).unwrap()).workers(workers);
    let builder = builder.worker_program(program("probe-worker")).transport(transport);
    // The jobs return the worker's memory.
    builder.sandbox(sandbox.read("/proc/self")).build().unwrap()
}

#[test]
fn shared_data_goes_both_ways() {
    let _case = Case::begin();
    for sandbox in sandboxes() {
        for transport in TRANSPORTS {
            let pool = large_pool(sandbox.clone(), transport, 2);
            let run = |job| pool.submit(job).unwrap().join_timeout(TIMEOUT);
            assert_eq!(run(Large::State).unwrap().sum, 3 << 20, "the state is made before");
            let ones = Blob::with_len(10_000_000, |bytes| bytes.fill(1)).unwrap();
            assert_eq!(run(Large::Sum(ones.clone())).unwrap().sum, 10_000_000);
            assert_eq!(sum(run(Large::Make(5_000_000)).unwrap().blob()), 5_000_000);
            assert_eq!(run(Large::Echo(ones.clone())).unwrap().blob(), &ones);
            // Many at the same time, of which some are the same.
            let jobs: Vec<_> = (0..200).map(|_| pool.submit(Large::Sum(ones.clone())).unwrap()).collect();
            assert!(jobs.iter().all(|job| job.join_timeout(TIMEOUT).unwrap().sum == 10_000_000));
            let blobs = (1..40u8).map(|n| Blob::with_len(100_000, |bytes| bytes.fill(n)).unwrap());
            let jobs: Vec<_> = blobs.map(|blob| pool.submit(Large::Sum(blob)).unwrap()).collect();
            for (n, job) in (1..40u64).zip(jobs) {
                assert_eq!(job.join_timeout(TIMEOUT).unwrap().sum, n * 100_000);
            }
            finish(&pool);
        }
    }
}

#[test]
fn a_job_with_data_is_retried_on_another_worker() {
    let _case = Case::begin();
    for transport in TRANSPORTS {
        let folder = tempfile::tempdir().unwrap();
        let pool = large_pool(Sandbox::compute().write(folder.path()), transport, 1);
        let ones = Blob::with_len(1_000_000, |bytes| bytes.fill(1)).unwrap();
        let job = pool.submit(Large::ExitOnce(ones, folder.path().join("was-here"))).unwrap();
        assert_eq!(job.join_timeout(TIMEOUT).unwrap().sum, 1_000_000);
        finish(&pool);
    }
}
