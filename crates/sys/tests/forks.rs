//! Copies of this process. Alone in a process of its own: copies that other tests make would lose descriptors too.

#![allow(clippy::unwrap_used)]

use std::{
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd, RawFd},
        unix::net::UnixStream,
    },
};

use sys::forks::{close_on_fork, unmap_on_fork};

/// Makes a copy of this process that says `!` through a pipe, from this descriptor, and waits to be killed.
fn copy(from: RawFd) -> libc::pid_t {
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
    // SAFETY: a child that has not been waited for keeps its number; no status is written.
    unsafe {
        libc::kill(copy, libc::SIGKILL);
        libc::waitpid(copy, std::ptr::null_mut(), 0);
    };
}

#[test]
fn a_copy_holds_no_end_of_a_socket_that_is_ours_and_all_other_files() {
    let (mut older_here, older_there) = UnixStream::pair().unwrap();
    let opened = close_on_fork(older_there.as_fd(), || UnixStream::pair().unwrap());
    let (mut here, there) = opened.unwrap();
    let (mut forked, from_copy) = io::pipe().unwrap();
    let first = copy(from_copy.as_raw_fd());
    forked.read_exact(&mut [0]).unwrap();
    let freed = there.as_raw_fd();
    drop((there, older_there));
    let read = [&mut here, &mut older_here].map(|end| end.read(&mut [0]).unwrap());
    end(first);
    assert_eq!(read, [0, 0], "nobody has the other ends any more");

    unmap_on_fork(here.as_fd());
    // SAFETY: the number is free, because its owner was dropped, and nobody else opens files here.
    assert_eq!(unsafe { libc::dup2(from_copy.as_raw_fd(), freed) }, freed);
    drop(from_copy);
    let second = copy(freed);
    // SAFETY: the number was taken above and is not used any more.
    unsafe { libc::close(freed) };
    let said = forked.read(&mut [0]);
    end(second);
    assert_eq!(said.unwrap(), 1, "a file with the number of a socket that was closed is kept");
}
