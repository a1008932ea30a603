//! Fill level, capacity and blocking mode of pipes.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use libc::c_int;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// Returns the number of unread bytes in a pipe. Accepts either end, also after the other one is closed.
///
/// # Errors
/// The descriptor is not that of a pipe.
pub fn unread(pipe: impl AsFd) -> io::Result<usize> {
    let mut count: c_int = 0;
    // SAFETY: the call writes one integer, to a variable that outlives it.
    let result = unsafe { libc::ioctl(pipe.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(usize::try_from(count).unwrap_or(0)) }
}

/// Changes the capacity of a pipe, in bytes. Returns the new capacity, which is a power of two and at least
/// one page.
///
/// # Errors
/// The pipe holds more bytes than that, or the user's limit of pipe memory is reached.
pub fn set_capacity(pipe: impl AsFd, bytes: c_int) -> io::Result<usize> {
    let capacity = fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(bytes))?;
    Ok(usize::try_from(capacity).unwrap_or(0))
}

/// Makes reads from this end, or writes to it, fail instead of block. The other end is not changed.
///
/// # Errors
/// The system refuses to change the flags.
pub fn set_nonblocking(pipe: impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(pipe.as_fd(), FcntlArg::F_GETFL)?);
    fcntl(pipe.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Moves a descriptor that has the number of a standard stream, as happens in a program whose standard
/// streams are closed.
pub(crate) fn above_streams(descriptor: OwnedFd) -> nix::Result<OwnedFd> {
    const FIRST: c_int = libc::STDERR_FILENO + 1;
    if descriptor.as_raw_fd() >= FIRST {
        return Ok(descriptor);
    }
    let moved = fcntl(&descriptor, FcntlArg::F_DUPFD_CLOEXEC(FIRST))?;
    // SAFETY: the kernel has just created this descriptor for this process, so it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};

    #[test]
    fn counts_unread_bytes_from_either_end_and_without_reader() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"abc").unwrap();
        assert_eq!(unread(&reader).unwrap(), 3);
        reader.read_exact(&mut [0; 1]).unwrap();
        assert_eq!(unread(&writer).unwrap(), 2);
        drop(reader);
        assert_eq!(unread(&writer).unwrap(), 2);
    }

    #[test]
    fn one_page_pipe_accepts_a_page_when_empty() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let page = set_capacity(&writer, 1).unwrap();
        set_nonblocking(&writer).unwrap();
        writer.write_all(b"abc").unwrap();
        assert_eq!(writer.write(&vec![0; page]).unwrap_err().kind(), ErrorKind::WouldBlock);
        reader.read_exact(&mut [0; 3]).unwrap();
        assert_eq!(writer.write(&vec![0; page]).unwrap(), page);
    }
}
