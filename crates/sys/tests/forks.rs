//! Copies of this process. Alone in a process of its own: copies that other tests make would lose descriptors too.

#![allow(clippy::unwrap_used)]

use std::{
    io::{self, Read},
    os::{fd::AsRawFd, unix::net::UnixStream},
};

use sys::forks::keep_from_copies;

#[test]
fn a_copy_holds_no_end_of_a_socket_that_is_ours() {
    let (mut here, there) = keep_from_copies(|| UnixStream::pair().unwrap()).unwrap();
    let (mut forked, from_copy) = io::pipe().unwrap();
    // SAFETY: the copy makes a few system calls, and ends by itself if this test does not end it.
    let copy = unsafe { libc::fork() };
    if copy == 0 {
        // SAFETY: as above; the byte is a constant.
        unsafe {
            libc::alarm(30);
            libc::write(from_copy.as_raw_fd(), c"!".as_ptr().cast(), 1);
            libc::pause();
            libc::_exit(0)
        };
    }
    forked.read_exact(&mut [0]).unwrap();
    drop(there);
    let read = here.read(&mut [0]).unwrap();
    // SAFETY: a child that has not been waited for keeps its number; no status is written.
    unsafe {
        libc::kill(copy, libc::SIGKILL);
        libc::waitpid(copy, std::ptr::null_mut(), 0);
    };
    assert_eq!(read, 0, "nobody has the other end any more");
}
