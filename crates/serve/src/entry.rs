//! How a process finds out that it is a worker.

use std::{
    env, io,
    os::fd::RawFd,
    process,
    sync::atomic::{AtomicBool, Ordering},
};

use job::{Job, Stage};
use nix::sys::signal::{SigSet, Signal};
use sys::{
    forks,
    page::{self, Page},
    process::adopt_descriptor,
    stream::print_error,
};
use wire::join;

use crate::{introduce, say_farewell, work};

/// The first argument of every worker process.
///
/// ```
/// assert!(std::env::args().all(|argument| argument != serve::WORKER_ARGUMENT), "this is no worker");
/// ```
pub const WORKER_ARGUMENT: &str = "__runner-worker";

/// The arguments to start a worker with: for jobs of this type, at this rendezvous, with this descriptor.
///
/// ```
/// let arguments = serve::worker_arguments("square", "/tmp/rendezvous", 5);
/// assert_eq!(arguments[1..], ["square", "/tmp/rendezvous", "5"]);
/// ```
#[must_use]
pub fn worker_arguments(job_type: &str, rendezvous: &str, page: RawFd) -> [String; 4] {
    [WORKER_ARGUMENT.to_owned(), job_type.to_owned(), rendezvous.to_owned(), page.to_string()]
}

/// Set when this process has begun to serve.
static SERVES: AtomicBool = AtomicBool::new(false);

/// Whether this process was started as a worker, for whatever type of job.
///
/// ```
/// if serve::is_worker() {
///     // Say nothing: standard output is the parent's.
/// } else {
///     println!("started by hand");
/// }
/// assert!(!serve::is_worker());
/// ```
#[must_use]
pub fn is_worker() -> bool {
    env::args_os().nth(1).is_some_and(|argument| argument == WORKER_ARGUMENT)
}

/// Whether this process was started as a worker and does not serve as one: its `main` does not begin with
/// [`enter_if_worker`] for the type of job that it was started for.
#[must_use]
pub fn is_stray_worker() -> bool {
    is_worker() && !SERVES.load(Ordering::Relaxed)
}

/// The first line of `main` in a program that is its own worker: returns at once, unless the process was started
/// as a worker for jobs of this type. Then it serves, and exits when it is done.
///
/// ```standalone_crate
/// use std::process::Command;
/// use job::Job;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Square(u64);
///
/// impl Job for Square {
///     // ...
/// #     const NAME: &'static str = "square";
/// #     type Output = u64;
/// #     type Error = String;
/// #     type Context = ();
/// #     fn run(self, _: &mut ()) -> Result<u64, String> { Ok(self.0 * self.0) }
/// }
///
/// fn main() -> std::io::Result<()> {
///     serve::enter_if_worker::<Square>();
///     // Only the program that was started by hand comes here. This is how a pool starts it again, but for
///     // the place to meet at: without one, the worker leaves, and has said nothing.
///     let arguments = serve::worker_arguments(Square::NAME, "nowhere", 0);
///     let worker = Command::new(std::env::current_exe()?).args(arguments).output()?;
///     assert_eq!((worker.status.code(), worker.stdout.len()), (Some(1), 0));
///     Ok(())
/// }
/// ```
pub fn enter_if_worker<J: Job>() {
    if is_worker() && env::args().nth(2).as_deref() == Some(J::NAME) {
        serve_as_worker::<J>();
    }
}

/// The whole of `main` in a program that is nothing but a worker.
///
/// Exits with 0 when the parent has closed the link, with 1 when it could not be found or is gone, and with 2 when
/// the process was not started as a worker.
///
/// ```standalone_crate
/// use std::{env, process::Command};
/// use job::Job;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Square(u64);
///
/// impl Job for Square {
///     // ...
/// #     const NAME: &'static str = "square";
/// #     type Output = u64;
/// #     type Error = String;
/// #     type Context = ();
/// #     fn run(self, _: &mut ()) -> Result<u64, String> { Ok(self.0 * self.0) }
/// }
///
/// fn main() -> std::io::Result<()> {
///     if env::args().nth(1).is_some() {
///         serve::serve_as_worker::<Square>();
///     }
///     // Started by anything but a pool, a worker explains itself.
///     let worker = Command::new(env::current_exe()?).arg("by-hand").output()?;
///     assert_eq!(worker.status.code(), Some(2));
///     assert!(String::from_utf8_lossy(&worker.stderr).contains("jobs of type `square`"));
///     Ok(())
/// }
/// ```
pub fn serve_as_worker<J: Job>() -> ! {
    let Some(call) = Call::read() else {
        let name = J::NAME;
        print_error(&format!(
            "this program is a worker for jobs of type `{name}`; it is started by a process pool"
        ));
        process::exit(2);
    };
    process::exit(if serve::<J>(&call).is_ok() { 0 } else { 1 })
}

/// What a worker's arguments say.
struct Call {
    rendezvous: String,
    page: RawFd,
}

impl Call {
    fn read() -> Option<Call> {
        let arguments: Vec<String> =
            env::args_os().take(5).filter_map(|text| text.into_string().ok()).collect();
        let [_, marker, _, rendezvous, page] = arguments.try_into().ok()?;
        (marker == WORKER_ARGUMENT).then_some(Call { rendezvous, page: page.parse().ok()? })
    }
}

fn serve<J: Job>(call: &Call) -> io::Result<()> {
    SERVES.store(true, Ordering::Relaxed);
    // An interrupt from the keyboard is the parent's to decide on. Blocked rather than ignored, because a `command`
    // would inherit what is ignored, while it starts with an empty mask.
    SigSet::from(Signal::SIGINT).thread_block()?;
    sys::signal::ignore_file_size_signal();
    // For ever: an allocation may fail until the very end.
    let page: &'static Page = Box::leak(Box::new(Page::open(&adopt_descriptor(call.page)?)?));
    sys::program::die_with_guards();
    page::set_current(page);
    let mut link = forks::keep_from_copies(|| join(&call.rendezvous))??;
    let (mut inbox, sender) = (wire::Inbox::new(link.receiver), &mut *link.sender);
    let introduced = introduce::<J>(&mut inbox, sender, page.lane()).map_err(io::Error::other)?;
    let Some((terms, mut context)) = introduced else {
        return Err(io::ErrorKind::Other.into());
    };
    if !work::<J>(&mut inbox, sender, terms, &mut context, page).map_err(io::Error::other)? {
        return Err(io::ErrorKind::Other.into());
    }
    page.lane().enter(Stage::Leave);
    say_farewell::<J>(sender, terms.codec, context);
    Ok(())
}
