//! Forked copies of this process. In a test binary of its own: processes forked by other tests would lose
//! descriptors too.

#![allow(clippy::unwrap_used)]

use std::{
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd, RawFd},
        unix::net::UnixStream,
    },
};

use sys::forks::{close_on_fork, close_only_on_fork};

/// Forks this process. The copy writes `!` to the pipe `from`, and waits to be killed.
fn fork_copy(from: RawFd) -> libc::pid_t {
    // SAFETY: the copy makes a few system calls, and ends by itself if this test does not end it.
    let copy = unsafe { libc::fork() };
    if copy == 0 {
        // SAFETY: as above; the byte is a constant.
        unsafe {
            libc::alarm(30);
            libc::write(from, c"!".as_ptr().cast(), 1);
            libc::pause();
            libc::_exit(0)
        };
    }
    copy
}

fn end(copy: libc::pid_t) {
    // SAFETY: a child that has not been waited for keeps its PID; no status is written.
    unsafe {
        libc::kill(copy, libc::SIGKILL);
        libc::waitpid(copy, std::ptr::null_mut(), 0);
    };
}

#[test]
fn forked_process_loses_registered_sockets_only() {
    let (mut older_here, older_there) = UnixStream::pair().unwrap();
    let opened = close_on_fork(older_there.as_fd(), || UnixStream::pair().unwrap());
    let (mut here, there) = opened.unwrap();
    let (mut forked, from_copy) = io::pipe().unwrap();
    let first = fork_copy(from_copy.as_raw_fd());
    forked.read_exact(&mut [0]).unwrap();
    let freed = there.as_raw_fd();
    drop((there, older_there));
    let read = [&mut here, &mut older_here].map(|end| end.read(&mut [0]).unwrap());
    end(first);
    assert_eq!(read, [0, 0], "no process holds the other ends");

    close_only_on_fork(here.as_fd());
    // SAFETY: the number is free, because its owner was dropped, and no other code opens files here.
    assert_eq!(unsafe { libc::dup2(from_copy.as_raw_fd(), freed) }, freed);
    drop(from_copy);
    let second = fork_copy(freed);
    // SAFETY: the number was taken above and is not used any more.
    unsafe { libc::close(freed) };
    let read = forked.read(&mut [0]);
    end(second);
    assert_eq!(read.unwrap(), 1, "the forked process keeps a file that reuses the number of a closed socket");
}
