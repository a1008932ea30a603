//! How a worker finds its parent: a socket with a name, used once.
//!
//! ipc-channel's one-shot server is careful about nothing: it panics or cuts the path when TMPDIR is unusable,
//! waits for ever if nobody connects, and leaves its descriptors to every child. All of that is dealt with here.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel};
use nix::sys::{
    eventfd::{EfdFlags, EventFd},
    socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket},
};
use serde::{Deserialize, Serialize};
use sys::process::Process;

use crate::{Link, catch_panic};

/// The longest path that a socket's name can have, in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// How many descriptors the start of one worker needs at the most.
const DESCRIPTORS_PER_START: usize = 10;

static STARTS: AtomicUsize = AtomicUsize::new(0);

/// Why a worker and its parent cannot meet.
#[derive(Debug, thiserror::Error)]
pub enum RendezvousError {
    /// The directory for temporary files cannot hold the socket.
    #[error("the directory for temporary files, {path:?}, cannot be used: {reason}; set TMPDIR to another")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No descriptors are left.
    #[error("no file descriptors left for a worker: {0}; raise `ulimit -n` or use fewer workers")]
    Descriptors(io::Error),
    /// No thread to watch the worker with.
    #[error("no thread to wait for a worker: {0}")]
    Thread(io::Error),
    /// The worker ended, or said something else.
    #[error("the worker did not introduce itself: {0}")]
    Silent(String),
}

/// The ends that the worker makes and sends to the parent.
#[derive(Serialize, Deserialize)]
struct ParentEnds {
    to_worker: IpcBytesSender,
    from_worker: IpcBytesReceiver,
}

/// A named place at which one worker is expected.
pub struct Rendezvous {
    server: IpcOneShotServer<ParentEnds>,
    name: String,
    _start: StartGuard,
}

impl Rendezvous {
    /// Checks once, before the first worker, what [`Rendezvous::open`] takes for granted.
    ///
    /// # Errors
    /// When the directory for temporary files or the descriptors do not suffice.
    pub fn check() -> Result<(), RendezvousError> {
        require_descriptors(DESCRIPTORS_PER_START)?;
        // The first packet makes ipc-channel measure its sockets, and panic if it cannot.
        bytes_channel()
            .and_then(|(sender, receiver)| {
                sender.send(b"x")?;
                receiver.recv().map_err(io::Error::other)
            })
            .map_err(RendezvousError::Descriptors)?;
        check_directory()
    }

    /// Opens a place.
    ///
    /// # Errors
    /// When the directory for temporary files or the descriptors do not suffice.
    pub fn open() -> Result<Rendezvous, RendezvousError> {
        let start = StartGuard::new();
        require_descriptors(DESCRIPTORS_PER_START * STARTS.load(Ordering::Relaxed))?;
        let (server, name) = IpcOneShotServer::new().map_err(RendezvousError::Descriptors)?;
        Ok(Rendezvous { server, name, _start: start })
    }

    /// What the worker must be told, to [join](join) the place.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the worker has joined, or `worker` has ended.
    ///
    /// # Errors
    /// When it ended without joining, or sent something else.
    pub fn accept(self, worker: &Process) -> Result<Link, RendezvousError> {
        let accepted =
            EventFd::from_flags(EfdFlags::EFD_CLOEXEC).map_err(|e| RendezvousError::Descriptors(e.into()))?;
        let (server, name) = (self.server, self.name);
        let outcome = thread::scope(|scope| {
            thread::Builder::new()
                .spawn_scoped(scope, || {
                    if worker.wait_for_end_or(accepted.as_fd()) {
                        knock(&name);
                    }
                })
                .map_err(RendezvousError::Thread)?;
            // ipc-channel panics with no descriptors left for the ends that come with the message, and at messages that
            // it does not know.
            let outcome = catch_panic(|| server.accept());
            let _ = accepted.write(1);
            match outcome {
                Ok(accepted) => accepted.map_err(|error| RendezvousError::Silent(error.to_string())),
                Err(_) => Err(match require_descriptors(DESCRIPTORS_PER_START) {
                    Ok(()) => RendezvousError::Silent("it said something that no worker says".into()),
                    Err(error) => error,
                }),
            }
        });
        // The first half is a receiver without close-on-exec; it must be gone before the next worker is started.
        let (_bootstrap, ends) = outcome?;
        Ok(Link { sender: Box::new(ends.to_worker), receiver: Box::new(ends.from_worker) })
    }
}

/// The only way out of an `accept` that waits in vain: somebody connects, and goes. If nobody waits any more, nothing
/// happens; ipc-channel's own `connect` would then leave a descriptor behind.
fn knock(name: &str) {
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None);
    if let (Ok(socket), Ok(address)) = (socket, UnixAddr::new(name)) {
        let _ = connect(socket.as_raw_fd(), &address);
    }
}

/// Joins the place of this name: the worker's side.
///
/// # Errors
/// When nobody waits there.
pub fn join(name: &str) -> io::Result<Link> {
    let (to_worker, from_parent) = bytes_channel()?;
    let (to_parent, from_worker) = bytes_channel()?;
    let server = IpcSender::connect(name.to_owned())?;
    server.send(ParentEnds { to_worker, from_worker }).map_err(io::Error::other)?;
    Ok(Link { sender: Box::new(to_parent), receiver: Box::new(from_parent) })
}

/// Counts the starts under way, since each needs descriptors that the others must leave it.
struct StartGuard;

impl StartGuard {
    fn new() -> StartGuard {
        STARTS.fetch_add(1, Ordering::Relaxed);
        StartGuard
    }
}

impl Drop for StartGuard {
    fn drop(&mut self) {
        STARTS.fetch_sub(1, Ordering::Relaxed);
    }
}

fn require_descriptors(count: usize) -> Result<(), RendezvousError> {
    // One at a time, or several would find the descriptors taken that they try themselves.
    static TRYING: Mutex<()> = Mutex::new(());
    let _alone = TRYING.lock().unwrap_or_else(PoisonError::into_inner);
    let probes: io::Result<Vec<File>> = (0..count).map(|_| File::open("/dev/null")).collect();
    probes.map(drop).map_err(RendezvousError::Descriptors)
}

fn check_directory() -> Result<(), RendezvousError> {
    let path = std::env::temp_dir();
    let unusable = |reason: String| RendezvousError::Directory { path: path.clone(), reason };
    if path.to_str().is_none() {
        return Err(unusable("its name is not UTF-8".into()));
    }
    let made = tempfile::Builder::new().tempdir().map_err(|error| unusable(plain_reason(&error)))?;
    let length = made.path().join("socket").as_os_str().len();
    if length > MAX_SOCKET_PATH {
        return Err(unusable(format!("its name is {} bytes too long", length - MAX_SOCKET_PATH)));
    }
    Ok(())
}

/// The system's words without the path, which the message already has.
fn plain_reason(error: &io::Error) -> String {
    io::Error::from(error.kind()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc_channel::ipc::IpcOneShotServer;

    fn descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[test]
    fn knocking_where_nobody_waits_leaves_nothing_behind() {
        let (server, name) = IpcOneShotServer::<()>::new().unwrap();
        drop(server);
        // Other tests of this process open and close descriptors meanwhile, but not so many.
        let before = descriptors();
        (0..200).for_each(|_| knock(&name));
        assert!(descriptors() < before + 100);
    }
}
