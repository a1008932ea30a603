//! Streams that are shared with other processes.
//!
//! `O_NONBLOCK` is a flag of the open file, not of the descriptor: a process that sets it on a pipe, a socket
//! or a terminal sets it for every process that inherited the same open file, at any time.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::fd::AsFd,
};

use nix::sys::stat::{SFlag, fstat};

use crate::ready::{Interest, wait_ready};

/// Maximum number of bytes that the kernel writes to a pipe atomically.
pub const PIPE_BUF: usize = libc::PIPE_BUF;

/// A stream whose reads and writes block, even if its descriptor is non-blocking.
#[derive(Debug)]
pub struct Blocking<T>(pub T);

impl<T: Read + AsFd> Read for Blocking<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let _ = wait_ready([Interest::Read(self.0.as_fd())], None);
                }
                result => return result,
            }
        }
    }
}

impl<T: Write + AsFd> Write for Blocking<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let _ = wait_ready([Interest::Write(self.0.as_fd())], None);
                }
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Returns true if the stream is a pipe or a FIFO.
#[must_use]
pub fn is_pipe(stream: impl AsFd) -> bool {
    fstat(stream).is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFIFO)
}

/// Writes a line to standard error, atomically if it is at most [`PIPE_BUF`] bytes long. Ignores errors,
/// where `eprintln!` panics.
pub fn print_error(line: &str) {
    let _ = Blocking(io::stderr()).write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::net::UnixStream, thread};

    #[test]
    fn waits_for_non_blocking_streams_in_both_directions() {
        let (one, other) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        other.set_nonblocking(true).unwrap();
        let sent = vec![7; 1 << 20];
        let reading = thread::spawn(move || {
            let mut read = Vec::new();
            Blocking(other).read_to_end(&mut read).map(|_| read)
        });
        Blocking(one).write_all(&sent).unwrap();
        assert!(reading.join().unwrap().unwrap() == sent);
    }

    #[test]
    fn closed_reader_is_an_error() {
        let (mut one, other) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        while one.write(&[0; 4096]).is_ok() {}
        let writing = thread::spawn(move || Blocking(one).write_all(b"more"));
        drop(other);
        assert_eq!(writing.join().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn distinguishes_pipes_from_other_streams() {
        let (reader, writer) = io::pipe().unwrap();
        assert!(is_pipe(&reader) && is_pipe(&writer));
        assert!(!is_pipe(UnixStream::pair().unwrap().0));
        assert!(!is_pipe(std::fs::File::open("/dev/null").unwrap()));
    }
}
