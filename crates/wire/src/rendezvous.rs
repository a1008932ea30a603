//! How a worker finds its parent: a socket with a name, used once.
//!
//! ipc-channel's one-shot server is careful about nothing: it panics or cuts the path when TMPDIR is unusable,
//! waits for ever if nobody connects, and leaves its descriptors to every child. All of that is dealt with here.

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
    socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, socket},
};
use serde::{Deserialize, Serialize};
use sys::{call::CallError, shared_page::SharedPage};

use crate::{
    Link,
    announced::{AnnouncedReceiver, AnnouncingSender},
    catch_panic,
};

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
    /// No descriptors are left, in this process or in the system.
    #[error("no file descriptors left for a worker: {0}; raise `ulimit -n` or use fewer workers")]
    Descriptors(CallError),
    /// The system refused a call, for another reason.
    #[error("cannot meet a worker: {0}")]
    Call(CallError),
    /// No thread to wait for a worker with.
    #[error("no thread to wait for a worker: {0}")]
    Thread(io::Error),
    /// The worker ended, or said something else.
    #[error("the worker did not introduce itself: {0}")]
    Silent(String),
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
        let (sender, receiver) = bytes_channel().map_err(|e| CallError::new("socketpair", e))?;
        sender.send(b"x").map_err(|e| CallError::new("sendmsg", e))?;
        receiver.recv().map_err(|e| CallError::new("recvmsg", io::Error::other(e)))?;
        require_directory(&std::env::temp_dir())
    }

    /// Opens a place for the worker with this page, which will ring once it has joined and introduced itself. The directory
    /// for temporary files is made again if it has disappeared since it was [checked](Rendezvous::check), as one that
    /// belongs to a session may.
    ///
    /// # Errors
    /// When the directory for temporary files or the descriptors do not suffice.
    pub fn open(page: &SharedPage) -> Result<Rendezvous, RendezvousError> {
        AnnouncedReceiver::<&SharedPage>::expect_first_packet(page);
        let start = StartGuard::new();
        require_descriptors(DESCRIPTORS_PER_START * STARTS.load(Ordering::Relaxed))?;
        let directory = std::env::temp_dir();
        if !directory.exists() {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
            made.map_err(|e| unusable(&directory, &CallError::at("mkdir", &directory, e)))?;
        }
        // ipc-channel does the same, but leaves a descriptor behind when it fails, and does not say at what.
        require_directory(&directory)?;
        let (server, name) = IpcOneShotServer::new().map_err(|e| CallError::at("socket", &directory, e))?;
        Ok(Rendezvous { server, name, _start: start })
    }

    /// What the worker must be told, to [join] the place.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the link to the worker with this page, which has rung. A worker that has rung without having joined is an error;
    /// one that has connected and says nothing is waited for until it ends.
    ///
    /// # Errors
    /// When it has not joined, or sent something else.
    pub fn accept<P>(self, page: P) -> Result<Link, RendezvousError>
    where
        P: Deref<Target = SharedPage> + Send + Sync + 'static,
    {
        let (server, name) = (self.server, self.name);
        // ipc-channel would wait for a worker that has rung without having joined.
        knock(&name);
        // It panics with no descriptors left for the ends that come with the message, and at messages that it does not know.
        let accepted = catch_panic(|| server.accept()).map_err(|panic| {
            require_descriptors(DESCRIPTORS_PER_START).err().unwrap_or_else(|| {
                RendezvousError::Silent(format!(
                    "it said something that no worker says, or no file descriptors were left for it ({panic})"
                ))
            })
        })?;
        // The first half is a receiver without close-on-exec; it must be gone before the next worker is started.
        let (_bootstrap, ends) = accepted.map_err(|error| not_met(&name, error))?;
        let receiver = AnnouncedReceiver::new(ends.from_worker, page);
        Ok(Link { sender: Box::new(ends.to_worker), receiver: Box::new(receiver) })
    }
}

/// Why nobody was accepted at the place of this name.
fn not_met(name: &str, error: IpcError) -> RendezvousError {
    match error {
        // Anything but a peer that is gone is about our own side.
        IpcError::Io(error)
            if error.raw_os_error().is_some() && error.kind() != io::ErrorKind::ConnectionReset =>
        {
            CallError::at("accept", name, error).into()
        }
        error => RendezvousError::Silent(error.to_string()),
    }
}

/// Connects to the place of this name, and disconnects. If no parent waits there, nothing happens; ipc-channel's own `connect` would
/// then leave a descriptor behind.
fn knock(name: &str) {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None);
    if let (Ok(socket), Ok(address)) = (socket, UnixAddr::new(name)) {
        let _ = connect(socket.as_raw_fd(), &address);
    }
}

/// Joins the place of this name: the side of the worker with this page.
///
/// # Errors
/// When nobody waits there.
pub fn join<P>(name: &str, page: P) -> io::Result<Link>
where
    P: Deref<Target = SharedPage> + Send + Sync + 'static,
{
    let (to_worker, from_parent) = bytes_channel()?;
    let (to_parent, from_worker) = bytes_channel()?;
    let server = IpcSender::connect(name.to_owned())?;
    server.send(ParentEnds { to_worker, from_worker }).map_err(io::Error::other)?;
    Ok(Link { sender: Box::new(AnnouncingSender::new(to_parent, page)), receiver: Box::new(from_parent) })
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
    let probes: Result<Vec<EventFd>, RendezvousError> = (0..count).map(|_| event()).collect();
    probes.map(drop)
}

fn event() -> Result<EventFd, RendezvousError> {
    Ok(EventFd::from_flags(EfdFlags::EFD_CLOEXEC).map_err(|e| CallError::new("eventfd", e))?)
}

/// Makes what a rendezvous consists of, and removes it: a directory in `directory`, and a socket in that.
fn require_directory(directory: &Path) -> Result<(), RendezvousError> {
    if directory.to_str().is_none() {
        return Err(unusable(directory, &"its name is not UTF-8"));
    }
    let made = tempfile::Builder::new().tempdir_in(directory);
    let made = made.map_err(|error| unusable(directory, &format_args!("mkdir failed: {error}")))?;
    let path = made.path().join("socket");
    let length = path.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        let excess = length - MAX_SOCKET_PATH;
        return Err(unusable(directory, &format_args!("its name is {excess} bytes too long")));
    }
    require_socket(&path)
}

fn require_socket(path: &Path) -> Result<(), RendezvousError> {
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None);
    let socket = socket.map_err(|e| CallError::new("socket", e))?;
    let address = UnixAddr::new(path).map_err(|e| CallError::at("bind", path, e))?;
    Ok(bind(socket.as_raw_fd(), &address).map_err(|e| CallError::at("bind", path, e))?)
}

fn unusable(directory: &Path, reason: &dyn std::fmt::Display) -> RendezvousError {
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
    fn knocking_where_nobody_waits_leaves_nothing_behind() {
        let (server, name) = IpcOneShotServer::<()>::new().unwrap();
        drop(server);
        // Other tests of this process open and close descriptors meanwhile, but not so many.
        let before = descriptors();
        (0..200).for_each(|_| knock(&name));
        assert!(descriptors() < before + 100);
    }
}
