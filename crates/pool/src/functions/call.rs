//! The job type: a call of a function, with encoded arguments and an encoded result.

use std::borrow::Cow;

use job::{Context, Job};
use serde::{Deserialize, Serialize};
use sys::executable::{self, Portable};

use super::{
    encoded::{CallError, Encoded, Thunk},
    registry,
};
use crate::entry::FUNCTION_CALLS;

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
    const NAME: &'static str = FUNCTION_CALLS;
    type Output = Encoded;
    type Error = CallError;
    type Context = Functions;

    fn run(self, functions: &mut Functions) -> Result<Encoded, CallError> {
        let Call(target, args) = self;
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
        thunk(args)
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
