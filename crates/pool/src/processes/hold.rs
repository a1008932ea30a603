//! Holding a pool: its queued jobs wait while the program has a reason to start none.

use job::Job;
use sched::Event;

use super::{pool::ProcessPool, transaction::apply};

impl<J: Job> ProcessPool<J> {
    /// Holds the pool: assigns no jobs to workers and starts no workers until [`release`](Self::release).
    /// Running jobs finish, and jobs that their workers have not started are taken back, except those that
    /// were submitted [together](crate::Executor::submit_many). Jobs can be submitted, and wait in the queue.
    /// For programs that give way to other work on the machine. Returns at once.
    ///
    /// Unlike [`pause`](crate::Executor::pause), it stops no process. [`join`](crate::Executor::join) waits
    /// until the pool is released; dropping the pool releases it.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use std::time::Duration;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::builder().workers(1).build()?;
    ///     pool.hold();
    ///     let job = pool.submit(Square(7))?;
    ///     assert!(job.join_timeout(Duration::from_millis(50)).is_err(), "it waits");
    ///     assert_eq!((pool.counts().queued, pool.worker_states().len()), (1, 0));
    ///     pool.release();
    ///     assert_eq!(job.result()?, 49);
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn hold(&self) {
        apply(&self.shared, Event::Held);
    }

    /// Ends a [hold](Self::hold): queued jobs are assigned to workers again. Returns at once.
    ///
    /// ```standalone_crate
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ProcessPool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     pool::enter_if_worker::<Square>();
    ///     let pool = ProcessPool::builder().workers(1).build()?;
    ///     pool.release(); // has no effect on a pool that is not held
    ///     assert_eq!(pool.submit(Square(7))?.result()?, 49);
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn release(&self) {
        apply(&self.shared, Event::Released);
    }
}
