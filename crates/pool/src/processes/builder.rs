//! Settings of a pool. Those of the workers are in `worker_env`, those of their output in `output`, those of
//! the scheduler in `policy`, and those of the queue in `queue`.

mod output;
mod policy;
mod queue;
mod worker_env;

use std::{ffi::OsString, fmt, path::PathBuf, sync::Arc, time::Duration};

use job::{Context, Job};
use sandbox::Sandbox;
use sched::Settings;
use wire::{CodecKind, Rendezvous, Transport, transfer::collect};

use super::{
    build_error::{
        BuildError, DEPTH_VARIABLE, MAX_NESTING, SandboxError, check_entry, checked_niceness,
        checked_worker_count, nesting_depth, pinned_cores,
    },
    capture::StdioConfig,
    clock,
    pool::ProcessPool,
    shared::{MainLoops, ProcessShared},
    spawn_config::{SpawnConfig, WorkerProgram, usable_transport},
    supervisor,
    time_accounting::TimeAccounting,
    worker_sandbox::WorkerSandbox,
};
use crate::{Observer, available_cores, observer::Observers, pressure::Limits};

/// Start time above which a spare worker is kept. On an idle machine a worker of a Rust program starts in a
/// few milliseconds, which is not worth another process, and a Python interpreter with the modules of its
/// calls in 100 ms and more.
const SLOW_START: Duration = Duration::from_millis(50);

/// Settings of a [`ProcessPool`]; each has a default.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use std::time::Duration;
/// use pool::{Executor, ProcessPool};
///
/// let settings = ProcessPool::<Square>::builder().workers(4).retries(0).time_limit(Duration::from_secs(30));
/// let pool = settings.build()?; // no worker is started yet
/// assert!(pool.worker_stats().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct ProcessPoolBuilder<J: Job> {
    args: <J::Context as Context>::Args,
    workers: usize,
    /// `None` is this program.
    program: Option<PathBuf>,
    program_args: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    codec: CodecKind,
    transport: Transport,
    max_memory: Option<u64>,
    max_outcome: u64,
    sandbox: Sandbox,
    pin: bool,
    nice: i32,
    stdio: StdioConfig,
    ledger: bool,
    observer: Option<Arc<dyn Observer>>,
    queue_limits: Limits,
    settings: Settings,
}

impl<J: Job> ProcessPool<J>
where
    <J::Context as Context>::Args: Default,
{
    /// Returns the default settings of a pool whose workers build their state from default arguments.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// let pool = ProcessPool::<Square>::builder().workers(3).build()?;
    /// assert_eq!(pool.workers(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> ProcessPoolBuilder<J> {
        ProcessPool::builder_with(Default::default())
    }
}

impl<J: Job> ProcessPool<J> {
    /// Returns the default settings of a pool whose workers each build their state from `args`, once, before
    /// their first job.
    ///
    /// ```standalone_crate
    /// use pool::{Executor, Job, ProcessPool, error::RemoteError, worker::Context};
    /// use serde::{Deserialize, Serialize};
    ///
    /// struct Prefix(String);
    ///
    /// impl Context for Prefix {
    ///     type Args = String;
    ///     type Error = String;
    ///     type Report = ();
    ///
    ///     fn start(prefix: String) -> Result<Prefix, String> {
    ///         Ok(Prefix(prefix))
    ///     }
    /// }
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Name(u32);
    ///
    /// impl Job for Name {
    ///     const NAME: &'static str = "name";
    ///     type Output = String;
    ///     type Error = RemoteError;
    ///     type Context = Prefix;
    ///
    ///     fn run(self, prefix: &mut Prefix) -> Result<String, RemoteError> {
    ///         Ok(format!("{}{}", prefix.0, self.0))
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Name>();
    ///     let pool = ProcessPool::builder_with("file-".to_owned()).workers(1).build()?;
    ///     assert_eq!(pool.submit(Name(7))?.result()?, "file-7");
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn builder_with(args: <J::Context as Context>::Args) -> ProcessPoolBuilder<J> {
        ProcessPoolBuilder::new(args)
    }
}

impl<J: Job> ProcessPoolBuilder<J> {
    pub(crate) fn new(args: <J::Context as Context>::Args) -> ProcessPoolBuilder<J> {
        ProcessPoolBuilder {
            args,
            workers: available_cores(),
            program: None,
            program_args: Vec::new(),
            environment: Vec::new(),
            codec: CodecKind::default(),
            transport: Transport::default(),
            max_memory: None,
            max_outcome: u64::MAX,
            sandbox: Sandbox::off(),
            pin: false,
            nice: 0,
            stdio: StdioConfig::default(),
            ledger: true,
            observer: None,
            queue_limits: Limits::NONE,
            settings: Settings { spare_above: Some(SLOW_START), ..Settings::default() },
        }
    }

    /// Sets the maximum number of workers, from 1 to [`MAX_WORKERS`](crate::settings::MAX_WORKERS). Default:
    /// [`available_cores`].
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool, settings::available_cores};
    ///
    /// let pool = ProcessPool::<Square>::builder().build()?;
    /// assert_eq!(pool.workers(), available_cores());
    /// let pool = ProcessPool::<Square>::builder().workers(12).build()?;
    /// assert_eq!(pool.workers(), 12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets the encoding of jobs and outcomes. Default: bincode, or postcard in a program that is built
    /// without bincode; the features that each [`CodecKind`] needs are listed there. If the worker program
    /// was built without the codec, the pool breaks when its first worker starts, with a cause that says so.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool, settings::CodecKind};
    ///
    /// let pool = ProcessPool::<Square>::builder().codec(CodecKind::default()).build()?;
    /// assert!(pool.broken().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn codec(mut self, codec: CodecKind) -> Self {
        self.codec = codec;
        self
    }

    /// Sets the transport of jobs and outcomes. Default: rings in shared memory, which cost less than the
    /// channel.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool, settings::Transport};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     for transport in [Transport::Rings, Transport::Channel] {
    ///         let pool = ProcessPool::builder().workers(1).transport(transport).build()?;
    ///         assert_eq!(pool.submit(Square(7))?.result()?, 49);
    ///         pool.join();
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Enables time accounting. Default: enabled. It costs 2 to 4 % of the time with jobs of 60 ns, and
    /// nothing measurable with longer ones. Without it,
    /// [`WorkerStats::stage_times`](crate::metrics::WorkerStats::stage_times) and
    /// [`parent_stats`](crate::Executor::parent_stats) are empty.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool, metrics::Stage};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     for counts in [true, false] {
    ///         let pool = ProcessPool::<Square>::builder().workers(1).time_accounting(counts).build()?;
    ///         pool.submit(Square(7))?.result()?;
    ///         pool.join();
    ///         let worker = &pool.worker_stats()[0];
    ///         assert_eq!(worker.stage_times[Stage::Start].is_zero(), !counts);
    ///         let is_complete = worker.stage_times.total() == worker.lifetime;
    ///         assert!(!counts || is_complete, "each moment is in a stage");
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn time_accounting(mut self, counts: bool) -> Self {
        self.ledger = counts;
        self
    }

    /// Sets an observer, which is called when workers start, exit and are replaced, and when batches are sent
    /// and returned. Default: none, at no cost.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::{sync::{Arc, Mutex}, time::Duration};
    /// use pool::{Executor, ProcessPool, metrics::{Observer, PoolEvent}};
    ///
    /// /// How long the slowest job took.
    /// #[derive(Default)]
    /// struct Slowest(Mutex<Duration>);
    ///
    /// impl Observer for Slowest {
    ///     fn on_event(&self, event: &PoolEvent) {
    ///         if let PoolEvent::OutcomesReceived { durations: Some(durations), .. } = event {
    ///             let slowest = durations.iter().max().copied().unwrap_or(0);
    ///             let mut known = self.0.lock().unwrap();
    ///             *known = known.max(Duration::from_nanos(slowest.into()));
    ///         }
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let slowest = Arc::new(Slowest::default());
    ///     let pool = ProcessPool::builder().workers(1).observer(slowest.clone()).build()?;
    ///     assert_eq!(pool.submit(Square(12))?.result()?, 144);
    ///     pool.join();
    ///     assert!(*slowest.0.lock().unwrap() > Duration::ZERO);
    ///     Ok(())
    /// }
    /// ```
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Builds the pool. No worker is started before the first job.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// let pool = ProcessPool::<Square>::builder().workers(2).build()?;
    /// assert!(pool.worker_stats().is_empty(), "no worker has been started");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`BuildError::Workers`]: the number of workers is out of range.
    /// - [`BuildError::Rendezvous`]: there is no usable directory for temporary files, or no file descriptor
    ///   left.
    /// - [`BuildError::Context`]: the arguments of the worker state cannot be encoded.
    /// - [`BuildError::Nice`]: the niceness is out of range.
    /// - [`BuildError::Cores`]: workers are to be pinned, and the available cores cannot be determined.
    /// - [`BuildError::Sandbox`]: a path of the sandbox cannot be opened, or the sandbox is strict and the
    ///   kernel lacks a part of it.
    /// - [`BuildError::MissingEntry`]: this program is its own worker, and has not reached a worker entry for
    ///   this job type.
    /// - [`BuildError::NoEntry`]: this process was started as a worker but does not serve as one.
    /// - [`BuildError::NestedTooDeep`]: this process is a worker at the maximum nesting depth.
    pub fn build(mut self) -> Result<ProcessPool<J>, BuildError> {
        if serve::is_unserved_worker() {
            return Err(BuildError::NoEntry);
        }
        if self.program.is_none() {
            check_entry::<J>()?;
        }
        let depth = nesting_depth();
        if depth >= MAX_NESTING {
            return Err(BuildError::NestedTooDeep);
        }
        self.settings.max_workers = checked_worker_count(self.workers)?;
        if self.pin {
            self.settings.spare_above = None;
        }
        self.settings.is_sandboxed = !self.sandbox.is_off();
        Rendezvous::check()?;
        let mut context = Vec::new();
        let (encoded, context_files) = collect(|| self.codec.encode(&self.args, &mut context));
        encoded?;
        self.environment.push((DEPTH_VARIABLE.into(), Some((depth + 1).to_string().into())));
        let (transport, transport_fallback) = usable_transport(self.transport);
        let spawn_config = SpawnConfig {
            program: WorkerProgram::new(self.program, self.program_args),
            environment: self.environment,
            job_type: J::NAME,
            codec: self.codec,
            transport,
            transport_fallback,
            max_memory: self.max_memory,
            max_outcome: self.max_outcome,
            sandbox: WorkerSandbox::new(self.sandbox).map_err(SandboxError)?,
            cores: pinned_cores(self.pin)?,
            nice: checked_niceness(self.nice)?,
            stdio: self.stdio,
            context,
            _context_files: context_files,
        };
        let grace_period = self.settings.grace_period;
        let observers = Observers::new(self.observer);
        let shared = Arc::new(ProcessShared::new(
            spawn_config,
            (self.settings, self.queue_limits),
            TimeAccounting::new(self.ledger),
            observers,
            MainLoops { supervisor: supervisor::run, clock: clock::run },
        ));
        Ok(ProcessPool::new(shared, grace_period))
    }
}

impl<J: Job> fmt::Debug for ProcessPoolBuilder<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPoolBuilder").field("workers", &self.workers).finish_non_exhaustive()
    }
}
