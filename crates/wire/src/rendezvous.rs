//! Connection of a worker to its parent: a named socket that is used once.
//!
//! This module works around the weaknesses of ipc-channel's one-shot server: it panics or truncates the path
//! if TMPDIR is unusable, waits forever if no process connects, and leaks its descriptors into child
//! processes.

use std::{
    fs, io,
    ops::Deref,
    os::{fd::AsRawFd, unix::fs::DirBuilderExt},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use ipc_channel::{
    IpcError,
    ipc::{IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel},
};
use nix::sys::{
    eventfd::{EfdFlags, EventFd},
    socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket},
};
use serde::{Deserialize, Serialize};
use sys::{call::CallError, shared_page::SharedPage};

use crate::{
    Link,
    announced::{AnnouncedReceiver, AnnouncingSender},
    catch_panic,
};

/// Maximum length of a socket's path in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// Maximum number of file descriptors that the start of one worker needs.
const DESCRIPTORS_PER_START: usize = 10;

/// Number of worker starts in progress.
static STARTS: AtomicUsize = AtomicUsize::new(0);

/// Reason why a worker and its parent cannot connect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RendezvousError {
    /// The socket cannot be created in the directory for temporary files.
    #[error(
        "cannot use the directory for temporary files {path:?}: {reason}; set TMPDIR to another directory"
    )]
    Directory {
        /// Path of the directory.
        path: PathBuf,
        /// Reason why it cannot be used.
        reason: String,
    },
    /// No file descriptors are left in this process or in the system.
    #[error("no file descriptors left for a worker: {0}; raise `ulimit -n` or use fewer workers")]
    Descriptors(CallError),
    /// A system call failed for another reason.
    #[error("cannot connect to a worker: {0}")]
    Call(CallError),
    /// The thread that waits for a worker cannot be started.
    #[error("cannot start a thread for a worker: {0}")]
    Thread(io::Error),
    /// The worker exited before it connected, or sent an unexpected message.
    #[error("the worker did not connect: {0}")]
    NotConnected(String),
}

impl From<CallError> for RendezvousError {
    fn from(error: CallError) -> RendezvousError {
        if error.is_out_of_descriptors() {
            RendezvousError::Descriptors(error)
        } else {
            RendezvousError::Call(error)
        }
    }
}

/// Channel ends that the worker creates and sends to its parent.
#[derive(Serialize, Deserialize)]
struct ParentEnds {
    to_worker: IpcBytesSender,
    from_worker: IpcBytesReceiver,
}

/// A named socket that one worker is expected to connect to.
pub struct Rendezvous {
    server: IpcOneShotServer<ParentEnds>,
    name: String,
    _start: StartGuard,
}

impl Rendezvous {
    /// Checks the preconditions of [`Rendezvous::open`]. Call this once before the first worker is started.
    ///
    /// # Errors
    /// If the directory for temporary files cannot be used, or there are not enough file descriptors.
    pub fn check() -> Result<(), RendezvousError> {
        check_descriptors(DESCRIPTORS_PER_START)?;
        // ipc-channel measures its sockets when the first packet is sent, and panics if that fails.
        let (sender, receiver) = bytes_channel().map_err(|e| CallError::new("socketpair", e))?;
        sender.send(b"x").map_err(|e| CallError::new("sendmsg", e))?;
        receiver.recv().map_err(|e| CallError::new("recvmsg", io::Error::other(e)))?;
        check_directory(&std::env::temp_dir())
    }

    /// Opens a socket for the worker with this page. The worker rings its doorbell once it has connected and
    /// sent its hello. The directory for temporary files is created again if it was removed after the
    /// [check](Rendezvous::check), as session directories can be.
    ///
    /// # Errors
    /// If the directory for temporary files cannot be used, or there are not enough file descriptors.
    pub fn open(page: &SharedPage) -> Result<Rendezvous, RendezvousError> {
        AnnouncedReceiver::<&SharedPage>::expect_first_packet(page);
        let start = StartGuard::new();
        check_descriptors(DESCRIPTORS_PER_START * STARTS.load(Ordering::Relaxed))?;
        let directory = std::env::temp_dir();
        if !directory.exists() {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
            made.map_err(|e| directory_error(&directory, &CallError::at("mkdir", &directory, e)))?;
        }
        // ipc-channel creates the same files, but if that fails it leaks a descriptor and does not report the
        // cause.
        check_directory(&directory)?;
        let (server, name) = IpcOneShotServer::new().map_err(|e| CallError::at("socket", &directory, e))?;
        Ok(Rendezvous { server, name, _start: start })
    }

    /// Name of the rendezvous, which the worker passes to [`connect`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the link to the worker with this page. Call this after the worker has rung its doorbell.
    /// Blocks until the worker exits if it has connected but sends nothing.
    ///
    /// # Errors
    /// If the worker has not connected, or has sent an unexpected message.
    pub fn accept<P>(self, page: P) -> Result<Link, RendezvousError>
    where
        P: Deref<Target = SharedPage> + Send + Sync + 'static,
    {
        let (server, name) = (self.server, self.name);
        // Without a connection `accept` would block if the worker has rung without connecting.
        connect_and_close(&name);
        // `accept` panics if no descriptors are left for the channel ends in the message, and on unexpected
        // messages.
        let accepted = catch_panic(|| server.accept()).map_err(|panic| {
            check_descriptors(DESCRIPTORS_PER_START).err().unwrap_or_else(|| {
                RendezvousError::NotConnected(format!(
                    "unexpected message, or no file descriptors left to receive it ({panic})"
                ))
            })
        })?;
        // `_bootstrap` is a receiver without close-on-exec; it must be dropped before the next worker is
        // started.
        let (_bootstrap, ends) = accepted.map_err(|error| accept_error(&name, error))?;
        let receiver = AnnouncedReceiver::new(ends.from_worker, page);
        Ok(Link { sender: Box::new(ends.to_worker), receiver: Box::new(receiver) })
    }
}

/// Converts an error of accepting the connection to the socket `name`.
fn accept_error(name: &str, error: IpcError) -> RendezvousError {
    match error {
        // Except for a reset connection, system errors concern this process and not the worker.
        IpcError::Io(error)
            if error.raw_os_error().is_some() && error.kind() != io::ErrorKind::ConnectionReset =>
        {
            CallError::at("accept", name, error).into()
        }
        error => RendezvousError::NotConnected(error.to_string()),
    }
}

/// Connects to the socket `name` and disconnects. Does nothing if no process listens there; ipc-channel's own
/// `connect` would leak a descriptor in that case.
fn connect_and_close(name: &str) {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None);
    if let (Ok(socket), Ok(address)) = (socket, UnixAddr::new(name)) {
        let _ = nix::sys::socket::connect(socket.as_raw_fd(), &address);
    }
}

/// Connects the worker with this page to its parent at the rendezvous `name`.
///
/// # Errors
/// If no parent waits there, or a system call fails.
pub fn connect<P>(name: &str, page: P) -> io::Result<Link>
where
    P: Deref<Target = SharedPage> + Send + Sync + 'static,
{
    let (to_worker, from_parent) = bytes_channel()?;
    let (to_parent, from_worker) = bytes_channel()?;
    let server = IpcSender::connect(name.to_owned())?;
    server.send(ParentEnds { to_worker, from_worker }).map_err(io::Error::other)?;
    Ok(Link { sender: Box::new(AnnouncingSender::new(to_parent, page)), receiver: Box::new(from_parent) })
}

/// Counts a start in progress. Each start needs descriptors that the other starts must not use up.
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

/// Checks that `count` more descriptors can be opened, by opening that many and closing them.
fn check_descriptors(count: usize) -> Result<(), RendezvousError> {
    // One thread at a time: concurrent checks would count each other's descriptors.
    static CHECK: Mutex<()> = Mutex::new(());
    let _guard = CHECK.lock().unwrap_or_else(PoisonError::into_inner);
    let probes: Result<Vec<EventFd>, RendezvousError> = (0..count).map(|_| create_eventfd()).collect();
    probes.map(drop)
}

fn create_eventfd() -> Result<EventFd, RendezvousError> {
    Ok(EventFd::from_flags(EfdFlags::EFD_CLOEXEC).map_err(|e| CallError::new("eventfd", e))?)
}

/// Checks that a rendezvous can be created: creates a directory in `directory` and a socket in it, and
/// removes both.
fn check_directory(directory: &Path) -> Result<(), RendezvousError> {
    if directory.to_str().is_none() {
        return Err(directory_error(directory, &"its path is not UTF-8"));
    }
    let made = tempfile::Builder::new().tempdir_in(directory);
    let made = made.map_err(|error| directory_error(directory, &format_args!("mkdir failed: {error}")))?;
    let path = made.path().join("socket");
    let length = path.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        let excess = length - MAX_SOCKET_PATH;
        return Err(directory_error(directory, &format_args!("its path is {excess} bytes too long")));
    }
    check_socket(&path)
}

fn check_socket(path: &Path) -> Result<(), RendezvousError> {
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None);
    let socket = socket.map_err(|e| CallError::new("socket", e))?;
    let address = UnixAddr::new(path).map_err(|e| CallError::at("bind", path, e))?;
    Ok(bind(socket.as_raw_fd(), &address).map_err(|e| CallError::at("bind", path, e))?)
}

fn directory_error(directory: &Path, reason: &dyn std::fmt::Display) -> RendezvousError {
    RendezvousError::Directory { path: directory.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc_channel::ipc::IpcOneShotServer;

    fn descriptors() -> usize {
        fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[test]
    fn connecting_without_listener_leaks_no_descriptor() {
        let (server, name) = IpcOneShotServer::<()>::new().unwrap();
        drop(server);
        // Other tests of this process open and close descriptors concurrently, but fewer than 100.
        let before = descriptors();
        (0..200).for_each(|_| connect_and_close(&name));
        assert!(descriptors() < before + 100);
    }
}
