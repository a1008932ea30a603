//! Receiver of messages: assembles the packets of a link.

use std::{collections::TryReserveError, io, time::Duration};

use portable::Poller;
use sys::payload::Payload;

use crate::{
    Closed, Message, PacketReceiver,
    message::{MAX_PACKET_SIZE, Marker, announced_length},
};

/// Maximum size of a message in bytes. A larger one is a protocol violation.
const MAX_MESSAGE_SIZE: usize = 8 << 30;

/// Receives messages from one link.
pub struct Inbox {
    receiver: Box<dyn PacketReceiver>,
    /// One byte for the marker, then the parts received so far; empty between messages.
    parts: Vec<u8>,
    /// Result of the last [poll](Inbox::poll): a packet or an error, since a link may return an error only
    /// once.
    polled: Option<Result<Vec<u8>, Closed>>,
}

/// Duration of polling for a packet before the process sleeps. Waking a sleeping process takes longer than
/// most short jobs.
pub const POLL_DURATION: Duration = Duration::from_micros(50);

impl Inbox {
    /// Creates the inbox of a link.
    #[must_use]
    pub fn new(receiver: Box<dyn PacketReceiver>) -> Inbox {
        Inbox { receiver, parts: Vec::new(), polled: None }
    }

    /// Polls for the next packet for up to [`POLL_DURATION`], while `may_spin` returns `true`. Call
    /// [`receive`](Inbox::receive) next in any case.
    pub fn poll(&mut self, poller: &Poller, may_spin: impl Fn() -> bool) {
        if !may_spin() {
            return;
        }
        poller.poll(POLL_DURATION, || {
            if self.polled.is_none() {
                self.polled = self.receiver.try_receive().transpose();
            }
            self.polled.is_some() || !may_spin()
        });
    }

    /// Waits for the next message. Calls `part_received` after each packet of a message that consists of
    /// several packets, so that it can send an acknowledgement to the peer.
    ///
    /// # Errors
    /// [`Closed`] if the peer is gone or violates the protocol, or there is not enough memory for the
    /// message.
    pub fn receive(
        &mut self,
        mut part_received: impl FnMut() -> Result<(), Closed>,
    ) -> Result<Message, Closed> {
        loop {
            let packet = match self.polled.take() {
                Some(polled) => polled?,
                None => self.receiver.receive()?,
            };
            let is_part = !self.parts.is_empty()
                || matches!(Marker::of(&packet), Some(Marker::Part | Marker::Last) | None);
            if is_part {
                part_received()?;
            }
            if let Some(message) = self.accept(packet)? {
                return Ok(message);
            }
        }
    }

    /// Returns the next message if all its packets have arrived.
    ///
    /// # Errors
    /// [`Closed`] if the peer violates the protocol, or there is not enough memory for the message.
    pub fn try_message(&mut self) -> Result<Option<Message>, Closed> {
        loop {
            let packet = match self.polled.take() {
                Some(polled) => polled?,
                None => match self.receiver.try_receive()? {
                    Some(packet) => packet,
                    None => return Ok(None),
                },
            };
            if let Some(message) = self.accept(packet)? {
                return Ok(Some(message));
            }
        }
    }

    /// Enables or disables the peer's [ring](PacketReceiver::request_ring) with its next packet. Returns
    /// whether it was enabled and there is a packet already.
    pub fn request_ring(&mut self, wanted: bool) -> bool {
        self.receiver.request_ring(wanted)
    }

    /// Processes a packet. Returns the message that it completes, if any.
    fn accept(&mut self, packet: Vec<u8>) -> Result<Option<Message>, Closed> {
        let marker = Marker::of(&packet).ok_or(Closed::Malformed("a packet with an unknown marker"))?;
        if packet.len() > MAX_PACKET_SIZE {
            return Err(Closed::Malformed("a packet that is too large"));
        }
        if marker == Marker::Whole {
            if !self.parts.is_empty() {
                return Err(Closed::Malformed("a message between the parts of another"));
            }
            return complete(packet);
        }
        if marker == Marker::File {
            return self.receive_file(&packet).map(Some);
        }
        if self.parts.is_empty() {
            self.parts.push(Marker::Whole as u8);
        }
        if self.parts.len() + packet.len() > MAX_MESSAGE_SIZE {
            return Err(Closed::Malformed("a message that is too large"));
        }
        let bytes = self.parts.len() + packet.len();
        grow(&mut self.parts, packet.len()).map_err(|_| Closed::NoMemory { bytes })?;
        self.parts.extend_from_slice(&packet[1..]);
        match marker {
            Marker::Last => complete(std::mem::take(&mut self.parts)),
            _ => Ok(None),
        }
    }
}

impl Inbox {
    /// Receives the message in the file that a packet announces.
    fn receive_file(&mut self, packet: &[u8]) -> Result<Message, Closed> {
        let length =
            announced_length(packet).filter(|&length| length <= MAX_MESSAGE_SIZE && self.parts.is_empty());
        let length =
            length.ok_or(Closed::Malformed("a file that is too large or between the parts of a message"))?;
        let file = self.receiver.take_file().ok_or(Closed::Malformed("no file after announcing one"))?;
        let file = Payload::open(file, length).map_err(|error| match error.kind() {
            io::ErrorKind::OutOfMemory => Closed::NoMemory { bytes: length },
            _ => Closed::Malformed("a file that differs from its announcement"),
        })?;
        Message::from_file(file).ok_or(Closed::Malformed("an empty message"))
    }
}

/// Reserves room for `more` bytes: by doubling the capacity, or exactly if there is not enough memory for
/// that.
fn grow(bytes: &mut Vec<u8>, more: usize) -> Result<(), TryReserveError> {
    bytes.try_reserve(more).or_else(|_| bytes.try_reserve_exact(more))
}

fn complete(bytes: Vec<u8>) -> Result<Option<Message>, Closed> {
    Message::from_packet(bytes).map(Some).ok_or(Closed::Malformed("an empty message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tag, memory_pair, send};

    fn message(length: usize) -> Message {
        let mut message = Message::new(Tag::Jobs);
        message.extend(&(0..length).map(|i| (i % 251) as u8).collect::<Vec<_>>());
        message
    }

    #[test]
    fn receives_messages_of_any_length() {
        for length in [
            0,
            1,
            MAX_PACKET_SIZE - 3,
            MAX_PACKET_SIZE - 2,
            MAX_PACKET_SIZE - 1,
            MAX_PACKET_SIZE,
            5 * MAX_PACKET_SIZE + 7,
        ] {
            let (ours, theirs) = memory_pair();
            send(&*ours.sender, message(length)).unwrap();
            let mut parts = 0;
            let mut inbox = Inbox::new(theirs.receiver);
            let received = inbox.receive(|| {
                parts += 1;
                Ok(())
            });
            assert_eq!(received.unwrap(), message(length));
            assert_eq!(
                parts,
                if length + 2 > MAX_PACKET_SIZE { (length + 1).div_ceil(MAX_PACKET_SIZE - 1) } else { 0 }
            );
        }
    }

    /// A link whose next packet is an error, which is returned only once.
    struct FailsOnce(Option<Closed>);

    impl PacketReceiver for FailsOnce {
        fn receive(&mut self) -> Result<Vec<u8>, Closed> {
            Err(Closed::Gone)
        }

        fn try_receive(&mut self) -> Result<Option<Vec<u8>>, Closed> {
            self.0.take().map_or(Ok(None), Err)
        }
    }

    #[test]
    fn returns_errors_found_while_polling() {
        let failing = || Inbox::new(Box::new(FailsOnce(Some(Closed::Malformed("nonsense")))));
        let mut inbox = failing();
        inbox.poll(&Poller::default(), || true);
        assert_eq!(inbox.receive(|| Ok(())).unwrap_err(), Closed::Malformed("nonsense"));
        let mut inbox = failing();
        inbox.poll(&Poller::default(), || true);
        assert_eq!(inbox.try_message().unwrap_err(), Closed::Malformed("nonsense"));
    }

    #[test]
    fn rejects_malformed_packets() {
        for packets in [vec![vec![]], vec![vec![9, 1]], vec![vec![0]], vec![vec![1, 1, 2], vec![0, 1]]] {
            let (ours, theirs) = memory_pair();
            packets.iter().for_each(|packet| ours.sender.send(packet).unwrap());
            let outcome = Inbox::new(theirs.receiver).receive(|| Ok(()));
            assert!(matches!(outcome, Err(Closed::Malformed(_))), "{packets:?}");
        }
    }
}
