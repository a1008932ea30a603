//! The seam between messages and whatever carries them: two ends that exchange packets.

use std::{
    io,
    os::fd::OwnedFd,
    sync::mpsc::{Receiver, Sender, channel},
};

use ipc_channel::{
    IpcError,
    ipc::{IpcBytesReceiver, IpcBytesSender},
};
use sys::payload::Payload;

use crate::catch_panic;

/// Why nothing more comes through a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The peer closed it or died.
    #[error("the other side is gone")]
    Gone,
    /// The peer sent what no peer of this version sends.
    #[error("the other side sent {0}")]
    Malformed(&'static str),
    /// There is no memory for a message of the peer's.
    #[error("there is no memory for a message of {bytes} bytes or more")]
    NoMemory {
        /// The bytes that have come so far.
        bytes: usize,
    },
}

/// The end that packets go into.
pub trait PacketSender: Send + Sync {
    /// Sends one packet; waits while the link is full.
    ///
    /// # Errors
    /// When the peer is gone.
    fn send(&self, packet: &[u8]) -> Result<(), Closed>;

    /// Whether [`send_file`](PacketSender::send_file) can succeed.
    fn takes_files(&self) -> bool {
        false
    }

    /// Hands a file over, with a packet that announces it; returns `false` if that is not possible now.
    ///
    /// # Errors
    /// When the peer is gone.
    fn send_file(&self, file: &Payload) -> Result<bool, Closed> {
        let _ = file;
        Ok(false)
    }
}

/// The end that packets come out of.
pub trait PacketReceiver: Send {
    /// Waits for the next packet. What was sent before the peer died still arrives.
    ///
    /// # Errors
    /// When the peer is gone and nothing is left.
    fn receive(&mut self) -> Result<Vec<u8>, Closed>;

    /// Returns the next packet, if it is there. That the peer is gone only [`receive`](PacketReceiver::receive) says.
    ///
    /// # Errors
    /// When the peer sends what no peer sends.
    fn try_receive(&mut self) -> Result<Option<Vec<u8>>, Closed>;

    /// Returns the next file that the peer has handed over; `None` if there is none.
    fn take_file(&mut self) -> Option<OwnedFd> {
        None
    }

    /// Asks the peer to ring, or not to, when it sends the next packet; returns whether there is one already. Links whose peer
    /// wakes this process in any case ignore it.
    fn ask_for_ring(&mut self, wanted: bool) -> bool {
        let _ = wanted;
        false
    }
}

/// Both ends that one side holds.
pub struct Link {
    /// Towards the peer.
    pub sender: Box<dyn PacketSender>,
    /// From the peer.
    pub receiver: Box<dyn PacketReceiver>,
}

impl PacketSender for IpcBytesSender {
    fn send(&self, packet: &[u8]) -> Result<(), Closed> {
        loop {
            match IpcBytesSender::send(self, packet) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // First ECONNRESET, if the peer died with packets unread, then EPIPE: gone all the same.
                Err(_) => return Err(Closed::Gone),
            }
        }
    }
}

impl PacketReceiver for IpcBytesReceiver {
    fn receive(&mut self) -> Result<Vec<u8>, Closed> {
        // A peer that died with packets unread leaves one error here, before what it had sent; only then do its
        // packets come, and after them the end.
        let mut errors = 0;
        loop {
            match IpcBytesReceiver::recv(self) {
                Ok(packet) => return Ok(packet),
                Err(IpcError::Disconnected) => return Err(Closed::Gone),
                Err(IpcError::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if errors < 3 => errors += 1,
                Err(_) => return Err(Closed::Gone),
            }
        }
    }

    fn try_receive(&mut self) -> Result<Option<Vec<u8>>, Closed> {
        // It panics at what it cannot read.
        catch_panic(|| IpcBytesReceiver::try_recv(self).ok())
            .map_err(|_| Closed::Malformed("what ipc-channel cannot read"))
    }
}

/// Two connected links within this process, for tests that need no second process but the real codec.
#[must_use]
pub fn memory_pair() -> (Link, Link) {
    let (here, there) = (channel(), channel());
    (memory_link(here.0, there.1), memory_link(there.0, here.1))
}

fn memory_link(sender: Sender<Vec<u8>>, receiver: Receiver<Vec<u8>>) -> Link {
    Link { sender: Box::new(MemorySender(sender)), receiver: Box::new(MemoryReceiver(receiver)) }
}

struct MemorySender(Sender<Vec<u8>>);

impl PacketSender for MemorySender {
    fn send(&self, packet: &[u8]) -> Result<(), Closed> {
        self.0.send(packet.to_vec()).map_err(|_| Closed::Gone)
    }
}

struct MemoryReceiver(Receiver<Vec<u8>>);

impl PacketReceiver for MemoryReceiver {
    fn receive(&mut self) -> Result<Vec<u8>, Closed> {
        self.0.recv().map_err(|_| Closed::Gone)
    }

    fn try_receive(&mut self) -> Result<Option<Vec<u8>>, Closed> {
        Ok(self.0.try_recv().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc_channel::ipc::bytes_channel;

    #[test]
    fn what_was_sent_before_the_end_still_arrives() {
        let (sender, mut receiver) = bytes_channel().unwrap();
        PacketSender::send(&sender, b"one").unwrap();
        PacketSender::send(&sender, b"two").unwrap();
        drop(sender);
        assert_eq!(receiver.receive().unwrap(), b"one");
        assert_eq!(receiver.receive().unwrap(), b"two");
        assert_eq!(receiver.receive(), Err(Closed::Gone));
        assert_eq!(receiver.receive(), Err(Closed::Gone));
    }

    #[test]
    fn sending_to_nobody_is_an_error() {
        let (sender, receiver) = bytes_channel().unwrap();
        PacketSender::send(&sender, b"unread").unwrap();
        drop(receiver);
        assert_eq!(PacketSender::send(&sender, b"x"), Err(Closed::Gone));
        assert_eq!(PacketSender::send(&sender, b"x"), Err(Closed::Gone));
    }
}
