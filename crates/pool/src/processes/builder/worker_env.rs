//! What a worker is, and what surrounds it.

use std::{ffi::OsString, path::PathBuf};

use job::Job;

use super::ProcessPoolBuilder;

/// What a worker is, and what surrounds it.
impl<J: Job> ProcessPoolBuilder<J> {
    /// The program to start as a worker; by default this one, which then has to call
    /// [`enter_if_worker`](crate::enter_if_worker) first thing in `main`. Another program has to call
    /// [`serve_as_worker`](crate::serve_as_worker) for the same type of job; one that is no worker, or not
    /// there, breaks the pool when it is needed, not when the pool is built. A worker is the process that the
    /// pool has started, so a script has to `exec` the program.
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, JobError, ProcessPool};
    ///
    /// let pool = ProcessPool::<Square>::builder().worker_program("/no/such/program").build()?;
    /// let Err(JobError::Abandoned(cause)) = pool.submit(Square(3))?.take(None)? else { panic!("it ran") };
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
        self.environment.push((name.into(), Some(value.into())));
        self
    }

    /// Keeps a variable of this process's environment from the workers, and so from what their jobs start.
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

    /// How many bytes of memory each worker may have, counted as address space; a few dozen million are the worker's
    /// own, and with less the pool breaks with a cause that names the size that is needed. Of this and a hard limit that is in force already the lower one counts. A job that needs more fails with [`JobError::Memory`](crate::JobError::Memory), if the worker's program has
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

    /// The most bytes of an encoded output or error; a job with a larger one fails with
    /// [`JobError::Codec`](crate::JobError::Codec), and this process does not have to hold it. By default any number that
    /// can be sent, which is 4 GiB.
    ///
    /// ```standalone_crate
    /// use pool::{Executor, JobError, Job, ProcessPool};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Repeat(char, usize);
    ///
    /// impl Job for Repeat {
    ///     const NAME: &'static str = "repeat";
    ///     type Output = String;
    ///     type Error = String;
    ///     type Context = ();
    ///
    ///     fn run(self, _: &mut ()) -> Result<String, String> {
    ///         Ok(self.0.to_string().repeat(self.1))
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Repeat>();
    ///     let pool = ProcessPool::builder().workers(1).max_outcome(1 << 10).build()?;
    ///     assert!(matches!(pool.submit(Repeat('x', 1_000_000))?.take(None)?, Err(JobError::Codec(_))));
    ///     assert_eq!(pool.submit(Repeat('x', 3))?.result(None)?, "xxx");
    ///     pool.shutdown(true, false);
    ///     Ok(())
    /// }
    /// ```
    pub fn max_outcome(mut self, bytes: u64) -> Self {
        self.max_outcome = bytes;
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
}
