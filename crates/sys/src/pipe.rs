//! Pipes: how much is in them, and how much may be.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use libc::c_int;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// Number of bytes in a pipe that have not been read; either end will do, also after the other is closed.
///
/// # Errors
/// When the descriptor is no pipe.
pub fn unread(pipe: impl AsFd) -> io::Result<usize> {
    let mut count: c_int = 0;
    // SAFETY: the call writes one integer, to a variable that lives through it.
    let result = unsafe { libc::ioctl(pipe.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(usize::try_from(count).unwrap_or(0)) }
}

/// Changes the capacity of a pipe, and returns the new one, which is at least a page and a power of two.
///
/// # Errors
/// When the pipe holds more than that, or the user has too much pipe memory already.
pub fn set_capacity(pipe: impl AsFd, bytes: c_int) -> io::Result<usize> {
    let capacity = fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(bytes))?;
    Ok(usize::try_from(capacity).unwrap_or(0))
}

/// Makes reads from this end, or writes to it, fail instead of wait. The other end is not changed.
///
/// # Errors
/// What the system says.
pub fn set_nonblocking(pipe: impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(pipe.as_fd(), FcntlArg::F_GETFL)?);
    fcntl(pipe.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Moves a descriptor, if it has the number of a standard stream, as it may in a program that has closed one.
pub(crate) fn above_streams(descriptor: OwnedFd) -> nix::Result<OwnedFd> {
    const FIRST: c_int = libc::STDERR_FILENO + 1;
    if descriptor.as_raw_fd() >= FIRST {
        return Ok(descriptor);
    }
    let moved = fcntl(&descriptor, FcntlArg::F_DUPFD_CLOEXEC(FIRST))?;
    // SAFETY: the system has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};

    #[test]
    fn unread_bytes_are_counted_from_either_end_and_after_the_reader_is_gone() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"abc").unwrap();
        assert_eq!(unread(&reader).unwrap(), 3);
        reader.read_exact(&mut [0; 1]).unwrap();
        assert_eq!(unread(&writer).unwrap(), 2);
        drop(reader);
        assert_eq!(unread(&writer).unwrap(), 2);
    }

    #[test]
    fn a_pipe_of_one_page_has_room_again_when_it_is_empty() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let page = set_capacity(&writer, 1).unwrap();
        set_nonblocking(&writer).unwrap();
        writer.write_all(b"abc").unwrap();
        assert_eq!(writer.write(&vec![0; page]).unwrap_err().kind(), ErrorKind::WouldBlock);
        reader.read_exact(&mut [0; 3]).unwrap();
        assert_eq!(writer.write(&vec![0; page]).unwrap(), page);
    }
}
