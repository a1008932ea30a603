//! Forks of this process by other code: counting them, and keeping descriptors out of the forked processes.

use std::{
    collections::BTreeSet,
    fs, io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    sync::{
        Once,
        atomic::{AtomicI32, AtomicU64, Ordering},
    },
};

/// Descriptors that are closed in forked processes; -1 in unused entries.
static CLOSED_ON_FORK: [AtomicI32; 16] = [const { AtomicI32::new(-1) }; 16];

static HANDLER: Once = Once::new();

/// Closes the sockets that `open` opens, and `also`, in every process that is forked from this one. A peer
/// that waits for this process to close the connection then does not have to wait for forked processes. In
/// these, the descriptors refer to `/dev/null`, so that their numbers are not reused.
///
/// Sockets that another thread opens during the call are included.
///
/// # Errors
/// `/proc` is not mounted, or there is no memory to register the fork handler.
pub fn close_on_fork<T>(also: BorrowedFd<'_>, open: impl FnOnce() -> T) -> io::Result<T> {
    let before = sockets()?;
    let opened = open();
    let to_close = sockets()?.into_iter().filter(|socket| !before.contains(socket)).chain([also.as_raw_fd()]);
    CLOSED_ON_FORK.iter().zip(to_close).for_each(|(entry, socket)| entry.store(socket, Ordering::SeqCst));
    let mut error = 0;
    // SAFETY: the handler exists for the lifetime of the program, and does only what is allowed after a fork.
    HANDLER.call_once(|| error = unsafe { libc::pthread_atfork(None, None, Some(close_in_child)) });
    if error == 0 { Ok(opened) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Number of times that a fork of this process has begun or ended, since the first call of [`count`].
static FORKS: AtomicU64 = AtomicU64::new(0);

static COUNTER: Once = Once::new();

/// Returns a number that is another one after a fork of this process: what had the same number before and
/// after it was used is not shared with a forked process. The system calls that programs make to start others
/// do not count.
pub fn count() -> u64 {
    COUNTER.call_once(|| {
        // SAFETY: the handlers exist for the lifetime of the program, and only change an atomic. Without
        // memory to register them, the number has no meaning, so this never happens later.
        let error = unsafe { libc::pthread_atfork(Some(note_fork), Some(note_fork), None) };
        assert_eq!(error, 0, "cannot register fork handlers");
    });
    FORKS.load(Ordering::SeqCst)
}

/// Runs before and after a fork, in this process.
extern "C" fn note_fork() {
    FORKS.fetch_add(1, Ordering::SeqCst);
}

/// Restricts the set of sockets closed on fork to `socket`. The caller is about to close the others, and
/// their numbers will be reused for files that forked processes must keep.
pub fn close_only_on_fork(socket: BorrowedFd<'_>) {
    let number = socket.as_raw_fd();
    let others = CLOSED_ON_FORK.iter().filter(|entry| entry.load(Ordering::SeqCst) != number);
    others.for_each(|entry| entry.store(-1, Ordering::SeqCst));
}

/// Runs in the forked process, where only async-signal-safe calls are allowed.
extern "C" fn close_in_child() {
    // SAFETY: the path is a C string.
    let null = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    for socket in
        CLOSED_ON_FORK.iter().map(|entry| entry.load(Ordering::SeqCst)).filter(|&socket| socket >= 0)
    {
        // SAFETY: the replaced descriptors are used by the original process only, whose other threads do not
        // exist in the forked process.
        unsafe {
            if null < 0 || libc::dup3(null, socket, libc::O_CLOEXEC) < 0 {
                libc::close(socket);
            }
        }
    }
    // SAFETY: it was opened above and has no other owner.
    unsafe { libc::close(null) };
}

/// Returns the descriptors of this process's sockets.
fn sockets() -> io::Result<BTreeSet<RawFd>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        // The descriptor of the directory itself is listed too, and is closed by the time its link is read.
        let is_socket = fs::read_link(&path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        let number: Option<RawFd> = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        found.extend(number.filter(|_| is_socket));
    }
    Ok(found)
}
