//! Starting processes without copying the parent.
//!
//! `fork` copies the page tables of the parent, which takes about 40 ms for each GiB in use. Here the child
//! shares the parent's memory instead, as in `posix_spawn`: `clone(CLONE_VM | CLONE_VFORK)` suspends the
//! calling thread, and only that thread, until the child executes its program or ends. `posix_spawn` itself
//! cannot do all of the setup that is needed before the program is executed.
//!
//! Other threads of the parent keep running in the same memory. Invariants:
//!
//! - Everything that needs memory or a lock is done before the child exists (`Image`, `Child`). The child
//!   makes only system calls, on a stack of its own (`Stack`), and writes nothing but that stack, `errno` and
//!   the `Failure` that the parent reads when it resumes. `errno` is that of the suspended thread, which
//!   reads it only if there is no child.
//! - No signal handler runs in the child: all signals are blocked before it is created (`BlockedSignals`),
//!   and it unblocks them only after it has removed all handlers. A blocked signal that the child receives
//!   before that takes effect then.
//! - Descriptors and signal dispositions are the child's own copies; it may change them.
//!
//! Since all settings are made before the program is executed, the program never runs without them. The
//! parent cannot die unnoticed between the creation of the child and the child's `PR_SET_PDEATHSIG`: either
//! the suspended thread still exists, or the whole parent is gone, and then the child has another parent,
//! which it checks.

mod child;
mod clone;
mod error;
mod image;
mod signal_mask;

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use crate::{
    call::CallError,
    pipe::above_streams,
    placement::Placement,
    process::{self, Process},
};
use child::{Child, Streams};
use image::Image;

pub use error::SpawnError;

/// Standard input of every process.
const NULL_DEVICE: &str = "/dev/null";

/// A builder of processes: program, arguments, environment, standard streams and placement.
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
    /// `argv`, including the program's name.
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    placement: Placement,
    /// Inherited where `None`. Both descriptors are above the standard streams.
    stdout: Option<Arc<OwnedFd>>,
    stderr: Option<Arc<OwnedFd>>,
}

impl ProcessBuilder {
    /// Creates a builder for `program`, which is looked up in the `PATH` of the new process unless it
    /// contains a slash. The process has no arguments, and the environment that this process has now. It
    /// inherits standard output and standard error.
    pub fn new(program: impl AsRef<OsStr>) -> ProcessBuilder {
        let program = program.as_ref().to_owned();
        ProcessBuilder {
            arguments: vec![program.clone()],
            program,
            environment: env::vars_os().collect(),
            placement: Placement::default(),
            stdout: None,
            stderr: None,
        }
    }

    /// Sets `argv[0]`, which is the program's path by default.
    pub fn arg0(&mut self, name: impl AsRef<OsStr>) -> &mut ProcessBuilder {
        name.as_ref().clone_into(&mut self.arguments[0]);
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut ProcessBuilder {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut ProcessBuilder {
        self.environment.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut ProcessBuilder {
        self.environment.remove(name.as_ref());
        self
    }

    /// Sets the core that the process may use, and its niceness.
    pub fn placement(&mut self, placement: Placement) -> &mut ProcessBuilder {
        self.placement = placement;
        self
    }

    /// Sets standard output. This process keeps its copy of the descriptor until the builder is dropped.
    ///
    /// # Errors
    /// The descriptor has the number of a standard stream, and no other number is left.
    ///
    /// ```
    /// use std::{fs::File, io::{self, Read}, os::fd::AsFd};
    /// use sys::spawn::ProcessBuilder;
    ///
    /// let (mut reader, writer) = io::pipe()?;
    /// let mut builder = ProcessBuilder::new("echo");
    /// builder.args(["hello"]).stdout(writer)?;
    /// let process = builder.spawn(File::open("/dev/null")?.as_fd()).expect("there is an echo");
    /// drop(builder);
    /// let mut output = String::new();
    /// reader.read_to_string(&mut output)?;
    /// assert_eq!(output, "hello\n");
    /// process.reap();
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn stdout(&mut self, stream: impl Into<OwnedFd>) -> io::Result<&mut ProcessBuilder> {
        self.stdout = Some(Arc::new(above_streams(stream.into())?));
        Ok(self)
    }

    /// Sets standard error, as [`stdout`](ProcessBuilder::stdout) does standard output.
    ///
    /// # Errors
    /// The descriptor has the number of a standard stream, and no other number is left.
    pub fn stderr(&mut self, stream: impl Into<OwnedFd>) -> io::Result<&mut ProcessBuilder> {
        self.stderr = Some(Arc::new(above_streams(stream.into())?));
        Ok(self)
    }

    /// Starts the process, with `keep` inherited under the same number and `/dev/null` as standard input.
    /// Returns once the program is executed.
    ///
    /// The process is killed when the calling thread ends; see [`Process`] for everything that holds from the
    /// program's first instruction on.
    ///
    /// # Errors
    /// A system call failed, or the program cannot be executed or its placement cannot be set.
    pub fn spawn(&self, keep: BorrowedFd<'_>) -> Result<Process, SpawnError> {
        let image = Image::new(&self.program, &self.arguments, &self.environment);
        let image = image.map_err(SpawnError::Program)?;
        let stdin = open_null()?;
        let core = self.placement.core_set().map_err(SpawnError::Program)?;
        let raw = |stream: &Option<Arc<OwnedFd>>| stream.as_ref().map(|stream| stream.as_raw_fd());
        let streams =
            Streams { stdin: stdin.as_raw_fd(), stdout: raw(&self.stdout), stderr: raw(&self.stderr) };
        let child = Child::new(&image, streams, keep.as_raw_fd(), core, self.placement.nice);
        let process = clone::start(&child)?;
        match child.failure() {
            None => Ok(process),
            Some(failure) => {
                // The child is about to exit. An error means that children of this process are reaped
                // elsewhere, or not at all.
                let _ = process::wait(process.id());
                Err(failure.into_error(self.placement))
            }
        }
    }
}

/// Opens the child's standard input, under a number above the standard streams.
fn open_null() -> Result<OwnedFd, CallError> {
    let file = File::open(NULL_DEVICE).map_err(|error| CallError::at("open", NULL_DEVICE, error))?;
    above_streams(file.into()).map_err(|error| CallError::new("fcntl(F_DUPFD_CLOEXEC)", error))
}
