//! A socket between two processes that carries no data but wake-ups, and at the start the descriptors of shared memory.
//!
//! A process that is about to sleep says so in shared memory; the other one rings. Rings that have not been waited for yet
//! are kept by the socket, so none is lost, and any number of them wakes a sleeper once.

use std::{
    io::{IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use nix::{
    cmsg_space,
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recv, recvmsg,
        send, sendmsg, socketpair,
    },
};

use crate::call::CallError;

/// How many descriptors can come with a ring.
const MAX_DESCRIPTORS: usize = 4;

/// Why [`Doorbell::wait`] has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The other process has rung.
    Rung,
    /// The other process has ended or has closed its end.
    Ended,
}

/// One end of such a socket.
#[derive(Debug)]
pub struct Doorbell(OwnedFd);

impl Doorbell {
    /// Makes both ends.
    ///
    /// # Errors
    /// When no descriptors or memory are left.
    pub fn pair() -> Result<(Doorbell, Doorbell), CallError> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (one, other) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)
            .map_err(|error| CallError::new("socketpair", error))?;
        Ok((Doorbell(one), Doorbell(other)))
    }

    /// Wakes the other process, if it waits or as soon as it does. Never blocks; that the other process has ended is found
    /// out by [`wait`](Doorbell::wait) only.
    pub fn ring(&self) {
        // A full socket holds more rings than anybody waits for.
        let _ = send(self.0.as_raw_fd(), &[0], MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
    }

    /// Waits until the other process rings or ends. Its rings come before its end.
    pub fn wait(&self) -> Woken {
        let mut fd = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        loop {
            if let Some(woken) = self.try_wait() {
                return woken;
            }
            match poll(&mut fd, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                // Neither memory for a descriptor nor the descriptor itself can be missing.
                Err(_) => return Woken::Ended,
            }
        }
    }

    /// Takes up to 256 rings; returns `None` if there are none and the other process has not ended. Rings that are left
    /// end the next [`wait`](Doorbell::wait).
    pub fn try_wait(&self) -> Option<Woken> {
        let mut bytes = [0; 256];
        loop {
            match recv(self.0.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
                Ok(1..) => return Some(Woken::Rung),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return None,
                Ok(0) | Err(_) => return Some(Woken::Ended),
            }
        }
    }

    /// Sends descriptors to the other process, which [receives](Doorbell::receive) them as its first step.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn send(&self, descriptors: &[BorrowedFd<'_>]) -> Result<(), CallError> {
        let numbers: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let message = [ControlMessage::ScmRights(&numbers)];
        sendmsg::<()>(self.0.as_raw_fd(), &[IoSlice::new(&[0])], &message, MsgFlags::MSG_NOSIGNAL, None)
            .map_err(|error| CallError::new("sendmsg", error))?;
        Ok(())
    }

    /// Receives the descriptors that the other process has sent before, with close-on-exec set.
    ///
    /// # Errors
    /// When there are none, or this process can have no more.
    pub fn receive(&self) -> Result<Vec<OwnedFd>, CallError> {
        receive(self.as_fd(), MsgFlags::empty())
    }
}

/// Returns copies of the descriptors that wait to be received from a socket, and leaves them there.
pub(crate) fn peek(socket: BorrowedFd<'_>) -> Result<Vec<OwnedFd>, CallError> {
    receive(socket, MsgFlags::MSG_PEEK)
}

fn receive(socket: BorrowedFd<'_>, flags: MsgFlags) -> Result<Vec<OwnedFd>, CallError> {
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = cmsg_space!([RawFd; MAX_DESCRIPTORS]);
    let flags = flags | MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let failed = |error| CallError::new("recvmsg", error);
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags).map_err(failed)?;
    let mut received = Vec::new();
    for part in message.cmsgs().map_err(failed)? {
        if let ControlMessageOwned::ScmRights(numbers) = part {
            received.extend(numbers.into_iter().map(own));
        }
    }
    Ok(received)
}

impl From<OwnedFd> for Doorbell {
    /// The end that a process has inherited.
    fn from(fd: OwnedFd) -> Doorbell {
        Doorbell(fd)
    }
}

impl From<Doorbell> for OwnedFd {
    fn from(door: Doorbell) -> OwnedFd {
        door.0
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn own(number: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just created this descriptor for this process, so it has no other owner.
    unsafe { OwnedFd::from_raw_fd(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_not_lost_and_many_wake_once() {
        let (one, other) = Doorbell::pair().unwrap();
        (0..100_000).for_each(|_| one.ring());
        while other.try_wait().is_some() {}
        one.ring();
        assert_eq!(other.wait(), Woken::Rung);
        assert_eq!(other.try_wait(), None);
    }

    #[test]
    fn an_end_is_noticed_after_the_last_ring() {
        let (one, other) = Doorbell::pair().unwrap();
        one.ring();
        drop(one);
        assert_eq!([other.wait(), other.wait()], [Woken::Rung, Woken::Ended]);
        other.ring();
    }

    #[test]
    fn descriptors_arrive_in_order() {
        let (one, other) = Doorbell::pair().unwrap();
        let files = [std::fs::File::open("/dev/null").unwrap(), std::fs::File::open("/dev/zero").unwrap()];
        one.send(&[files[0].as_fd(), files[1].as_fd()]).unwrap();
        let received = other.receive().unwrap();
        let path = |fd: &OwnedFd| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
        assert_eq!(
            [path(&received[0]), path(&received[1])].map(|path| path.display().to_string()),
            ["/dev/null", "/dev/zero"]
        );
        assert!(other.receive().is_err());
    }
}
