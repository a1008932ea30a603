//! What a pool is made of.

use std::{ffi::OsString, num::NonZeroU64, path::PathBuf, sync::Arc, time::Duration};

use job::{Context, Job};
use sched::{Batch, OnWorkerDeath, Settings};
use wire::{CodecKind, Rendezvous};

use super::{
    ProcessPool,
    bounds::{
        BuildError, DEPTH_VARIABLE, MAX_DEPTH, added_niceness, cores_to_keep_to, depth_of_this_process,
        worker_count,
    },
    ledger::Ledger,
    recipe::Recipe,
    shared::Shared,
    submit::Controller,
};
use crate::{Observer, available_cores, is_stray_worker, observer::Audience};

/// Settings of a [`ProcessPool`]; each has a default.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use std::time::Duration;
/// use pool::{Executor, ProcessPool};
///
/// let settings = ProcessPool::<Square>::builder().workers(4).retries(0).time_limit(Duration::from_secs(30));
/// let pool = settings.build()?; // no worker is started yet
/// assert!(pool.figures().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct ProcessPoolBuilder<J: Job> {
    args: <J::Context as Context>::Args,
    workers: usize,
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    codec: CodecKind,
    max_memory: Option<u64>,
    pin: bool,
    nice: i32,
    ledger: bool,
    observer: Option<Arc<dyn Observer>>,
    settings: Settings,
}

impl<J: Job> ProcessPoolBuilder<J> {
    pub(crate) fn new(args: <J::Context as Context>::Args) -> ProcessPoolBuilder<J> {
        ProcessPoolBuilder {
            args,
            workers: available_cores(),
            // The running program even if its file has been replaced meanwhile.
            program: PathBuf::from("/proc/self/exe"),
            environment: Vec::new(),
            codec: CodecKind::default(),
            max_memory: None,
            pin: false,
            nice: 0,
            ledger: true,
            observer: None,
            settings: Settings::default(),
        }
    }

    /// How many workers there may be at a time, from 1 to [`MAX_WORKERS`](crate::MAX_WORKERS); by default one a core.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool, available_cores};
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

    /// The program to start as a worker; by default this one, which then has to call
    /// [`enter_if_worker`](crate::enter_if_worker) first thing in `main`. Another program has to call
    /// [`serve_as_worker`](crate::serve_as_worker) for the same type of job; one that is no worker, or not there,
    /// breaks the pool when it is needed, not when the pool is built.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, Failure, ProcessPool};
    ///
    /// let pool = ProcessPool::<Square>::builder().worker_program("/no/such/program").build()?;
    /// let Err(Failure::Abandoned(cause)) = pool.submit(Square(3))?.take(None)? else { panic!("it ran") };
    /// assert!(cause.contains("No such file"), "{cause}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worker_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Sets a variable in the environment of the workers, which otherwise is that of this process.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::ProcessPool;
    ///
    /// // Panics in jobs then come with their backtraces.
    /// let pool = ProcessPool::<Square>::builder().env("RUST_BACKTRACE", "1").build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// How jobs and outcomes are encoded.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{CodecKind, Executor, ProcessPool};
    ///
    /// let pool = ProcessPool::<Square>::builder().codec(CodecKind::Bincode).build()?;
    /// assert!(pool.broken().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn codec(mut self, codec: CodecKind) -> Self {
        self.codec = codec;
        self
    }

    /// How often a job is tried again after its worker died in it; 2 by default.
    ///
    /// ```standalone_crate
    /// use pool::{Executor, Failure, Job, ProcessPool};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Abort;
    ///
    /// impl Job for Abort {
    ///     const NAME: &'static str = "abort";
    ///     type Output = ();
    ///     type Error = String;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), String> {
    ///         std::process::abort()
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Abort>();
    ///     let pool = ProcessPool::builder().workers(1).retries(1).build()?;
    ///     let outcome = pool.submit(Abort)?.take(None)?;
    ///     assert!(matches!(outcome, Err(Failure::Crashed { attempts: 2, .. })));
    ///     pool.shutdown(true, false);
    ///     Ok(())
    /// }
    /// ```
    pub fn retries(mut self, retries: u32) -> Self {
        self.settings.retries = retries;
        self
    }

    /// How often a job is tried again after it ran past its time limit; 0 by default.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, ProcessPool};
    ///
    /// // For limits that a slow machine, not the job, may be to blame for.
    /// let settings = ProcessPool::<Square>::builder().time_limit(Duration::from_secs(5)).timeout_retries(1);
    /// assert!(settings.build()?.broken().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout_retries(mut self, retries: u32) -> Self {
        self.settings.timeout_retries = retries;
        self
    }

    /// A time limit for each job that has none of its own, counted from the job's start. A job that runs longer is
    /// ended together with its worker, and [`Failure::TimedOut`](crate::Failure::TimedOut). By default there is none.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use pool::{Executor, Failure, Job, ProcessPool};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Sleep(Duration);
    ///
    /// impl Job for Sleep {
    ///     const NAME: &'static str = "sleep";
    ///     type Output = ();
    ///     type Error = String;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), String> {
    ///         std::thread::sleep(self.0);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Sleep>();
    ///     let limit = Duration::from_millis(50);
    ///     let pool = ProcessPool::builder().workers(1).time_limit(limit).build()?;
    ///     let outcome = pool.submit(Sleep(Duration::from_secs(3600)))?.take(None)?;
    ///     assert!(matches!(outcome, Err(Failure::TimedOut { attempts: 1, .. })));
    ///     pool.shutdown(true, false);
    ///     Ok(())
    /// }
    /// ```
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.settings.limit = Some(limit);
        self
    }

    /// How long a worker that was sent SIGTERM, because its job ran too long or by
    /// [`terminate_workers`](ProcessPool::terminate_workers), has to end before SIGKILL; 1 second by default.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, ProcessPool};
    ///
    /// // A tenth of a second for the jobs' programs to clean up, and not more.
    /// let settings = ProcessPool::<Square>::builder().time_limit(Duration::from_secs(5));
    /// let pool = settings.kill_after(Duration::from_millis(100)).build()?;
    /// assert!(pool.broken().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kill_after(mut self, time: Duration) -> Self {
        self.settings.kill_after = time;
        self
    }

    /// How many bytes of memory each worker may have, counted as address space; a few dozen million are the worker's
    /// own. A job that needs more fails with [`Failure::Memory`](crate::Failure::Memory), if the worker's program has
    /// [`WatchedAllocator`](crate::WatchedAllocator) for its allocator; otherwise it looks like a crash, and is tried
    /// again.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{ProcessPool, WatchedAllocator};
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: WatchedAllocator = WatchedAllocator;
    ///
    /// let pool = ProcessPool::<Square>::builder().max_memory(512 << 20).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.max_memory = Some(bytes);
        self
    }

    /// Whether each worker runs on one core only, together with all that its jobs start; by default it moves freely.
    ///
    /// Workers take turns at the cores that the thread that builds the pool may use at that moment: the first worker runs
    /// on the first core, the next one on the next, and with more workers than cores several share one. A replacement
    /// runs where the worker before it did.
    ///
    /// ```standalone_crate
    /// use pool::{Executor, Job, ProcessPool, available_cores};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct CountCores;
    ///
    /// impl Job for CountCores {
    ///     const NAME: &'static str = "count-cores";
    ///     type Output = usize;
    ///     type Error = String;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<usize, String> {
    ///         Ok(available_cores())
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<CountCores>();
    ///     let pool = ProcessPool::builder().workers(2).pin(true).build()?;
    ///     assert_eq!(pool.submit(CountCores)?.result(None)?, 1);
    ///     pool.shutdown(true, false);
    ///     Ok(())
    /// }
    /// ```
    pub fn pin(mut self, pin: bool) -> Self {
        self.pin = pin;
        self
    }

    /// What is added to the workers' niceness, from 0, the default, to 19: the higher, the more readily workers leave the
    /// cores to others, this process included. The sum goes no further than 19. What jobs start is as nice.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{BuildError, ProcessPool};
    ///
    /// let pool = ProcessPool::<Square>::builder().nice(10).build()?;
    /// // To be less nice than its parent takes privileges.
    /// let greedy = ProcessPool::<Square>::builder().nice(-5).build();
    /// assert!(matches!(greedy, Err(BuildError::Nice(-5))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nice(mut self, nice: i32) -> Self {
        self.nice = nice;
        self
    }

    /// How many jobs a worker serves before another takes its place; by default there is no limit. For jobs that leave
    /// something behind, as a leak in a foreign library does.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::num::NonZeroU64;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let three = NonZeroU64::new(3).unwrap();
    ///     let pool = ProcessPool::builder().workers(1).max_jobs_per_worker(three).build()?;
    ///     assert_eq!(pool.map((0..6).map(Square)).into_iter().flatten().count(), 6);
    ///     pool.shutdown(true, false);
    ///     let served: Vec<u64> = pool.figures().iter().map(|worker| worker.jobs).collect();
    ///     assert_eq!(served, [3, 3]);
    ///     Ok(())
    /// }
    /// ```
    pub fn max_jobs_per_worker(mut self, jobs: NonZeroU64) -> Self {
        self.settings.max_jobs_per_worker = Some(jobs);
        self
    }

    /// How long a worker may take to start, its state included; 1 minute by default. One that takes longer is killed,
    /// and counts as one that could not be started.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::ProcessPool;
    ///
    /// let pool = ProcessPool::<Square>::builder().start_limit(Duration::from_secs(10)).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_limit(mut self, time: Duration) -> Self {
        self.settings.start_limit = time;
        self
    }

    /// How long a worker may take to leave, [`Context::finish`] included; 5 seconds by default. One that takes longer
    /// is killed.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::ProcessPool;
    ///
    /// let pool = ProcessPool::<Square>::builder().exit_limit(Duration::from_secs(60)).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exit_limit(mut self, time: Duration) -> Self {
        self.settings.exit_limit = time;
        self
    }

    /// How long a worker may have nothing to do before it leaves; by default it stays. Workers are started again when
    /// there is work for them.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::ProcessPool;
    ///
    /// let pool = ProcessPool::<Square>::builder().idle_timeout(Duration::from_secs(60)).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.settings.idle_timeout = Some(time);
        self
    }

    /// How many jobs go into a frame; by default as many as pay off.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::num::NonZeroU64;
    /// use pool::{Batch, Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let one_each = Batch::Fixed(NonZeroU64::MIN);
    ///     let pool = ProcessPool::builder().workers(1).batch(one_each).build()?;
    ///     assert_eq!(pool.map((0..50).map(Square)).into_iter().flatten().count(), 50);
    ///     pool.shutdown(true, false);
    ///     assert_eq!(pool.figures()[0].frames, 50);
    ///     Ok(())
    /// }
    /// ```
    pub fn batch(mut self, batch: Batch) -> Self {
        self.settings.batch = batch;
        self
    }

    /// What the death of a worker means to the others; by default the pool heals.
    ///
    /// ```standalone_crate
    /// use pool::{Executor, Failure, Job, OnWorkerDeath, ProcessPool};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Abort;
    ///
    /// impl Job for Abort {
    ///     const NAME: &'static str = "abort";
    ///     type Output = ();
    ///     type Error = String;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<(), String> {
    ///         std::process::abort()
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Abort>();
    ///     let settings = ProcessPool::builder().workers(1).on_worker_death(OnWorkerDeath::Break);
    ///     let pool = settings.build()?;
    ///     let jobs = [pool.submit(Abort), pool.submit(Abort)];
    ///     for job in jobs.into_iter().flatten() {
    ///         assert!(matches!(job.take(None)?, Err(Failure::Abandoned(_))));
    ///     }
    ///     assert!(pool.broken().is_some());
    ///     Ok(())
    /// }
    /// ```
    pub fn on_worker_death(mut self, policy: OnWorkerDeath) -> Self {
        self.settings.on_worker_death = policy;
        self
    }

    /// Whether to count where the time goes; by default yes. It costs less than a hundredth of what the shortest jobs do, and
    /// without it [`WorkerFigures::spent`](crate::WorkerFigures::spent) and
    /// [`parent_figures`](crate::Executor::parent_figures) are empty.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool, Stage};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     for counts in [true, false] {
    ///         let pool = ProcessPool::<Square>::builder().workers(1).ledger(counts).build()?;
    ///         pool.submit(Square(7))?.result(None)?;
    ///         pool.shutdown(true, false);
    ///         let worker = &pool.figures()[0];
    ///         assert_eq!(worker.spent[Stage::Start].is_zero(), !counts);
    ///         assert!(!counts || worker.spent.total() == worker.life, "every moment is in some stage");
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn ledger(mut self, counts: bool) -> Self {
        self.ledger = counts;
        self
    }

    /// Who is told what happens: workers that start, end and are replaced, frames that go out and come back. By default
    /// nobody is, and that costs nothing.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::{sync::{Arc, Mutex}, time::Duration};
    /// use pool::{Executor, Observer, PoolEvent, ProcessPool};
    ///
    /// /// How long the slowest job took.
    /// #[derive(Default)]
    /// struct Slowest(Mutex<Duration>);
    ///
    /// impl Observer for Slowest {
    ///     fn note(&self, event: &PoolEvent) {
    ///         if let PoolEvent::Returned { durations: Some(durations), .. } = event {
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
    ///     assert_eq!(pool.submit(Square(12))?.result(None)?, 144);
    ///     pool.shutdown(true, false);
    ///     assert!(*slowest.0.lock().unwrap() > Duration::ZERO);
    ///     Ok(())
    /// }
    /// ```
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Makes the pool. No worker is started before the first job.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// let pool = ProcessPool::<Square>::builder().workers(2).build()?;
    /// assert!(pool.figures().is_empty(), "no worker has been started");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`BuildError::Workers`] when the number of workers is out of range, [`BuildError::Rendezvous`] when there is no
    /// directory for temporary files or no descriptor left, [`BuildError::Context`] when the state's arguments cannot
    /// be encoded, [`BuildError::Nice`] when that niceness cannot be added, [`BuildError::Cores`] when workers are to be
    /// pinned and the cores are not known, [`BuildError::NoEntry`] in a process that was started as a worker.
    pub fn build(mut self) -> Result<ProcessPool<J>, BuildError> {
        if is_stray_worker() {
            return Err(BuildError::NoEntry);
        }
        let depth = depth_of_this_process();
        if depth >= MAX_DEPTH {
            return Err(BuildError::TooDeep);
        }
        self.settings.max_workers = worker_count(self.workers)?;
        Rendezvous::check()?;
        let mut context = Vec::new();
        self.codec.encode(&self.args, &mut context)?;
        self.environment.push((DEPTH_VARIABLE.into(), (depth + 1).to_string().into()));
        let recipe = Recipe {
            program: self.program,
            environment: self.environment,
            job_type: J::NAME,
            codec: self.codec,
            max_memory: self.max_memory,
            cores: cores_to_keep_to(self.pin)?,
            nice: added_niceness(self.nice)?,
            context,
        };
        let kill_after = self.settings.kill_after;
        let audience = Audience::new(self.observer);
        let shared = Arc::new(Shared::new(recipe, self.settings, Ledger::new(self.ledger), audience));
        let control = Arc::new(Controller(shared.clone()));
        Ok(ProcessPool { shared, control, kill_after })
    }
}
