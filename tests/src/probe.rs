//! A job type that does whatever a test of the library needs, and the executors to run it on.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use pool::{
    Context, Executor, Job, JobFuture, ProcessPool, ProcessPoolBuilder, Serial, ThreadPool, Transport,
};
use serde::{Deserialize, Serialize, Serializer, ser::Error};

use crate::{deeds, fault::Fault, program};

/// Longer than anything takes, and short enough to notice a hang.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A job for tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// Yields twice the number.
    Double(u64),
    /// Reports this error.
    Fail(Mishap),
    /// Panics with this message.
    Panic(String),
    /// Appends a line to a file.
    Mark(PathBuf),
    /// Creates the first file and waits until the second is there.
    Hold(PathBuf, PathBuf),
    /// Yields the number of its process.
    Pid,
    /// Ends its process with this code.
    Exit(i32),
    /// Aborts its process.
    Abort,
    /// Sends itself this signal.
    Raise(i32),
    /// Runs one job and, if it succeeds, the other.
    Then(Box<Probe>, Box<Probe>),
    /// Does not heed SIGTERM from now on.
    Defy,
    /// Kills all other workers of its pool.
    KillSiblings,
    /// Yields the number of its process, which exits as soon as the file is there.
    ExitLater(PathBuf),
    /// Takes memory without end.
    Hoard,
    /// Asks for more memory than there is, puts up with having none, and then ends its process with this code.
    AskForTooMuch(i32),
    /// Runs a line of shell and yields its exit code.
    Shell(String),
    /// Yields how many bytes there are on its standard input.
    ReadInput,
    /// Runs the job in a pool of its own.
    Nested(Box<Probe>),
    /// Yields twice the number, by a pool that it leaves behind with its worker; writes the worker's number into the file.
    NestedLeft(u64, PathBuf),
    /// Does what no job should.
    Fault(Fault),
    /// Cannot be encoded.
    #[serde(serialize_with = "refuse")]
    Unencodable(()),
}

impl Probe {
    /// This job in so many pools, each in a worker of the one around it.
    #[must_use]
    pub fn nested(self, pools: u32) -> Probe {
        (0..pools).fold(self, |inner, _| Probe::Nested(Box::new(inner)))
    }
}

/// An error with fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mishap {
    /// A code, maybe 0.
    pub code: i32,
    /// Words, maybe none.
    pub words: String,
}

/// An error of these fields.
#[must_use]
pub fn mishap(code: i32, words: &str) -> Mishap {
    Mishap { code, words: words.to_owned() }
}

fn refuse<S: Serializer>((): &(), _: S) -> Result<S::Ok, S::Error> {
    Err(S::Error::custom("this cannot be encoded"))
}

impl Job for Probe {
    const NAME: &'static str = "probe";
    type Output = u64;
    type Error = Mishap;
    type Context = ();

    fn run(self, (): &mut ()) -> Result<u64, Mishap> {
        match self {
            Probe::Double(n) => return Ok(n * 2),
            Probe::Fail(mishap) => return Err(mishap),
            Probe::Panic(message) => panic!("{message}"),
            Probe::Mark(file) => mark(&file),
            Probe::Hold(started, release) => {
                mark(&started);
                // A test that is over has taken its folder with it.
                until("the test lets the job go", || release.exists() || !started.exists());
            }
            Probe::Pid => return Ok(u64::from(std::process::id())),
            Probe::Exit(code) => std::process::exit(code),
            Probe::Abort => std::process::abort(),
            Probe::Raise(signal) => deeds::raise(signal),
            Probe::Then(first, second) => {
                first.run(&mut ())?;
                return second.run(&mut ());
            }
            Probe::Defy => deeds::defy(),
            Probe::KillSiblings => deeds::kill_siblings(),
            Probe::ExitLater(file) => return Ok(deeds::exit_later(file)),
            Probe::Hoard => deeds::hoard(),
            Probe::AskForTooMuch(code) => deeds::ask_for_too_much(code),
            Probe::Shell(line) => return Ok(deeds::shell(&line)),
            Probe::ReadInput => return Ok(deeds::read_input()),
            Probe::Nested(inner) => return deeds::nested(*inner),
            Probe::NestedLeft(n, file) => return deeds::nested_left(n, &file),
            Probe::Fault(fault) => return Ok(fault.commit()),
            Probe::Unencodable(()) => {}
        }
        Ok(0)
    }
}

/// Appends a line to a file.
///
/// # Panics
/// When that cannot be done.
pub fn mark(file: &Path) {
    append(file, "x");
}

/// Appends this line to a file.
///
/// # Panics
/// When that cannot be done.
pub fn append(file: &Path, line: &str) {
    let opened = fs::OpenOptions::new().append(true).create(true).open(file);
    opened
        .and_then(|mut opened| opened.write_all(format!("{line}\n").as_bytes()))
        .expect("the file can be written");
}

/// How many lines a file has; none if it is not there.
#[must_use]
pub fn marks(file: &Path) -> usize {
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

/// Waits until something is true.
///
/// # Panics
/// When it does not become true in time.
pub fn until(what: &str, is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < LIMIT, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A pool of processes to be, for any job type that `probe-worker` serves.
pub fn builder<J: Job<Context: Context<Args: Default>>>(workers: usize) -> ProcessPoolBuilder<J> {
    ProcessPool::builder().workers(workers).worker_program(program("probe-worker")).transport(transport())
}

/// How jobs travel in this run of the tests: by `RUNNER_TRANSPORT`, as in the program.
#[must_use]
pub fn transport() -> Transport {
    match std::env::var("RUNNER_TRANSPORT").as_deref() {
        Ok("channel") => Transport::Channel,
        _ => Transport::default(),
    }
}

/// A pool of processes.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn processes(workers: usize) -> ProcessPool<Probe> {
    builder(workers).build().expect("a pool can be built")
}

/// A pool of processes that breaks when a worker dies.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn breaking(workers: usize) -> ProcessPool<Probe> {
    builder(workers).on_worker_death(pool::OnWorkerDeath::Break).build().expect("a pool can be built")
}

/// A pool of threads.
#[must_use]
pub fn threads(workers: usize) -> ThreadPool<Probe> {
    ThreadPool::new(workers, ())
}

/// One job after the other.
#[must_use]
pub fn serial() -> Serial<Probe> {
    Serial::new(())
}

/// Shuts an executor down and proves that nothing of it is left.
///
/// # Panics
/// When something is.
pub fn finish<J: Job>(executor: &dyn Executor<J>) {
    let start = Instant::now();
    executor.shutdown(true, false);
    assert!(start.elapsed() < Duration::from_secs(10), "the shutdown took {:?}", start.elapsed());
    for pid in executor.worker_stats().iter().filter_map(|worker| worker.pid) {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "worker {pid} is left");
    }
}

/// Runs a test on all three executors, the pools with two workers, and proves that nothing is left.
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

/// Runs a test on the two executors that return from `submit` before the job has run.
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

/// Keeps the one worker of a pool busy until the stage releases it; names the stage and the job that does so.
#[macro_export]
macro_rules! held {
    ($executor:ident, $stage:ident, $held:ident) => {
        let $stage = $crate::probe::Stage::new();
        let $held = $executor.submit($stage.hold()).unwrap();
        $stage.until_held(1);
    };
}

/// A folder for one test, with two files for a [`Probe::Hold`] in it.
pub struct Stage {
    folder: tempfile::TempDir,
}

impl Default for Stage {
    fn default() -> Stage {
        Stage::new()
    }
}

impl Stage {
    /// A fresh folder.
    ///
    /// # Panics
    /// When there is none to be had.
    #[must_use]
    pub fn new() -> Stage {
        Stage { folder: tempfile::tempdir().expect("a folder can be made") }
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A job that runs until [`release`](Stage::release).
    #[must_use]
    pub fn hold(&self) -> Probe {
        Probe::Hold(self.file("started"), self.file("release"))
    }

    /// Has so many jobs hold, and waits until they do.
    ///
    /// # Panics
    /// When the executor takes none.
    pub fn hold_many(&self, executor: &dyn Executor<Probe>, count: usize) -> Vec<JobFuture<Probe>> {
        let jobs = (0..count).map(|_| executor.submit(self.hold()).expect("the pool is open")).collect();
        self.until_held(count);
        jobs
    }

    /// Waits until so many holding jobs run.
    pub fn until_held(&self, count: usize) {
        until("the holding jobs run", || marks(&self.file("started")) >= count);
    }

    /// Lets all holding jobs go.
    pub fn release(&self) {
        mark(&self.file("release"));
    }
}
