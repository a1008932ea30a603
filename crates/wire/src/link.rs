//! Links: the interface between messages and the transports that carry their packets.

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

/// Reason why a link cannot be used any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The peer closed the link or died.
    #[error("the peer closed the connection")]
    Gone,
    /// The peer violated the protocol.
    #[error("the peer sent {0}")]
    Malformed(&'static str),
    /// Not enough memory to receive a message.
    #[error("out of memory for a message of at least {bytes} bytes")]
    NoMemory {
        /// Number of bytes that are known to be needed.
        bytes: usize,
    },
}

/// Sending end of a link.
pub trait PacketSender: Send + Sync {
    /// Sends one packet. Blocks while the link is full.
    ///
    /// # Errors
    /// [`Closed::Gone`] if the peer closed the link or died.
    fn send(&self, packet: &[u8]) -> Result<(), Closed>;

    /// Returns whether the link can transfer files with [`send_file`](PacketSender::send_file).
    fn supports_files(&self) -> bool {
        false
    }

    /// Sends a file and a packet that announces it. Returns `false` if the file cannot be sent now.
    ///
    /// # Errors
    /// [`Closed::Gone`] if the peer closed the link or died.
    fn send_file(&self, file: &Payload) -> Result<bool, Closed> {
        let _ = file;
        Ok(false)
    }
}

/// Receiving end of a link.
pub trait PacketReceiver: Send {
    /// Waits for the next packet. Packets that were sent before the peer died are still received.
    ///
    /// # Errors
    /// [`Closed::Gone`] if the peer is gone and no packet is left.
    fn receive(&mut self) -> Result<Vec<u8>, Closed>;

    /// Returns the next packet, or `None` if there is none yet. Only [`receive`](PacketReceiver::receive)
    /// reports that the peer is gone.
    ///
    /// # Errors
    /// [`Closed::Malformed`] if the peer violates the protocol.
    fn try_receive(&mut self) -> Result<Option<Vec<u8>>, Closed>;

    /// Returns the next file that the peer has sent, or `None` if there is none.
    fn take_file(&mut self) -> Option<OwnedFd> {
        None
    }

    /// Enables or disables the peer's ring of the doorbell with its next packet. Returns `true` if it was
    /// enabled and there is a packet already. Links whose peer always wakes this process ignore the call and
    /// return `false`.
    fn request_ring(&mut self, wanted: bool) -> bool {
        let _ = wanted;
        false
    }
}

/// Sending and receiving end of one side of a connection.
pub struct Link {
    /// Sends to the peer.
    pub sender: Box<dyn PacketSender>,
    /// Receives from the peer.
    pub receiver: Box<dyn PacketReceiver>,
}

impl PacketSender for IpcBytesSender {
    fn send(&self, packet: &[u8]) -> Result<(), Closed> {
        loop {
            match IpcBytesSender::send(self, packet) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // ECONNRESET at first if the peer died with unread packets, EPIPE afterwards. Both mean that
                // it is gone.
                Err(_) => return Err(Closed::Gone),
            }
        }
    }
}

impl PacketReceiver for IpcBytesReceiver {
    fn receive(&mut self) -> Result<Vec<u8>, Closed> {
        // If the peer died with unread packets, the first call returns an error. Later calls return the
        // packets that the peer had sent, and then the end.
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
        // ipc-channel panics on data that it cannot parse.
        catch_panic(|| IpcBytesReceiver::try_recv(self).ok())
            .map_err(|_| Closed::Malformed("data that ipc-channel cannot parse"))
    }
}

/// Creates two connected links within this process, for tests that need the real codec but no second process.
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
    fn receives_packets_sent_before_disconnect() {
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
    fn sending_without_receiver_returns_gone() {
        let (sender, receiver) = bytes_channel().unwrap();
        PacketSender::send(&sender, b"unread").unwrap();
        drop(receiver);
        assert_eq!(PacketSender::send(&sender, b"x"), Err(Closed::Gone));
        assert_eq!(PacketSender::send(&sender, b"x"), Err(Closed::Gone));
    }
}
