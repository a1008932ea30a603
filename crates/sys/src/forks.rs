//! Copies of this process that somebody's code may fork: they are not to hold what is ours alone.

use std::{
    collections::BTreeSet,
    fs, io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    sync::{
        Once,
        atomic::{AtomicI32, Ordering},
    },
};

/// The descriptors that copies lose; -1 where there is none.
static OURS: [AtomicI32; 16] = [const { AtomicI32::new(-1) }; 16];

static HANDLER: Once = Once::new();

/// Has every copy of this process that `fork` makes lose the sockets that `open` opens: a peer that waits for this
/// process to hang up need not wait for the copies as well; and `also` one that it has already. In a copy their numbers lead to `/dev/null`, so that
/// nothing else can get them.
///
/// Sockets that another thread opens meanwhile are taken for ours.
///
/// # Errors
/// When there is no `/proc` to look them up in, or no memory to note the handler.
pub fn close_on_fork<T>(also: BorrowedFd<'_>, open: impl FnOnce() -> T) -> io::Result<T> {
    let before = sockets()?;
    let opened = open();
    let ours = sockets()?.into_iter().filter(|socket| !before.contains(socket)).chain([also.as_raw_fd()]);
    OURS.iter().zip(ours).for_each(|(place, socket)| place.store(socket, Ordering::SeqCst));
    let mut noted = 0;
    // SAFETY: the handler is there for as long as the program, and does only what is allowed after a fork.
    HANDLER.call_once(|| noted = unsafe { libc::pthread_atfork(None, None, Some(lose)) });
    if noted == 0 { Ok(opened) } else { Err(io::Error::from_raw_os_error(noted)) }
}

/// Has copies lose this socket and none of the others, which the caller is about to close: their numbers will be given to files
/// that copies have to keep.
pub fn unmap_on_fork(ours: BorrowedFd<'_>) {
    let number = ours.as_raw_fd();
    let others = OURS.iter().filter(|place| place.load(Ordering::SeqCst) != number);
    others.for_each(|place| place.store(-1, Ordering::SeqCst));
}

/// Runs in the copy, where only system calls are safe.
extern "C" fn lose() {
    // SAFETY: the path is a string that ends.
    let nowhere = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    for socket in OURS.iter().map(|place| place.load(Ordering::SeqCst)).filter(|&socket| socket >= 0) {
        // SAFETY: what this replaces belongs to the copied process, whose threads, but for this one, are not here.
        unsafe {
            if nowhere < 0 || libc::dup3(nowhere, socket, libc::O_CLOEXEC) < 0 {
                libc::close(socket);
            }
        }
    }
    // SAFETY: it was opened above and nobody else knows it.
    unsafe { libc::close(nowhere) };
}

/// The numbers of this process's sockets.
fn sockets() -> io::Result<BTreeSet<RawFd>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        // The one that lists the folder is closed by the time it is looked at.
        let leads_to_socket =
            fs::read_link(&path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        let number: Option<RawFd> = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        found.extend(number.filter(|_| leads_to_socket));
    }
    Ok(found)
}
