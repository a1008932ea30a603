//! Functions as jobs: plain functions and closures, without a job type of one's own.
//!
//! The job type [`Call`] is a call of any function of the program. An executor of calls, such as a
//! [`FunctionPool`], runs functions with different arguments and results, which its
//! methods [`spawn`](Spawn::spawn), [`try_spawn`](Spawn::try_spawn) and [`run`](Spawn::run) keep apart. A
//! program that uses this crate has the worker entry for calls.
//!
//! ```
//! use pool::{error::RemoteError, functions::{FunctionPool, Spawn}};
//!
//! fn gcd(a: u64, b: u64) -> u64 {
//!     if b == 0 { a } else { gcd(b, a % b) }
//! }
//!
//! #[pool::job]
//! fn parse(text: String) -> Result<i64, RemoteError> {
//!     Ok(text.trim().parse()?)
//! }
//!
//! let pool = FunctionPool::builder().workers(2).build()?;
//! let divisor = pool.spawn(gcd, (12, 18))?; // a plain function
//! let shout = pool.spawn(|text: String| text.to_uppercase(), "hello".to_owned())?; // a closure
//! let number = pool.run(parse::job(" 42 ".to_owned()))?; // a function with `#[job]`
//! assert_eq!(divisor.join()?, 6);
//! assert_eq!(shout.join()?, "HELLO");
//! assert_eq!(number.join()?, 42);
//! assert!(parse("7".to_owned()).is_ok()); // still a function
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How a function reaches a worker
//!
//! A function with [`#[job]`](crate::job) is found by its path, so the worker may be another build of the
//! program. Any other function is found by its place in the executable, so the worker has to run the same
//! file, which it checks when it starts; and the function has to be in the executable, not in a shared
//! library. Either way, the worker has the code already, and only the arguments and the result are sent,
//! encoded by postcard, whichever codec the pool uses for jobs; large data in a
//! [`Blob`](crate::data::Blob) is not copied. A closure with captures does not compile:
//!
//! ```compile_fail,E0080
//! use pool::functions::{FunctionPool, Spawn};
//!
//! let pool = FunctionPool::builder().build()?;
//! let factor = std::env::args().count() as u64;
//! pool.spawn(move |n: u64| n * factor, 7)?; // instead: `|(n, factor): (u64, u64)| n * factor, (7, factor)`
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod call;
mod encoded;
mod function_call;
mod future;
mod outcome;
mod registry;
mod spawn;

pub use call::{Call, Executable, Functions};
pub use encoded::{CallError, Encoded};
pub use function_call::{FunctionCall, Never};
pub use future::{CancelFunctionOnDrop, FunctionFuture};
pub use spawn::Spawn;
pub use sys::stateless::StatelessFunction;

use crate::ProcessPool;

/// A pool of processes that run functions.
///
/// ```
/// use pool::functions::{FunctionPool, Spawn};
///
/// let pool = FunctionPool::builder().workers(2).build()?;
/// assert_eq!(pool.spawn(u64::pow, (2, 10))?.join()?, 1024);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type FunctionPool = ProcessPool<Call>;

#[doc(hidden)]
pub use function_call::{Fallible, named_call, reply, try_reply};
#[doc(hidden)]
pub use registry::register;

// Any program that uses this crate can run functions.
sys::run_before_main!(serve::enter_before_main::<Call>);
