//! The worker entry that needs no `main`.

/// Name of the job type of functions. Every program has its entry.
pub(crate) const FUNCTION_CALLS: &str = "pool::functions::Call";

/// Makes this program a worker for a job type, without a call in `main`. An item, to be written outside of
/// functions, once for each job type; [`enter_if_worker`](crate::enter_if_worker) is then not needed.
///
/// Meant for tests and benchmarks, whose `main` is generated; for libraries, whose caller owns `main`; and
/// for `#[tokio::main]`, which starts threads before the body of `main` runs.
///
/// A worker serves before `main`, as a constructor of the executable, and exits: neither `main` nor a test
/// harness runs in it. Jobs should not rely on what is initialised in `main` or in other constructors, such
/// as those of C++ libraries. With musl, [`std::env::args`] is empty in jobs.
///
/// In a shared library, the entry works only if the program is linked with the library.
///
/// ```
/// use pool::{Executor, Job, ProcessPool, error::RemoteError};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Cube(u64);
///
/// impl Job for Cube {
///     const NAME: &'static str = "cube";
///     type Output = u64;
///     type Error = RemoteError;
///     type Context = ();
///
///     fn run(self, _: &mut ()) -> Result<u64, RemoteError> {
///         self.0.checked_pow(3).ok_or_else(|| RemoteError::msg(format!("the cube of {} overflows", self.0)))
///     }
/// }
///
/// pool::worker!(Cube);
///
/// // A test, for example.
/// fn cubes() -> Result<(), Box<dyn std::error::Error>> {
///     let pool = ProcessPool::builder().workers(2).build()?;
///     let cubes: Result<Vec<u64>, _> = pool.map((1..=3).map(Cube)).collect();
///     assert_eq!(cubes?, [1, 8, 27]);
///     Ok(())
/// }
/// # cubes().unwrap();
/// ```
#[macro_export]
macro_rules! worker {
    ($job:ty) => {
        $crate::macro_support::run_before_main!($crate::macro_support::enter_before_main::<$job>);
    };
}

/// Items that expansions of this crate's macros refer to. Not part of the public interface.
pub mod macro_support {
    pub use serve::enter_before_main;
    pub use sys::run_before_main;

    pub use crate::functions::{Fallible, named_call, register, reply, try_reply};
}
