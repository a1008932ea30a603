//! The receiving end of a link: packets put together to messages.

use std::{collections::TryReserveError, io, time::Duration};

use sys::{payload::Payload, poll::Poller};

use crate::{
    Closed, Message, PacketReceiver,
    message::{MAX_PACKET, Marker, announced_length},
};

/// The largest message that a peer may send, in bytes: beyond it the peer is taken for broken.
const MAX_MESSAGE: usize = 8 << 30;

/// Receives messages from one link.
pub struct Inbox {
    receiver: Box<dyn PacketReceiver>,
    /// A byte for the marker, then the parts so far; empty between messages.
    parts: Vec<u8>,
    /// A packet that came during a [poll](Inbox::poll), or the error in its place, which a link may return only once.
    early: Option<Result<Vec<u8>, Closed>>,
}

/// How long to look for a packet before waiting for one. A process that waits has to be woken, which takes the system longer
/// than most short jobs.
pub const POLL: Duration = Duration::from_micros(50);

impl Inbox {
    /// An inbox at the end of a link.
    #[must_use]
    pub fn new(receiver: Box<dyn PacketReceiver>) -> Inbox {
        Inbox { receiver, parts: Vec::new(), early: None }
    }

    /// Looks for the next packet for some 50 microseconds, as long as `may` says so. Whether or not it has come,
    /// [`receive`](Inbox::receive) is next.
    pub fn poll(&mut self, poller: &Poller, may: impl Fn() -> bool) {
        if !may() {
            return;
        }
        poller.poll(POLL, || {
            if self.early.is_none() {
                self.early = self.receiver.try_receive().transpose();
            }
            self.early.is_some() || !may()
        });
    }

    /// Waits for the next message. `part_received` is called after each packet of a message that has several, so
    /// that the sender can be told to send on.
    ///
    /// # Errors
    /// When the peer is gone, or sends what no peer of this version sends.
    pub fn receive(
        &mut self,
        mut part_received: impl FnMut() -> Result<(), Closed>,
    ) -> Result<Message, Closed> {
        loop {
            let packet = match self.early.take() {
                Some(early) => early?,
                None => self.receiver.receive()?,
            };
            let several = !self.parts.is_empty()
                || matches!(Marker::of(&packet), Some(Marker::Part | Marker::Last) | None);
            if several {
                part_received()?;
            }
            if let Some(message) = self.take(packet)? {
                return Ok(message);
            }
        }
    }

    /// Returns the next message, if all of it is there.
    ///
    /// # Errors
    /// When the peer sends what no peer of this version sends.
    pub fn try_message(&mut self) -> Result<Option<Message>, Closed> {
        loop {
            let packet = match self.early.take() {
                Some(early) => early?,
                None => match self.receiver.try_receive()? {
                    Some(packet) => packet,
                    None => return Ok(None),
                },
            };
            if let Some(message) = self.take(packet)? {
                return Ok(Some(message));
            }
        }
    }

    /// Asks the peer to [ring](PacketReceiver::ask_for_ring), or not to, when it sends the next packet; returns whether there
    /// is one already.
    pub fn ask_for_ring(&mut self, wanted: bool) -> bool {
        self.receiver.ask_for_ring(wanted)
    }

    /// The message that the packet completes, if it does.
    fn take(&mut self, packet: Vec<u8>) -> Result<Option<Message>, Closed> {
        let marker = Marker::of(&packet).ok_or(Closed::Malformed("a packet of unknown kind"))?;
        if packet.len() > MAX_PACKET {
            return Err(Closed::Malformed("a packet that is too large"));
        }
        if marker == Marker::Whole {
            if !self.parts.is_empty() {
                return Err(Closed::Malformed("a message inside another"));
            }
            return whole(packet);
        }
        if marker == Marker::File {
            return self.take_file(&packet).map(Some);
        }
        if self.parts.is_empty() {
            self.parts.push(Marker::Whole as u8);
        }
        if self.parts.len() + packet.len() > MAX_MESSAGE {
            return Err(Closed::Malformed("a message that is too large"));
        }
        let bytes = self.parts.len() + packet.len();
        grow(&mut self.parts, packet.len()).map_err(|_| Closed::NoMemory { bytes })?;
        self.parts.extend_from_slice(&packet[1..]);
        match marker {
            Marker::Last => whole(std::mem::take(&mut self.parts)),
            _ => Ok(None),
        }
    }
}

impl Inbox {
    /// The message in the file that a packet announces.
    fn take_file(&mut self, packet: &[u8]) -> Result<Message, Closed> {
        let length =
            announced_length(packet).filter(|&length| length <= MAX_MESSAGE && self.parts.is_empty());
        let length = length.ok_or(Closed::Malformed("a message of an impossible size, or inside another"))?;
        let file = self.receiver.take_file().ok_or(Closed::Malformed("a file that did not come"))?;
        let file = Payload::open(file, length).map_err(|error| match error.kind() {
            io::ErrorKind::OutOfMemory => Closed::NoMemory { bytes: length },
            _ => Closed::Malformed("a file that is not what it announced"),
        })?;
        Message::from_file(file).ok_or(Closed::Malformed("an empty message"))
    }
}

/// Makes room for more bytes: twice as much as there is, or if there is no memory for that, as much as is needed.
fn grow(bytes: &mut Vec<u8>, more: usize) -> Result<(), TryReserveError> {
    bytes.try_reserve(more).or_else(|_| bytes.try_reserve_exact(more))
}

fn whole(bytes: Vec<u8>) -> Result<Option<Message>, Closed> {
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
    fn messages_of_any_length_arrive_whole() {
        for length in [0, 1, MAX_PACKET - 3, MAX_PACKET - 2, MAX_PACKET - 1, MAX_PACKET, 5 * MAX_PACKET + 7] {
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
                if length + 2 > MAX_PACKET { (length + 1).div_ceil(MAX_PACKET - 1) } else { 0 }
            );
        }
    }

    /// A link whose next packet is an error, which it returns once.
    struct Spoilt(Option<Closed>);

    impl PacketReceiver for Spoilt {
        fn receive(&mut self) -> Result<Vec<u8>, Closed> {
            Err(Closed::Gone)
        }

        fn try_receive(&mut self) -> Result<Option<Vec<u8>>, Closed> {
            self.0.take().map_or(Ok(None), Err)
        }
    }

    #[test]
    fn an_error_that_a_poll_finds_is_returned() {
        let spoilt = || Inbox::new(Box::new(Spoilt(Some(Closed::Malformed("nonsense")))));
        let mut inbox = spoilt();
        inbox.poll(&Poller::default(), || true);
        assert_eq!(inbox.receive(|| Ok(())).unwrap_err(), Closed::Malformed("nonsense"));
        let mut inbox = spoilt();
        inbox.poll(&Poller::default(), || true);
        assert_eq!(inbox.try_message().unwrap_err(), Closed::Malformed("nonsense"));
    }

    #[test]
    fn what_no_peer_sends_closes_the_link() {
        for packets in [vec![vec![]], vec![vec![9, 1]], vec![vec![0]], vec![vec![1, 1, 2], vec![0, 1]]] {
            let (ours, theirs) = memory_pair();
            packets.iter().for_each(|packet| ours.sender.send(packet).unwrap());
            let outcome = Inbox::new(theirs.receiver).receive(|| Ok(()));
            assert!(matches!(outcome, Err(Closed::Malformed(_))), "{packets:?}");
        }
    }
}
