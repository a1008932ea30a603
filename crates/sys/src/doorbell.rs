//! A socket between two processes that carries wake-ups and descriptors, and no other data.
//!
//! A process that is about to sleep sets a flag in shared memory; the other process rings. The socket buffers
//! rings that arrive before the wait, so none is lost. Any number of rings wakes a sleeping process once.

use std::{
    collections::VecDeque,
    io::{IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    time::Duration,
};

use nix::{
    cmsg_space,
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, send,
        sendmsg, socketpair,
    },
};

use parking_lot::Mutex;

use crate::{call::CallError, payload};

/// Maximum number of descriptors sent with one ring.
const MAX_DESCRIPTORS: usize = 4;

/// Reason why [`Doorbell::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The other process has rung.
    Rung,
    /// The other process has ended or has closed its end.
    Ended,
}

/// Maximum number of descriptors queued for [`Doorbell::take_descriptor`]; further ones are closed.
const MAX_PENDING: usize = 16;

/// One end of the socket.
#[derive(Debug)]
pub struct Doorbell {
    socket: OwnedFd,
    /// Descriptors that came with rings and were not taken yet, oldest first.
    pending: Mutex<VecDeque<OwnedFd>>,
    /// The other process's answer to a request for a descriptor; the inner value is `None` if it refused.
    answer: Mutex<Option<Option<OwnedFd>>>,
}

/// Bytes on the socket, besides those of rings, which are 0: an answer with a descriptor, and a refusal.
const ANSWER: u8 = 1;
const REFUSAL: u8 = 2;

impl Doorbell {
    /// Creates both ends.
    ///
    /// # Errors
    /// The system is out of descriptors or memory.
    pub fn pair() -> Result<(Doorbell, Doorbell), CallError> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (one, other) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)
            .map_err(|error| CallError::new("socketpair", error))?;
        Ok((one.into(), other.into()))
    }

    /// Wakes the other process if it waits, or else makes its next wait return at once. Never blocks. Does
    /// not report that the other process has ended; [`wait`](Doorbell::wait) does.
    pub fn ring(&self) {
        // A full socket already holds enough rings to wake the other process.
        let _ = send(self.socket.as_raw_fd(), &[0], MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
    }

    /// Waits until the other process rings or ends. Rings are returned before the end. Frees kept memory that
    /// is not used meanwhile.
    pub fn wait(&self) -> Woken {
        let mut fd = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        loop {
            if let Some(woken) = self.try_wait() {
                return woken;
            }
            // Rounded up, so that the time has passed when the wait for it ends.
            let free_after = payload::time_to_free().map(|time| time + Duration::from_millis(1));
            let timeout = free_after
                .map_or(PollTimeout::NONE, |time| PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX));
            match poll(&mut fd, timeout) {
                Ok(0) => payload::free_unused(),
                Ok(_) | Err(Errno::EINTR) => {}
                // `poll` on one open descriptor fails for no other reason, so this is not reached.
                Err(_) => return Woken::Ended,
            }
        }
    }

    /// Takes up to 256 rings. Returns `None` if there are none and the other process has not ended. Remaining
    /// rings make the next [`wait`](Doorbell::wait) return at once.
    pub fn try_wait(&self) -> Option<Woken> {
        let mut bytes = [0; 256];
        loop {
            match receive(self.as_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
                Ok((0, _)) => return Some(Woken::Ended),
                Ok((count, descriptors)) => {
                    self.note(&bytes[..count], descriptors);
                    return Some(Woken::Rung);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return None,
                Err(_) => return Some(Woken::Ended),
            }
        }
    }

    /// Keeps what came with rings. One call receives no byte behind those that came with descriptors, so the
    /// last byte says what these are.
    fn note(&self, bytes: &[u8], mut descriptors: Vec<OwnedFd>) {
        if bytes.contains(&REFUSAL) {
            *self.answer.lock() = Some(None);
        }
        if bytes.last() == Some(&ANSWER) {
            *self.answer.lock() = Some(descriptors.pop());
        } else if !descriptors.is_empty() {
            let mut pending = self.pending.lock();
            let room = MAX_PENDING.saturating_sub(pending.len());
            pending.extend(descriptors.into_iter().take(room));
        }
    }

    /// Answers the other process's request: with a descriptor, or with a refusal.
    ///
    /// # Errors
    /// The other process is gone, or does not receive, or there are no resources for the descriptor.
    pub fn answer(&self, descriptor: Option<BorrowedFd<'_>>) -> Result<(), CallError> {
        match descriptor {
            Some(descriptor) => self.send_byte(ANSWER, &[descriptor.as_raw_fd()]),
            None => self.send_byte(REFUSAL, &[]),
        }
    }

    /// Waits for the other process's [answer](Doorbell::answer); returns `None` if it refuses or is gone.
    #[must_use]
    pub fn wait_for_answer(&self) -> Option<OwnedFd> {
        loop {
            if let Some(answer) = self.answer.lock().take() {
                return answer;
            }
            if self.wait() == Woken::Ended {
                return self.answer.lock().take().flatten();
            }
        }
    }

    /// Takes the next descriptor that the other process has [sent](Doorbell::send) and that was not
    /// [received](Doorbell::receive); `None` if there is none.
    pub fn take_descriptor(&self) -> Option<OwnedFd> {
        loop {
            let pending = self.pending.lock().pop_front();
            // No descriptors follow an end.
            if pending.is_some() || self.try_wait() != Some(Woken::Rung) {
                return pending.or_else(|| self.pending.lock().pop_front());
            }
        }
    }

    /// Sends descriptors to the other process, and rings. Never blocks.
    ///
    /// # Errors
    /// The system refuses to send, or the socket is full.
    pub fn send(&self, descriptors: &[BorrowedFd<'_>]) -> Result<(), CallError> {
        let numbers: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        self.send_byte(0, &numbers)
    }

    fn send_byte(&self, byte: u8, descriptors: &[RawFd]) -> Result<(), CallError> {
        let with_descriptors = [ControlMessage::ScmRights(descriptors)];
        let message = if descriptors.is_empty() { &[] } else { &with_descriptors[..] };
        let socket = self.socket.as_raw_fd();
        sendmsg::<()>(socket, &[IoSlice::new(&[byte])], message, MsgFlags::MSG_NOSIGNAL, None)
            .map_err(|error| CallError::new("sendmsg", error))?;
        Ok(())
    }

    /// Receives the descriptors that the other process has sent, with close-on-exec set. Never blocks.
    ///
    /// # Errors
    /// There are no descriptors, or this process is out of descriptors.
    pub fn receive(&self) -> Result<Vec<OwnedFd>, CallError> {
        receive_one(self.as_fd(), MsgFlags::empty())
    }
}

/// Returns duplicates of the descriptors that are ready to be received from a socket, and leaves the
/// originals in it.
pub(crate) fn peek(socket: BorrowedFd<'_>) -> Result<Vec<OwnedFd>, CallError> {
    receive_one(socket, MsgFlags::MSG_PEEK)
}

/// Receives the descriptors that come with the next byte.
fn receive_one(socket: BorrowedFd<'_>, flags: MsgFlags) -> Result<Vec<OwnedFd>, CallError> {
    let received = receive(socket, &mut [0], flags | MsgFlags::MSG_DONTWAIT);
    received.map(|(_, descriptors)| descriptors).map_err(|error| CallError::new("recvmsg", error))
}

/// Receives bytes, and the descriptors that come with the last of them, with close-on-exec set.
fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    flags: MsgFlags,
) -> Result<(usize, Vec<OwnedFd>), Errno> {
    let mut parts = [IoSliceMut::new(bytes)];
    let mut space = cmsg_space!([RawFd; MAX_DESCRIPTORS]);
    let flags = flags | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut descriptors = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = part {
            descriptors.extend(numbers.into_iter().map(own));
        }
    }
    Ok((message.bytes, descriptors))
}

impl From<OwnedFd> for Doorbell {
    /// Wraps the end that a process has inherited.
    fn from(socket: OwnedFd) -> Doorbell {
        Doorbell { socket, pending: Mutex::default(), answer: Mutex::default() }
    }
}

impl From<Doorbell> for OwnedFd {
    fn from(door: Doorbell) -> OwnedFd {
        door.socket
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
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
    fn buffers_rings_and_wakes_once() {
        let (one, other) = Doorbell::pair().unwrap();
        (0..100_000).for_each(|_| one.ring());
        while other.try_wait().is_some() {}
        one.ring();
        assert_eq!(other.wait(), Woken::Rung);
        assert_eq!(other.try_wait(), None);
    }

    #[test]
    fn returns_rings_before_the_end() {
        let (one, other) = Doorbell::pair().unwrap();
        one.ring();
        drop(one);
        assert_eq!([other.wait(), other.wait()], [Woken::Rung, Woken::Ended]);
        other.ring();
    }

    #[test]
    fn receives_descriptors_in_order() {
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

    #[test]
    fn queues_descriptors_that_come_with_rings() {
        let (one, other) = Doorbell::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        for _ in 0..3 {
            one.ring();
            one.send(&[null.as_fd()]).unwrap();
        }
        assert_eq!(other.wait(), Woken::Rung);
        (0..3).for_each(|_| assert!(other.take_descriptor().is_some()));
        assert!(other.take_descriptor().is_none());
        drop(one);
        assert!(other.take_descriptor().is_none());
        assert_eq!(other.wait(), Woken::Ended);
    }

    #[test]
    fn answers_are_kept_apart_from_other_descriptors() {
        let (one, other) = Doorbell::pair().unwrap();
        let files = [std::fs::File::open("/dev/null").unwrap(), std::fs::File::open("/dev/zero").unwrap()];
        one.ring();
        one.send(&[files[0].as_fd()]).unwrap();
        one.answer(Some(files[1].as_fd())).unwrap();
        let path = |fd: OwnedFd| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
        assert_eq!(path(other.wait_for_answer().unwrap()).as_os_str(), "/dev/zero");
        assert_eq!(path(other.take_descriptor().unwrap()).as_os_str(), "/dev/null");
        one.answer(None).unwrap();
        assert!(other.wait_for_answer().is_none());
        drop(one);
        assert!(other.wait_for_answer().is_none(), "returns when the other process is gone");
    }

    #[test]
    fn closes_descriptors_beyond_the_limit() {
        let (one, other) = Doorbell::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        (0..2 * MAX_PENDING).for_each(|_| one.send(&[null.as_fd()]).unwrap());
        while other.try_wait().is_some() {}
        (0..MAX_PENDING).for_each(|_| assert!(other.take_descriptor().is_some()));
        assert!(other.take_descriptor().is_none());
    }
}
