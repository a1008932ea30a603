//! Settings of the workers: their program, environment, limits and placement.

use std::{ffi::OsString, path::PathBuf};

use job::Job;
use sandbox::Sandbox;

use super::ProcessPoolBuilder;

/// Settings of the workers: their program, environment, limits and placement.
impl<J: Job> ProcessPoolBuilder<J> {
    /// Sets the program to start as a worker. Default: this program, which has to have a worker entry for the
    /// job type ([`enter_if_worker`](crate::enter_if_worker) or [`worker!`](crate::worker!)). Another program
    /// has to call [`serve_as_worker`](crate::worker::serve_as_worker) for the same job type. If the program
    /// does not exist or does not serve as a worker, the pool breaks when its first worker starts; building
    /// it succeeds. A worker is the process that the pool spawns, so a script has to `exec` the program.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, JobError, ProcessPool};
    ///
    /// let pool = ProcessPool::<Square>::builder().worker_program("/no/such/program").build()?;
    /// let Err(JobError::Broken(cause)) = pool.submit(Square(3))?.join() else { panic!("it ran") };
    /// assert!(cause.contains("No such file"), "{cause}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worker_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Adds arguments for the worker program, as for an interpreter that is given a script. A program with
    /// arguments is started under its own path as `argv[0]`, which interpreters use to find their files, and
    /// so has no name of a worker in `ps`. Without [`worker_program`](Self::worker_program), this program is
    /// given the arguments. Default: none.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, JobError, ProcessPool};
    ///
    /// // A real script would `exec` a program that serves.
    /// let builder = ProcessPool::<Square>::builder().worker_program("/bin/sh");
    /// let pool = builder.worker_args(["-c", "exit 7"]).build()?;
    /// assert!(matches!(pool.submit(Square(3))?.join(), Err(JobError::Broken(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worker_args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.program_args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable of the workers. Other variables are inherited from this process.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::ProcessPool;
    ///
    /// // Adds backtraces to panics in jobs.
    /// let pool = ProcessPool::<Square>::builder().env("RUST_BACKTRACE", "1").build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), Some(value.into())));
        self
    }

    /// Removes an inherited environment variable from the workers, and so from the processes that their jobs
    /// start.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::ProcessPool;
    ///
    /// let pool = ProcessPool::<Square>::builder().env_remove("DATABASE_PASSWORD").build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), None));
        self
    }

    /// Sets the address space, in bytes, that each worker may use, including the [data](crate::data) that it
    /// shares with others. Default: no limit. A hard limit that is
    /// already in force stays in force if it is lower. The worker itself needs some tens of megabytes; with
    /// less, the pool breaks with a cause that names the required size. A job that exceeds the limit fails
    /// with [`JobError::OutOfMemory`](crate::JobError::OutOfMemory) if the worker program uses
    /// [`WatchedAllocator`](crate::worker::WatchedAllocator) as its allocator; otherwise it counts as a crash
    /// and is retried.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{ProcessPool, worker::WatchedAllocator};
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: WatchedAllocator = WatchedAllocator::system();
    ///
    /// let pool = ProcessPool::<Square>::builder().max_memory(512 << 20).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.max_memory = Some(bytes);
        self
    }

    /// Restricts what jobs can do, for jobs that only compute. Default: no restrictions. Each worker applies
    /// the restrictions after its state is created; see [`Sandbox`]. A job that is killed for what it did
    /// fails with [`JobError::Denied`](crate::JobError::Denied) and is not retried.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool, settings::Sandbox};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::builder().workers(1).sandbox(Sandbox::compute()).build()?;
    ///     assert_eq!(pool.submit(Square(7))?.result()?, 49);
    ///     for gap in pool.sandbox_gaps() {
    ///         eprintln!("not restricted: {gap}");
    ///     }
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = sandbox;
        self
    }

    /// Sets the maximum size, in bytes, of an encoded output or error, including [shared
    /// data](crate::data). Default: no limit but that of the format, 4 GiB without shared data. A job with a
    /// larger one fails with [`JobError::Codec`](crate::JobError::Codec): encoding stops at the limit, and
    /// this process never holds it in memory.
    ///
    /// ```standalone_crate
    /// use pool::{Executor, Job, JobError, ProcessPool, error::RemoteError};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Repeat(char, usize);
    ///
    /// impl Job for Repeat {
    ///     const NAME: &'static str = "repeat";
    ///     type Output = String;
    ///     type Error = RemoteError;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<String, RemoteError> {
    ///         Ok(self.0.to_string().repeat(self.1))
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Repeat>();
    ///     let pool = ProcessPool::builder().workers(1).max_outcome(1 << 10).build()?;
    ///     assert!(matches!(pool.submit(Repeat('x', 1_000_000))?.join(), Err(JobError::Codec(_))));
    ///     assert_eq!(pool.submit(Repeat('x', 3))?.result()?, "xxx");
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn max_outcome(mut self, bytes: u64) -> Self {
        self.max_outcome = bytes;
        self
    }

    /// Pins each worker, and the processes that its jobs start, to one core. Default: not pinned.
    ///
    /// Workers are assigned round-robin to the cores that are available to the thread that builds the pool,
    /// at that moment: the first worker runs on the first core, the next one on the next. With more workers
    /// than cores, several share one. A replacement runs on the same core as the worker before it.
    ///
    /// ```standalone_crate
    /// use pool::{Executor, Job, ProcessPool, error::RemoteError, settings::available_cores};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct CountCores;
    ///
    /// impl Job for CountCores {
    ///     const NAME: &'static str = "count-cores";
    ///     type Output = usize;
    ///     type Error = RemoteError;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<usize, RemoteError> {
    ///         Ok(available_cores())
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<CountCores>();
    ///     let pool = ProcessPool::builder().workers(2).pin(true).build()?;
    ///     assert_eq!(pool.submit(CountCores)?.result()?, 1);
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn pin(mut self, pin: bool) -> Self {
        self.pin = pin;
        self
    }

    /// Sets the increment to the niceness of the workers and of the processes that their jobs start, from 0
    /// to 19. Default: 0. Workers with a higher niceness yield the cores more readily to other processes,
    /// this one included. The sum is capped at 19.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{ProcessPool, error::BuildError};
    ///
    /// let pool = ProcessPool::<Square>::builder().nice(10).build()?;
    /// // Lowering the niceness requires privileges.
    /// let greedy = ProcessPool::<Square>::builder().nice(-5).build();
    /// assert!(matches!(greedy, Err(BuildError::Nice(-5))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nice(mut self, nice: i32) -> Self {
        self.nice = nice;
        self
    }
}
