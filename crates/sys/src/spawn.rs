//! Starting a process without copying this one.
//!
//! `fork` copies the page tables of the parent, which takes some 40 ms for each GiB in use. Here the child
//! borrows the parent's memory instead, as in `posix_spawn`: `clone(CLONE_VM | CLONE_VFORK)` suspends the
//! calling thread, and only that thread, until the child executes its program or ends. `posix_spawn` itself
//! cannot do all that has to be done before that.
//!
//! Invariants, because other threads of the parent go on in the same memory:
//!
//! - What needs memory or a lock is done before the child exists (`Image`, `Child`). The child makes
//!   system calls, on a stack of its own (`Stack`), and writes nothing but that stack, `errno` and the
//!   `Failure` that the parent reads when it goes on. `errno` is the suspended thread's, which reads it
//!   only if there is no child.
//! - No signal handler runs in the child: all signals are blocked before it is made (`BlockedSignals`), and
//!   it unblocks them only when it has no handlers any more. A blocked signal that the child gets meanwhile
//!   takes effect then.
//! - Descriptors and dispositions of signals are the child's own copies; it may change them.
//!
//! Since all settings are made before the program is executed, it never runs without them. The parent cannot
//! end between making the child and the child's wish to die with it without the child seeing it: either the
//! suspended thread is there, or the whole parent is gone, and then the child has another parent.

mod child;
mod clone;
mod image;

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use crate::{
    call::CallError,
    pipe::above_streams,
    placement::Placement,
    process::{self, Process},
};
use child::Child;
use image::Image;

/// Standard input of every process.
const NOTHING: &str = "/dev/null";

/// Why a process cannot be started.
#[derive(Debug)]
pub enum SpawnError {
    /// A call that prepares the process failed; the program is not to blame.
    Call(CallError),
    /// The program cannot be executed, or not in its place.
    Program(io::Error),
}

impl From<CallError> for SpawnError {
    fn from(error: CallError) -> SpawnError {
        SpawnError::Call(error)
    }
}

/// A process to be started: program, arguments, environment and place.
///
/// ```
/// use std::{fs::File, os::fd::AsFd};
/// use job::DeathCause;
/// use sys::spawn::ProcessBuilder;
///
/// let mut builder = ProcessBuilder::new("/bin/sh");
/// builder.args(["-c", "exit $CODE"]).env("CODE", "3");
/// let process = builder.spawn(File::open("/dev/null")?.as_fd()).expect("there is a shell");
/// assert_eq!(process.reap().map(|death| death.cause), Some(DeathCause::Exited(3)));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProcessBuilder {
    program: OsString,
    /// `argv`, the program's name included.
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    placement: Placement,
}

impl ProcessBuilder {
    /// A process that executes `program`, which is looked up in its `PATH` unless it contains a slash. It has
    /// no arguments, and the environment that this process has now.
    pub fn new(program: impl AsRef<OsStr>) -> ProcessBuilder {
        let program = program.as_ref().to_owned();
        ProcessBuilder {
            arguments: vec![program.clone()],
            program,
            environment: env::vars_os().collect(),
            placement: Placement::default(),
        }
    }

    /// Sets the name by which the program is called, `argv[0]`, in place of the program's path.
    pub fn arg0(&mut self, name: impl AsRef<OsStr>) -> &mut ProcessBuilder {
        name.as_ref().clone_into(&mut self.arguments[0]);
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut ProcessBuilder {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the environment.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut ProcessBuilder {
        self.environment.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Removes a variable from the environment.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut ProcessBuilder {
        self.environment.remove(name.as_ref());
        self
    }

    /// Sets the core that the process may use, and its niceness.
    pub fn placement(&mut self, placement: Placement) -> &mut ProcessBuilder {
        self.placement = placement;
        self
    }

    /// Starts the process, with `keep` inherited under the same number, and nothing to read from standard
    /// input. Returns when the program is executed.
    ///
    /// The process dies with the calling thread; see [`Process`] for all that holds from the program's first
    /// instruction on.
    ///
    /// # Errors
    /// Which call failed, and why; that the program cannot be executed, or not in its place.
    pub fn spawn(&self, keep: BorrowedFd<'_>) -> Result<Process, SpawnError> {
        let image = Image::new(&self.program, &self.arguments, &self.environment);
        let image = image.map_err(SpawnError::Program)?;
        let stdin = open_nothing()?;
        let core = self.placement.core_set().map_err(SpawnError::Program)?;
        let child = Child::new(&image, stdin.as_raw_fd(), keep.as_raw_fd(), core, self.placement.nice);
        let process = clone::start(&child)?;
        match child.failure() {
            None => Ok(process),
            Some(failure) => {
                // It is about to exit. An error means that this process has its children reaped by another
                // part, or not at all.
                let _ = process::wait(process.id());
                Err(failure.explain(self.placement))
            }
        }
    }
}

/// Opens what the child gets for standard input, under a number that is none of the child's standard streams.
fn open_nothing() -> Result<OwnedFd, CallError> {
    let file = File::open(NOTHING).map_err(|error| CallError::at("open", NOTHING, error))?;
    above_streams(file.into()).map_err(|error| CallError::new("fcntl(F_DUPFD_CLOEXEC)", error))
}
