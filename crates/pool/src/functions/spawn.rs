//! Submitting functions to an executor.

use serde::{Serialize, de::DeserializeOwned};
use sys::stateless::StatelessFunction;

use super::{call::Call, function_call::FunctionCall, future::FunctionFuture, outcome::decoded};
use crate::{Executor, JobError, JobOptions, SubmitError};

/// Runs functions, on any executor of [`Call`]s.
///
/// ```
/// use pool::{Serial, ThreadPool, functions::{Executable, Spawn}};
///
/// fn length(executor: &impl Spawn) -> Result<usize, Box<dyn std::error::Error>> {
///     Ok(executor.spawn(|text: String| text.len(), "seven".to_owned())?.join()?)
/// }
/// assert_eq!(length(&Serial::new(Executable::default()))?, 5);
/// assert_eq!(length(&ThreadPool::new(2, Executable::default()))?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Spawn: Executor<Call> {
    /// Submits a call of a function. `args` is its argument, or a tuple of its arguments. The parameters of a
    /// closure need types. There are at most six parameters.
    ///
    /// A closure may capture values that have no size, such as markers. They are not sent, but there once
    /// more in the worker, for each call.
    ///
    /// If the function returns a `Result`, that is the output; see [`try_spawn`](Spawn::try_spawn).
    ///
    /// ```
    /// use pool::functions::{FunctionPool, Spawn};
    ///
    /// let pool = FunctionPool::builder().workers(1).build()?;
    /// assert_eq!(pool.spawn(u32::pow, (2, 10))?.join()?, 1024);
    /// assert_eq!(pool.spawn(|text: String| text + "!", "hello".to_owned())?.join()?, "hello!");
    /// assert_ne!(pool.spawn(std::process::id, ())?.join()?, std::process::id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Executor::submit_with`].
    fn spawn<F, A, S>(&self, function: F, args: A) -> Result<FunctionFuture<F::Output>, SubmitError>
    where
        F: StatelessFunction<A, S, Output: Serialize + DeserializeOwned + 'static>,
        A: Serialize + DeserializeOwned + 'static,
        S: 'static,
    {
        self.run(FunctionCall::new(function, args))
    }

    /// Submits a call of a function that returns a `Result`; its error is that of the job. Otherwise like
    /// [`spawn`](Spawn::spawn).
    ///
    /// ```
    /// use pool::{error::RemoteError, functions::{FunctionPool, Spawn}};
    ///
    /// fn parse(text: String) -> Result<i64, RemoteError> {
    ///     Ok(text.parse()?)
    /// }
    ///
    /// let pool = FunctionPool::builder().workers(1).build()?;
    /// assert_eq!(pool.try_spawn(parse, "12".to_owned())?.join()?, 12);
    /// let error = pool.try_spawn(parse, "twelve".to_owned())?.join().unwrap_err();
    /// assert!(error.to_string().contains("invalid digit"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Executor::submit_with`].
    fn try_spawn<F, A, S, R, E>(&self, function: F, args: A) -> Result<FunctionFuture<R, E>, SubmitError>
    where
        F: StatelessFunction<A, S, Output = Result<R, E>>,
        A: Serialize + DeserializeOwned + 'static,
        S: 'static,
        R: Serialize + DeserializeOwned + 'static,
        E: Serialize + DeserializeOwned + 'static,
    {
        self.run(FunctionCall::fallible(function, args))
    }

    /// Submits a call; with [`#[job]`](crate::job), `NAME::job(ARGUMENTS)` creates one.
    ///
    /// ```
    /// use pool::functions::{FunctionPool, Spawn};
    ///
    /// #[pool::job]
    /// fn area(width: u32, height: u32) -> u64 {
    ///     u64::from(width) * u64::from(height)
    /// }
    ///
    /// let pool = FunctionPool::builder().workers(1).build()?;
    /// assert_eq!(pool.run(area::job(3, 4))?.join()?, 12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Executor::submit_with`].
    fn run<R, E>(&self, call: FunctionCall<R, E>) -> Result<FunctionFuture<R, E>, SubmitError> {
        self.run_with(call, JobOptions::default())
    }

    /// Submits a call with options.
    ///
    /// # Errors
    /// As for [`Executor::submit_with`].
    fn run_with<R, E>(
        &self,
        call: FunctionCall<R, E>,
        options: JobOptions,
    ) -> Result<FunctionFuture<R, E>, SubmitError> {
        self.submit_with(call.into_job(), options).map(FunctionFuture::new)
    }

    /// Runs the calls of an iterator and yields their results in the order of the calls. Lazy, like
    /// [`Executor::map`].
    ///
    /// ```
    /// use pool::{error::RemoteError, functions::{FunctionPool, Spawn}};
    ///
    /// #[pool::job]
    /// fn square(n: u64) -> Result<u64, RemoteError> {
    ///     n.checked_mul(n).ok_or_else(|| RemoteError::msg("the square overflows"))
    /// }
    ///
    /// let pool = FunctionPool::builder().workers(2).build()?;
    /// let squares: Vec<u64> = pool.run_all((1..=4).map(square::job)).collect::<Result<_, _>>()?;
    /// assert_eq!(squares, [1, 4, 9, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn run_all<R, E, I>(&self, calls: I) -> impl Iterator<Item = Result<R, JobError<E>>>
    where
        Self: Sized,
        I: IntoIterator<Item = FunctionCall<R, E>>,
        R: DeserializeOwned,
        E: DeserializeOwned,
    {
        self.map(calls.into_iter().map(FunctionCall::into_job)).map(decoded)
    }
}

impl<T: Executor<Call> + ?Sized> Spawn for T {}
