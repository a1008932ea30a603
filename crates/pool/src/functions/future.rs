//! Handle to a submitted call.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use job::JobError;
use serde::de::DeserializeOwned;

use super::{call::Call, function_call::Never, outcome::decoded};
use crate::{
    JobFuture,
    future::{AbortHandle, CancelOnDrop},
};

/// Handle to a submitted call of a function that returns `R`, or fails with `E`.
///
/// Handles can be cloned; all clones refer to the same result. Dropping them neither cancels the call nor
/// waits for it. As a [`Future`] it resolves to the result, on any runtime.
///
/// ```
/// use pool::functions::{FunctionPool, Spawn};
///
/// let pool = FunctionPool::builder().workers(1).build()?;
/// let power = pool.spawn(u64::pow, (7, 2))?;
/// assert_eq!(power.clone().join()?, 49);
/// let sum = pool.spawn(|a: u64, b: u64| a + b, (3, 4))?;
/// assert_eq!(smol::block_on(sum)?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FunctionFuture<R, E = Never> {
    job: JobFuture<Call>,
    result: PhantomData<fn() -> Result<R, E>>,
}

impl<R, E> FunctionFuture<R, E> {
    pub(super) fn new(job: JobFuture<Call>) -> FunctionFuture<R, E> {
        FunctionFuture { job, result: PhantomData }
    }

    /// Returns the future of the job, with which it can be cancelled, killed and waited for together with
    /// others. Its output is encoded.
    ///
    /// ```
    /// use pool::{functions::{FunctionPool, Spawn}, future::{ReturnWhen, wait}};
    ///
    /// let pool = FunctionPool::builder().workers(2).build()?;
    /// let calls = [pool.spawn(u64::pow, (2, 3))?, pool.spawn(u64::pow, (2, 4))?];
    /// let waited = wait(calls.iter().map(|call| call.as_job().clone()), None, ReturnWhen::AllCompleted);
    /// assert_eq!(waited.done.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn as_job(&self) -> &JobFuture<Call> {
        &self.job
    }

    /// Returns true once the call has an outcome; see [`JobFuture::is_done`].
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.job.is_done()
    }

    /// Cancels the call unless it has been started; see [`JobFuture::cancel`]. Returns whether it is
    /// cancelled.
    ///
    /// ```
    /// use std::{thread::sleep, time::Duration};
    /// use pool::functions::{FunctionPool, Spawn};
    ///
    /// let pool = FunctionPool::builder().workers(1).build()?;
    /// let first = pool.spawn(sleep, Duration::from_secs(3600))?;
    /// let others = [pool.spawn(|| 1, ())?, pool.spawn(|| 2, ())?];
    /// assert!(others[1].cancel() && others[1].is_done());
    /// assert!(first.kill());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.job.cancel()
    }

    /// Cancels the call even if it is running, by killing its worker; see [`JobFuture::kill`]. Returns
    /// whether it is or will be cancelled.
    pub fn kill(&self) -> bool {
        self.job.kill()
    }

    /// Returns a future that cancels the call when it is dropped before the call has an outcome; see
    /// [`JobFuture::cancel_on_drop`].
    ///
    /// ```
    /// use std::{thread::sleep, time::Duration};
    /// use pool::functions::{FunctionPool, Spawn};
    ///
    /// let pool = FunctionPool::builder().workers(1).build()?;
    /// let nap = pool.spawn(sleep, Duration::from_secs(3600))?;
    /// drop(nap.clone().cancel_on_drop());
    /// assert!(nap.join().is_err());
    /// let power = pool.spawn(u64::pow, (7, 2))?.cancel_on_drop();
    /// assert_eq!(smol::block_on(power)?, 49);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_on_drop(self) -> CancelFunctionOnDrop<R, E> {
        CancelFunctionOnDrop { job: self.job.clone().cancel_on_drop(), future: self }
    }

    /// Returns a handle that can end the call and does not depend on its type; see
    /// [`JobFuture::abort_handle`].
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        self.job.abort_handle()
    }
}

impl<R: DeserializeOwned, E: DeserializeOwned> FunctionFuture<R, E> {
    /// Waits for the result and moves it out.
    ///
    /// ```
    /// use pool::functions::{FunctionPool, Spawn};
    ///
    /// let pool = FunctionPool::builder().workers(1).build()?;
    /// let quotient = pool.try_spawn(|a: u64, b: u64| a.checked_div(b).ok_or(0u8), (7, 0))?;
    /// assert!(quotient.join().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The function's own error as [`JobError::Failed`]; any other if the function was not called, its worker
    /// died, or the result has already been moved out.
    pub fn join(self) -> Result<R, JobError<E>> {
        decoded(self.job.join())
    }

    /// Like [`join`](FunctionFuture::join), but waits for at most `time`.
    ///
    /// ```
    /// use std::{thread::sleep, time::Duration};
    /// use pool::functions::{FunctionPool, Spawn};
    ///
    /// let pool = FunctionPool::builder().workers(1).build()?;
    /// let nap = pool.spawn(sleep, Duration::from_secs(3600))?;
    /// assert!(nap.join_timeout(Duration::from_millis(1)).is_err());
    /// assert!(nap.as_job().kill());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`join`](FunctionFuture::join); or if the time has expired.
    pub fn join_timeout(&self, time: Duration) -> Result<R, JobError<E>> {
        decoded(self.job.join_timeout(time))
    }

    /// Waits for the result and decodes it, also several times.
    ///
    /// ```
    /// use pool::functions::{FunctionPool, Spawn};
    ///
    /// let pool = FunctionPool::builder().workers(1).build()?;
    /// let power = pool.spawn(u64::pow, (7, 2))?;
    /// assert_eq!((power.result()?, power.result()?), (49, 49));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`join`](FunctionFuture::join).
    pub fn result(&self) -> Result<R, JobError<E>> {
        decoded(self.job.result())
    }

    /// Like [`result`](FunctionFuture::result), but waits for at most `time`; zero does not wait.
    ///
    /// # Errors
    /// As for [`join`](FunctionFuture::join); or if the time has expired.
    pub fn result_timeout(&self, time: Duration) -> Result<R, JobError<E>> {
        decoded(self.job.result_timeout(time))
    }
}

impl<R, E> Clone for FunctionFuture<R, E> {
    fn clone(&self) -> FunctionFuture<R, E> {
        FunctionFuture::new(self.job.clone())
    }
}

impl<R: DeserializeOwned, E: DeserializeOwned> Future for FunctionFuture<R, E> {
    type Output = Result<R, JobError<E>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.job).poll(context).map(decoded)
    }
}

impl<R, E> fmt::Debug for FunctionFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FunctionFuture").field(&self.job).finish()
    }
}

/// A future of a call that cancels the call when it is dropped before the call has an outcome; see
/// [`FunctionFuture::cancel_on_drop`]. It dereferences to the [`FunctionFuture`].
#[must_use = "the call is cancelled when this is dropped"]
pub struct CancelFunctionOnDrop<R, E = Never> {
    job: CancelOnDrop<Call>,
    future: FunctionFuture<R, E>,
}

impl<R, E> CancelFunctionOnDrop<R, E> {
    /// Returns the future of the call, which is no longer cancelled when it is dropped.
    #[must_use]
    pub fn into_inner(self) -> FunctionFuture<R, E> {
        FunctionFuture::new(self.job.into_inner())
    }
}

impl<R, E> Deref for CancelFunctionOnDrop<R, E> {
    type Target = FunctionFuture<R, E>;

    fn deref(&self) -> &FunctionFuture<R, E> {
        &self.future
    }
}

impl<R: DeserializeOwned, E: DeserializeOwned> Future for CancelFunctionOnDrop<R, E> {
    type Output = Result<R, JobError<E>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.job).poll(context).map(decoded)
    }
}

impl<R, E> fmt::Debug for CancelFunctionOnDrop<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelFunctionOnDrop").field(&self.future).finish()
    }
}
