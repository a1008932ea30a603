//! A job type with the actions that tests of the library need, and executors to run it on.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pool::{
    Executor, Job, JobFuture, ProcessPool, Serial, ThreadPool,
    settings::{ProcessPoolBuilder, Transport},
    worker::Context,
};
use serde::{Deserialize, Serialize, Serializer, ser::Error};

use crate::{actions, fault::Fault, program};

pub use crate::{
    probe_error::{ProbeError, probe_error},
    waiting::{TIMEOUT, wait_until},
};

/// A job that performs one action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// Returns twice the number.
    Double(u64),
    /// Fails with this error.
    Fail(ProbeError),
    /// Panics with this message.
    Panic(String),
    /// Appends a line to a file.
    Mark(PathBuf),
    /// Appends a line to the first file and waits until the second file exists.
    Hold(PathBuf, PathBuf),
    /// Returns the id of its process.
    Pid,
    /// Exits with this code.
    Exit(i32),
    /// Aborts its process.
    Abort,
    /// Sends this signal to its own process.
    Raise(i32),
    /// Runs the first job and, if it succeeds, the second.
    Then(Box<Probe>, Box<Probe>),
    /// Blocks SIGTERM from now on.
    BlockSigterm,
    /// Kills all other workers of its pool.
    KillSiblings,
    /// Returns the id of its process, which exits as soon as the file exists.
    ExitLater(PathBuf),
    /// Allocates memory until that fails.
    AllocateForever,
    /// Handles a failed allocation, and then exits with this code.
    FailAllocation(i32),
    /// Runs a shell script and returns its exit code.
    Shell(String),
    /// Returns the number of bytes on standard input.
    ReadInput,
    /// Runs the job in a nested pool.
    Nested(Box<Probe>),
    /// Returns twice the number, computed in a nested pool that is leaked together with its worker; writes
    /// the id of that worker to the file.
    NestedLeft(u64, PathBuf),
    /// Injects a fault into its process.
    Fault(Fault),
    /// Fails to be encoded.
    #[serde(serialize_with = "refuse")]
    Unencodable(()),
}

impl Probe {
    /// Wraps the job in this many nested pools.
    #[must_use]
    pub fn nested(self, pools: u32) -> Probe {
        (0..pools).fold(self, |inner, _| Probe::Nested(Box::new(inner)))
    }
}

fn refuse<S: Serializer>((): &(), _: S) -> Result<S::Ok, S::Error> {
    Err(S::Error::custom("this cannot be encoded"))
}

impl Job for Probe {
    const NAME: &'static str = "probe";
    type Output = u64;
    type Error = ProbeError;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<u64, ProbeError> {
        match self {
            Probe::Double(n) => return Ok(n * 2),
            Probe::Fail(probe_error) => return Err(probe_error),
            Probe::Panic(message) => panic!("{message}"),
            Probe::Mark(file) => mark(&file),
            Probe::Hold(started, release) => {
                mark(&started);
                // When the test ends, its directory is removed.
                wait_until("the test releases the job", || release.exists() || !started.exists());
            }
            Probe::Pid => return Ok(u64::from(std::process::id())),
            Probe::Exit(code) => std::process::exit(code),
            Probe::Abort => std::process::abort(),
            Probe::Raise(signal) => actions::raise(signal),
            Probe::Then(first, second) => {
                first.run(&mut ())?;
                return second.run(&mut ());
            }
            Probe::BlockSigterm => actions::block_sigterm(),
            Probe::KillSiblings => actions::kill_siblings(),
            Probe::ExitLater(file) => return Ok(actions::exit_later(file)),
            Probe::AllocateForever => actions::allocate_forever(),
            Probe::FailAllocation(code) => actions::fail_allocation(code),
            Probe::Shell(line) => return Ok(actions::shell(&line)),
            Probe::ReadInput => return Ok(actions::read_input()),
            Probe::Nested(inner) => return actions::nested(*inner),
            Probe::NestedLeft(n, file) => return actions::nested_left((Probe::Pid, Probe::Double(n)), &file),
            Probe::Fault(fault) => return Ok(fault.inject()),
            Probe::Unencodable(()) => {}
        }
        Ok(0)
    }
}

/// Appends a line to a file.
///
/// # Panics
/// If the file cannot be written.
pub fn mark(file: &Path) {
    append(file, "x");
}

/// Appends this line to a file.
///
/// # Panics
/// If the file cannot be written.
pub fn append(file: &Path, line: &str) {
    let opened = fs::OpenOptions::new().append(true).create(true).open(file);
    opened
        .and_then(|mut opened| opened.write_all(format!("{line}\n").as_bytes()))
        .expect("cannot write the file");
}

/// Returns the number of lines of a file; 0 if it does not exist.
#[must_use]
pub fn line_count(file: &Path) -> usize {
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

/// Returns a builder for a pool of `probe-worker` processes, for any job type that they serve.
pub fn builder<J: Job<Context: Context<Args: Default>>>(workers: usize) -> ProcessPoolBuilder<J> {
    ProcessPool::builder().workers(workers).worker_program(program("probe-worker")).transport(transport())
}

/// Returns the transport of this test run: `RUNNER_TRANSPORT`, as in the program.
#[must_use]
pub fn transport() -> Transport {
    match std::env::var("RUNNER_TRANSPORT").as_deref() {
        Ok("channel") => Transport::Channel,
        _ => Transport::default(),
    }
}

/// Builds a pool of processes.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn processes(workers: usize) -> ProcessPool<Probe> {
    builder(workers).build().expect("cannot build the pool")
}

/// Builds a pool of processes that breaks when a worker dies.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn breaking(workers: usize) -> ProcessPool<Probe> {
    builder(workers)
        .on_worker_death(pool::settings::OnWorkerDeath::Break)
        .build()
        .expect("cannot build the pool")
}

/// Creates a pool of threads.
#[must_use]
pub fn threads(workers: usize) -> ThreadPool<Probe> {
    ThreadPool::new(workers, ())
}

/// Creates a serial executor.
#[must_use]
pub fn serial() -> Serial<Probe> {
    Serial::new(())
}

/// Shuts an executor down and checks that no worker is left.
///
/// # Panics
/// If a worker is left or the shutdown takes longer than 10 s.
pub fn finish<J: Job>(executor: &dyn Executor<J>) {
    let start = Instant::now();
    executor.join();
    assert!(start.elapsed() < Duration::from_secs(10), "the shutdown took {:?}", start.elapsed());
    for pid in executor.worker_stats().iter().filter_map(|worker| worker.pid) {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "worker {pid} is left");
    }
}

/// Runs a test on all three executors, the pools with two workers, and checks that no worker is left.
#[macro_export]
macro_rules! on_all {
    (|$executor:ident| $body:block) => {{
        {
            let $executor = $crate::probe::processes(2);
            $body;
            $crate::probe::finish(&$executor);
        }
        {
            let $executor = $crate::probe::threads(2);
            $body;
            $crate::probe::finish(&$executor);
        }
        {
            let $executor = $crate::probe::serial();
            $body;
            $crate::probe::finish(&$executor);
        }
    }};
}

/// Runs a test on the two executors whose `submit` returns before the job has run.
#[macro_export]
macro_rules! on_pools {
    ($workers:expr, |$executor:ident| $body:block) => {{
        {
            let $executor = $crate::probe::processes($workers);
            $body;
            $crate::probe::finish(&$executor);
        }
        {
            let $executor = $crate::probe::threads($workers);
            $body;
            $crate::probe::finish(&$executor);
        }
    }};
}

/// Blocks the only worker of a pool until the barrier is released; declares the barrier and the blocking job.
#[macro_export]
macro_rules! block_worker {
    ($executor:ident, $barrier:ident, $held:ident) => {
        let $barrier = $crate::probe::Barrier::new();
        let $held = $executor.submit($barrier.hold()).unwrap();
        $barrier.wait_for_held(1);
    };
}

/// A temporary directory with the two files of [`Probe::Hold`], which hold jobs until they are released.
pub struct Barrier {
    folder: tempfile::TempDir,
}

impl Default for Barrier {
    fn default() -> Barrier {
        Barrier::new()
    }
}

impl Barrier {
    /// Creates a temporary directory.
    ///
    /// # Panics
    /// If it cannot be created.
    #[must_use]
    pub fn new() -> Barrier {
        Barrier { folder: tempfile::tempdir().expect("cannot create a directory") }
    }

    /// Returns the path of a file in the directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a job that runs until [`release`](Barrier::release).
    #[must_use]
    pub fn hold(&self) -> Probe {
        Probe::Hold(self.file("started"), self.file("release"))
    }

    /// Submits `count` jobs that hold, and waits until all of them run.
    ///
    /// # Panics
    /// If the executor accepts no jobs.
    pub fn hold_many(&self, executor: &dyn Executor<Probe>, count: usize) -> Vec<JobFuture<Probe>> {
        let jobs = (0..count).map(|_| executor.submit(self.hold()).expect("the pool is closed")).collect();
        self.wait_for_held(count);
        jobs
    }

    /// Waits until `count` holding jobs have started.
    pub fn wait_for_held(&self, count: usize) {
        wait_until("the holding jobs run", || line_count(&self.file("started")) >= count);
    }

    /// Ends all holding jobs.
    pub fn release(&self) {
        mark(&self.file("release"));
    }
}
