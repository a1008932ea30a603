//! Entry points of a worker process.

use std::{
    io,
    os::fd::AsFd,
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use job::{Job, Stage};
use nix::sys::signal::{SigSet, Signal};
use sys::{
    forks, payload,
    shared_page::{self, SharedPage},
    stream::print_error,
};
use wire::{PacketSender, Role, Transport, connect, request_files, ring};

use crate::{entries, handshake, send_report, work};

/// True once this process has begun to serve.
static IS_SERVING: AtomicBool = AtomicBool::new(false);

/// Returns true if this process was started as a worker, for any type of job.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// if pool::worker::is_worker() {
///     // Print nothing: standard output belongs to the parent.
/// } else {
///     println!("started by hand");
/// }
/// assert!(!pool::worker::is_worker());
/// ```
#[must_use]
pub fn is_worker() -> bool {
    Role::of_this_process().is_some()
}

/// Returns true if this process was started as a worker but does not serve: its `main` does not begin with
/// [`enter_if_worker`] for the type of job that the worker was started for.
#[must_use]
pub fn is_unserved_worker() -> bool {
    is_worker() && !IS_SERVING.load(Ordering::Relaxed)
}

/// Serves and exits if this process was started as a worker for jobs of this type; else returns at once. To
/// be called first in `main` of a program that is its own worker, in every process: in others, it notes that
/// the program has an entry for this type, without which no process pool can be built.
///
/// Where there is no `main` to call it in, as in tests and libraries, use `pool::worker!` instead.
///
/// ```standalone_crate
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use std::{env, os::unix::process::CommandExt, process::Command};
/// use pool::Job;
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
///     pool::enter_if_worker::<Square>();
///     // Reached only by processes that were not started by a pool, whatever their name and arguments.
///     if env::args().nth(1).is_none() {
///         let mut again = Command::new(env::current_exe()?);
///         assert!(again.arg0("runner-worker").arg("again").status()?.success());
///     }
///     Ok(())
/// }
/// ```
pub fn enter_if_worker<J: Job>() {
    match Role::of_this_process() {
        Some(role) if role.job_type() == J::NAME => serve_as_worker::<J>(),
        Some(_) => {}
        None => entries::add(J::NAME),
    }
}

/// Does what [`enter_if_worker`] does, before `main`; `pool::worker!` has it called there.
pub fn enter_before_main<J: Job>() {
    if Role::of_this_process().is_some_and(|role| role.job_type() == J::NAME) {
        sys::before_main::prepare();
    }
    enter_if_worker::<J>();
}

/// Serves and exits. To be called as the whole of `main` in a program that is only a worker.
///
/// The exit code is 0 if the parent has closed the link, 1 if the parent could not be found or is gone, or
/// the worker could not serve, and 2 if the process was not started as a worker.
///
/// ```standalone_crate
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use std::{env, process::Command};
/// use pool::Job;
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
///         pool::worker::serve_as_worker::<Square>();
///     }
///     // A worker that was not started by a pool prints an explanation and exits with 2.
///     let worker = Command::new(env::current_exe()?).arg("by-hand").output()?;
///     assert_eq!(worker.status.code(), Some(2));
///     assert!(String::from_utf8_lossy(&worker.stderr).contains("jobs of type `square`"));
///     Ok(())
/// }
/// ```
pub fn serve_as_worker<J: Job>() -> ! {
    let Some(role) = Role::of_this_process() else {
        let name = J::NAME;
        print_error(&format!(
            "this program is a worker for jobs of type `{name}`; it is started by a process pool"
        ));
        process::exit(2);
    };
    if IS_SERVING.swap(true, Ordering::Relaxed) {
        // Another thread serves, and exits the process when it is done.
        loop {
            thread::park();
        }
    }
    process::exit(if serve::<J>(role).is_ok() { 0 } else { 1 })
}

fn serve<J: Job>(role: &Role) -> io::Result<()> {
    // The parent decides how to react to an interrupt from the keyboard. SIGINT is blocked rather than
    // ignored, because a `command` would inherit an ignored signal, while it starts with an empty mask.
    SigSet::from(Signal::SIGINT).thread_block()?;
    sys::process_name::shorten_own();
    sys::file_size_signal::ignore();
    // Leaked on purpose: an allocation may fail until the process exits.
    let page: &'static SharedPage = Box::leak(Box::new(role.open_shared_page()?));
    sys::program::die_with_guards();
    shared_page::set_current(page);
    let mut link = forks::close_on_fork(page.doorbell().as_fd(), || connect(role.rendezvous(), page))??;
    let mut inbox = wire::Inbox::new(link.receiver);
    let agreed = handshake::<J>(&mut inbox, &*link.sender, page.timer()).map_err(io::Error::other)?;
    let Some((terms, mut context)) = agreed else {
        return Err(io::ErrorKind::Other.into());
    };
    if terms.transport == Transport::Rings {
        forks::close_only_on_fork(page.doorbell().as_fd());
        link = ring::worker_link(page);
        inbox = wire::Inbox::new(link.receiver);
    }
    // Only while it waits for the doorbell does a worker free kept memory that it does not use. The sandbox
    // allows none of the calls with which files are used again.
    let keeps_memory = terms.transport == Transport::Rings && !terms.is_sandboxed;
    let _keeper = keeps_memory.then(payload::Keeper::of_worker).flatten();
    // Requests for files use it as well, until the process exits.
    let sender: &'static dyn PacketSender = Box::leak(link.sender);
    if terms.is_sandboxed {
        request_files(sender, page);
    }
    if !work::<J>(&mut inbox, sender, terms, &mut context, page).map_err(io::Error::other)? {
        return Err(io::ErrorKind::Other.into());
    }
    page.timer().enter(Stage::Exit);
    send_report::<J>(sender, terms.codec, context);
    Ok(())
}
