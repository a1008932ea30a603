//! Waiting for several descriptors at once.

use std::{
    os::fd::{AsRawFd, BorrowedFd},
    time::{Duration, Instant},
};

/// The event to wait for on a descriptor. End of stream and errors count as ready.
#[derive(Clone, Copy, Debug)]
pub enum Interest<'a> {
    /// No event: never ready.
    Nothing,
    /// Readable without blocking.
    Read(BorrowedFd<'a>),
    /// Writable without blocking.
    Write(BorrowedFd<'a>),
}

/// Waits until at least one descriptor is ready or the timeout, rounded up to milliseconds, has passed.
/// Returns which descriptors are ready. `None` waits without a limit.
///
/// ```
/// use std::{io::{self, Write}, os::fd::AsFd, time::Duration};
/// use sys::ready::{Interest, wait_ready};
///
/// let (reader, mut writer) = io::pipe()?;
/// let both = |timeout| wait_ready([Interest::Read(reader.as_fd()), Interest::Nothing], timeout);
/// assert_eq!(both(Some(Duration::ZERO)), [false, false]);
/// writer.write_all(b"x")?;
/// assert_eq!(both(None), [true, false]);
/// # Ok::<(), io::Error>(())
/// ```
#[must_use]
pub fn wait_ready<const N: usize>(awaited: [Interest<'_>; N], timeout: Option<Duration>) -> [bool; N] {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let mut fds = awaited.map(|awaited| {
        let (fd, events) = match awaited {
            Interest::Nothing => (-1, 0),
            Interest::Read(fd) => (fd.as_raw_fd(), libc::POLLIN),
            Interest::Write(fd) => (fd.as_raw_fd(), libc::POLLOUT),
        };
        libc::pollfd { fd, events, revents: 0 }
    });
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let milliseconds =
            left.map_or(-1, |left| i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
        // SAFETY: the array outlives the call, which writes no more than its length; the descriptors are
        // borrowed.
        let count = unsafe { libc::poll(fds.as_mut_ptr(), N as libc::nfds_t, milliseconds) };
        // Errors are transient: an interruption or a lack of memory.
        if count > 0 || left.is_some_and(|left| left.is_zero()) {
            return fds.map(|fd| fd.revents != 0);
        }
    }
}
