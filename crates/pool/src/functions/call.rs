//! The job type: a call of a function, with encoded arguments and an encoded result.

use std::{borrow::Cow, fmt};

use job::{Context, Job};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sys::executable::{self, Portable};
use wire::CodecKind;

use super::registry;

/// Decodes arguments, calls a function and encodes its result.
pub(crate) type Thunk = fn(&[u8]) -> Result<Encoded, CallError>;

/// A call of a function, as a job. Created by [`FunctionCall`](super::FunctionCall), which has the type of
/// the result.
#[derive(Serialize, Deserialize)]
pub struct Call(Target, Encoded);

#[derive(Serialize, Deserialize)]
enum Target {
    /// The constant at this offset in the executable.
    Offset(u64),
    /// The function that was registered under this name.
    Name(Cow<'static, str>),
    /// None, for this reason.
    Missing(Cow<'static, str>),
}

impl Call {
    /// Creates a call of a function of this executable.
    pub(super) fn by_offset<A: Serialize>(thunk: &'static Portable<Thunk>, args: &A) -> Call {
        let foreign = "the function is not part of the program's executable; use `#[pool::job]`";
        let target = thunk.offset().map_or(Target::Missing(foreign.into()), Target::Offset);
        Call::new(target, args)
    }

    /// Creates a call of the function with this name.
    pub(super) fn by_name<A: Serialize>(name: &'static str, args: &A) -> Call {
        Call::new(Target::Name(name.into()), args)
    }

    fn new<A: Serialize>(target: Target, args: &A) -> Call {
        match Encoded::new(args) {
            Ok(args) => Call(target, args),
            Err(error) => Call(Target::Missing(error.to_string().into()), Encoded::default()),
        }
    }
}

const OTHER_EXECUTABLE: &str =
    "the worker runs another executable, in which only functions with `#[pool::job]` can be found";

impl Job for Call {
    const NAME: &'static str = "pool::functions::Call";
    type Output = Encoded;
    type Error = CallError;
    type Context = Functions;

    fn run(self, functions: &mut Functions) -> Result<Encoded, CallError> {
        let Call(target, Encoded(args)) = self;
        let thunk = match target {
            Target::Name(name) => registry::find(&name)?,
            Target::Offset(_) if !functions.same_executable => {
                return Err(CallError::Message(OTHER_EXECUTABLE.to_owned()));
            }
            Target::Offset(offset) => Portable::<Thunk>::find(offset).ok_or_else(|| {
                CallError::Message(format!("there is no function at offset {offset:#x} of the executable"))
            })?,
            Target::Missing(cause) => return Err(CallError::Message(cause.into_owned())),
        };
        thunk(&args)
    }
}

/// State of a worker that runs functions.
#[derive(Debug)]
pub struct Functions {
    /// Whether the offsets of the parent's functions are valid here.
    same_executable: bool,
}

impl Context for Functions {
    type Args = Executable;
    type Error = std::convert::Infallible;
    type Report = ();

    fn start(parent: Executable) -> Result<Functions, Self::Error> {
        Ok(Functions { same_executable: parent == Executable::default() })
    }
}

/// Identity of the executable whose functions are called. The default is that of this program.
///
/// ```
/// use pool::{ThreadPool, functions::{Executable, Spawn}};
///
/// let threads = ThreadPool::new(2, Executable::default());
/// assert_eq!(threads.spawn(|n: u64| n + 1, 6)?.join()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executable(u64);

impl Default for Executable {
    fn default() -> Executable {
        Executable(executable::identity())
    }
}

/// The encoding of arguments, of a result or of an error.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoded(#[serde(with = "serde_bytes")] Vec<u8>);

/// Encoding of arguments and results. That of the pool is used for what contains them.
const CODEC: CodecKind = CodecKind::Bincode;

impl Encoded {
    pub(super) fn new<T: Serialize>(value: &T) -> Result<Encoded, CallError> {
        let mut bytes = Vec::new();
        CODEC.encode(value, &mut bytes).map_err(|error| CallError::Message(error.to_string()))?;
        Ok(Encoded(bytes))
    }

    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, String> {
        decode(&self.0)
    }
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    CODEC.decode(bytes).map_err(|error| error.to_string())
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoded({} bytes)", self.0.len())
    }
}

/// Error of a [`Call`]; a [`FunctionFuture`](super::FunctionFuture) converts it to the function's own error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The function returned this error.
    #[error("the function returned an error of {} bytes", .0.0.len())]
    Failed(Encoded),
    /// The function was not called, or its result could not be encoded, for this reason.
    #[error("{0}")]
    Message(String),
}
