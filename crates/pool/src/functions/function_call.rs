//! Calls with the types of their results, and the code that makes them in a worker.

use std::{error::Error, fmt, marker::PhantomData};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sys::stateless::{Adapter, StatelessFunction, portable};

use super::{
    call::Call,
    encoded::{CallError, Encoded},
};

/// A call of a function that returns `R`, or fails with `E`. To be passed to
/// [`Spawn::run`](super::Spawn::run).
///
/// ```
/// use pool::{Serial, functions::{FunctionCall, Spawn}};
///
/// let calls = [2, 3].map(|exponent| FunctionCall::new(u64::pow, (10, exponent)));
/// let serial = Serial::new(Default::default());
/// let powers: Vec<u64> = serial.run_all(calls).collect::<Result<_, _>>()?;
/// assert_eq!(powers, [100, 1000]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FunctionCall<R, E = Never> {
    call: Call,
    result: PhantomData<fn() -> Result<R, E>>,
}

impl<R, E> FunctionCall<R, E> {
    fn of(call: Call) -> FunctionCall<R, E> {
        FunctionCall { call, result: PhantomData }
    }

    /// Returns the job, whose output is encoded.
    #[must_use]
    pub fn into_job(self) -> Call {
        self.call
    }
}

impl<R: Serialize + DeserializeOwned + 'static> FunctionCall<R> {
    /// Creates a call of a function that cannot fail. `args` is its argument, or a tuple of its arguments.
    #[expect(clippy::needless_pass_by_value, reason = "a call owns its arguments, like a direct call")]
    pub fn new<F, A, S>(function: F, args: A) -> FunctionCall<R>
    where
        F: StatelessFunction<A, S, Output = R>,
        A: Serialize + DeserializeOwned + 'static,
        S: 'static,
    {
        FunctionCall::of(Call::by_offset(portable::<Reply, _, _, _>(function), &args))
    }
}

impl<R, E> FunctionCall<R, E>
where
    R: Serialize + DeserializeOwned + 'static,
    E: Serialize + DeserializeOwned + 'static,
{
    /// Creates a call of a function that returns a `Result`. `args` is its argument, or a tuple of its
    /// arguments.
    ///
    /// ```
    /// use pool::{Serial, error::RemoteError, functions::{FunctionCall, Spawn}};
    ///
    /// fn halve(n: u64) -> Result<u64, RemoteError> {
    ///     if n % 2 == 0 { Ok(n / 2) } else { Err(RemoteError::msg("the number is odd")) }
    /// }
    ///
    /// let serial = Serial::new(Default::default());
    /// assert_eq!(serial.run(FunctionCall::fallible(halve, 14))?.join()?, 7);
    /// assert!(serial.run(FunctionCall::fallible(halve, 7))?.join().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "a call owns its arguments, like a direct call")]
    pub fn fallible<F, A, S>(function: F, args: A) -> FunctionCall<R, E>
    where
        F: StatelessFunction<A, S, Output = Result<R, E>>,
        A: Serialize + DeserializeOwned + 'static,
        S: 'static,
    {
        FunctionCall::of(Call::by_offset(portable::<TryReply, _, _, _>(function), &args))
    }
}

impl<R, E> fmt::Debug for FunctionCall<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionCall").finish_non_exhaustive()
    }
}

/// Error of functions that cannot fail. There is no value of this type.
///
/// ```
/// use pool::{JobError, functions::Never};
///
/// fn is_own_error(error: JobError<Never>) -> bool {
///     match error {
///         JobError::Failed(never) => match never {},
///         _ => false, // a panic or crash, for example
///     }
/// }
/// assert!(!is_own_error(JobError::Cancelled));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl Error for Never {}

/// Creates a call of a function with `#[job]`.
pub fn named_call<R, E, A: Serialize>(name: &'static str, args: &A) -> FunctionCall<R, E> {
    FunctionCall::of(Call::by_name(name, args))
}

/// Calls of functions that cannot fail.
struct Reply;

impl<A: DeserializeOwned, R: Serialize> Adapter<A, R> for Reply {
    type Input = Encoded;
    type Output = Result<Encoded, CallError>;

    fn run(args: Encoded, function: impl FnOnce(A) -> R) -> Result<Encoded, CallError> {
        reply(args, function)
    }
}

/// Calls of functions that return a `Result`.
struct TryReply;

impl<A: DeserializeOwned, R: Serialize, E: Serialize> Adapter<A, Result<R, E>> for TryReply {
    type Input = Encoded;
    type Output = Result<Encoded, CallError>;

    fn run(args: Encoded, function: impl FnOnce(A) -> Result<R, E>) -> Result<Encoded, CallError> {
        try_reply(args, function)
    }
}

/// Returns arguments. Their encoding is dropped before the function is called.
#[expect(clippy::needless_pass_by_value, reason = "it is dropped")]
fn decoded<A: DeserializeOwned>(args: Encoded) -> Result<A, CallError> {
    args.decode().map_err(CallError::Message)
}

/// Calls a function that cannot fail.
///
/// # Errors
/// If the arguments cannot be decoded, or the result cannot be encoded.
pub fn reply<A: DeserializeOwned, R: Serialize>(
    args: Encoded,
    function: impl FnOnce(A) -> R,
) -> Result<Encoded, CallError> {
    Encoded::new(&function(decoded(args)?))
}

/// Calls a function that returns a `Result`.
///
/// # Errors
/// The function's own error; or if the arguments cannot be decoded, or the result cannot be encoded.
pub fn try_reply<A: DeserializeOwned, R: Serialize, E: Serialize>(
    args: Encoded,
    function: impl FnOnce(A) -> Result<R, E>,
) -> Result<Encoded, CallError> {
    match function(decoded(args)?) {
        Ok(output) => Encoded::new(&output),
        Err(error) => Err(CallError::Failed(Encoded::new(&error)?)),
    }
}

/// The type `Result`, whatever alias a function's signature uses for it.
pub trait Fallible {
    /// Type of the `Ok` variant.
    type Output;
    /// Type of the `Err` variant.
    type Error;
}

impl<R, E> Fallible for Result<R, E> {
    type Output = R;
    type Error = E;
}
