//! Non-blocking sender for the parent's end of a link.
//!
//! The thread that sends to a worker may also be the one that receives from it. If it waited for room in the
//! socket while the worker waited for room in the opposite direction, both would deadlock. Therefore an
//! outbox counts the bytes in the socket that the worker has not read yet, and queues messages that would not
//! fit. A batch counts as read when its outcomes arrive, a part of a large message when the worker
//! acknowledges it.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    sync::OnceLock,
};

use crate::{
    Closed, Message, PacketSender,
    message::{MAX_PACKET_SIZE, next_part},
};

/// Queue of messages to one worker.
pub struct Outbox {
    sender: Box<dyn PacketSender>,
    /// Bytes in the link that the worker has not read, as counted by [`socket_cost`].
    unread: usize,
    /// Cost of each message that was sent and not answered, in order; 0 for messages sent in parts.
    unanswered: VecDeque<usize>,
    /// Cost of each part that was sent and not acknowledged, in order.
    parts: VecDeque<usize>,
    /// Maximum of `unread`.
    capacity: usize,
    /// Messages whose predecessors have not been submitted yet, by sequence number.
    out_of_order: BTreeMap<u64, Message>,
    /// Sequence number of the next message.
    next: u64,
    /// Messages that did not fit into the link, in order.
    pending: VecDeque<Message>,
    /// Number of content bytes of the first pending message that have been sent.
    offset: usize,
    packet: Vec<u8>,
}

impl Outbox {
    /// Creates the outbox of a link through a socket.
    #[must_use]
    pub fn new(sender: Box<dyn PacketSender>) -> Outbox {
        Outbox::with_capacity(sender, socket_capacity())
    }

    /// Creates the outbox of a link that holds `capacity` bytes, including bookkeeping.
    #[must_use]
    pub fn with_capacity(sender: Box<dyn PacketSender>, capacity: usize) -> Outbox {
        Outbox {
            sender,
            capacity,
            unread: 0,
            unanswered: VecDeque::new(),
            parts: VecDeque::new(),
            out_of_order: BTreeMap::new(),
            next: 0,
            pending: VecDeque::new(),
            offset: 0,
            packet: Vec::new(),
        }
    }

    /// Sends a message that the worker will answer, or queues it until there is room in the link.
    ///
    /// # Errors
    /// [`Closed::Gone`] if the worker is gone.
    pub fn send(&mut self, message: Message) -> Result<(), Closed> {
        self.pending.push_back(message);
        self.send_pending()
    }

    /// Like [`send`](Outbox::send), for messages that several threads submit out of order. Messages are sent
    /// in the order of their sequence numbers, which start at 0. A message is queued until all its
    /// predecessors have been submitted.
    ///
    /// # Errors
    /// [`Closed::Gone`] if the worker is gone.
    pub fn send_in_order(&mut self, sequence: u64, message: Message) -> Result<(), Closed> {
        if sequence != self.next {
            self.out_of_order.insert(sequence, message);
            return Ok(());
        }
        self.pending.push_back(message);
        self.next += 1;
        while let Some(message) = self.out_of_order.remove(&self.next) {
            self.next += 1;
            self.pending.push_back(message);
        }
        self.send_pending()
    }

    /// Notes that the worker has answered the oldest unanswered message. Returns `false` if there is none.
    #[must_use]
    pub fn answered(&mut self) -> bool {
        let oldest = self.unanswered.pop_front();
        self.release(oldest)
    }

    /// Notes that the worker has received the oldest unacknowledged part of a large message. Returns `false`
    /// if there is none.
    #[must_use]
    pub fn part_received(&mut self) -> bool {
        let oldest = self.parts.pop_front();
        self.release(oldest)
    }

    fn release(&mut self, cost: Option<usize>) -> bool {
        self.unread -= cost.unwrap_or(0);
        // The receiver reports it if the worker is gone.
        let _ = self.send_pending();
        cost.is_some()
    }

    fn send_pending(&mut self) -> Result<(), Closed> {
        while let Some(message) = self.pending.front() {
            // A file only takes the room of the packet that announces it.
            let length = match (message.as_packet(), message.as_file()) {
                (Some(packet), _) => packet.len(),
                (None, Some(_)) if self.offset == 0 && self.sender.supports_files() => FILE_PACKET_SIZE,
                _ => (message.content().len() - self.offset + 1).min(MAX_PACKET_SIZE),
            };
            if self.unread > 0 && self.unread + socket_cost(length) > self.capacity {
                return Ok(());
            }
            if self.send_whole(socket_cost(length))? {
                continue;
            }
            let Some(message) = self.pending.front() else { return Ok(()) };
            let rest = next_part(&message.content()[self.offset..], &mut self.packet).len();
            self.sender.send(&self.packet)?;
            let cost = socket_cost(self.packet.len());
            self.unread += cost;
            self.parts.push_back(cost);
            self.offset = message.content().len() - rest;
            if rest == 0 {
                self.offset = 0;
                self.unanswered.push_back(0);
                self.pending.pop_front();
            }
        }
        Ok(())
    }

    /// Sends the first pending message as one packet or as a file. Returns `false` if it must be sent in
    /// parts.
    fn send_whole(&mut self, cost: usize) -> Result<bool, Closed> {
        let Some(message) = self.pending.front().filter(|_| self.offset == 0) else { return Ok(false) };
        let is_sent = match (message.as_packet(), message.as_file()) {
            (Some(packet), _) => self.sender.send(packet).map(|()| true)?,
            (None, Some(file)) => self.sender.send_file(file)?,
            (None, None) => false,
        };
        if is_sent {
            self.unread += cost;
            self.unanswered.push_back(cost);
            self.pending.pop_front();
        }
        Ok(is_sent)
    }
}

/// Size in bytes of the packet that announces a file.
const FILE_PACKET_SIZE: usize = 9;

/// Number of bytes that a packet occupies in the socket, including bookkeeping. Rounded up from measurements:
/// 212,992 bytes hold 4 packets of 64 KiB, 93 of 1 KiB or 278 of 24 bytes.
fn socket_cost(length: usize) -> usize {
    length + length / 4 + 1280
}

/// Capacity of a socket in bytes, less a margin.
fn socket_capacity() -> usize {
    static CAPACITY: OnceLock<usize> = OnceLock::new();
    *CAPACITY.get_or_init(|| {
        let system: Option<usize> = fs::read_to_string("/proc/sys/net/core/wmem_default")
            .ok()
            .and_then(|text| text.trim().parse().ok());
        system.unwrap_or(212_992) / 16 * 15
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Inbox, Tag, memory_pair};
    use ipc_channel::ipc::bytes_channel;

    fn message(length: usize) -> Message {
        let mut message = Message::new(Tag::Jobs);
        message.extend(&vec![7; length]);
        message
    }

    #[test]
    fn queues_messages_that_do_not_fit_into_the_socket() {
        for (length, count) in
            [(1, 1_000), (1 << 10, 400), (16 << 10, 60), ((64 << 10) - 2, 20), (10 << 20, 2)]
        {
            let (sender, mut receiver) = bytes_channel().unwrap();
            let mut outbox = Outbox::new(Box::new(sender));
            // Nothing is received meanwhile, so a send that blocked would never return.
            (0..count).for_each(|_| outbox.send(message(length)).unwrap());
            assert!(!outbox.pending.is_empty());

            let mut received = 0;
            while received < count {
                let packet = crate::PacketReceiver::receive(&mut receiver).unwrap();
                let marker = packet[0];
                if marker > 0 {
                    assert!(outbox.part_received());
                }
                if marker != 1 {
                    assert!(outbox.answered());
                    received += 1;
                }
            }
            assert!(outbox.pending.is_empty() && outbox.unread == 0);
        }
    }

    #[test]
    fn reassembles_messages_sent_in_parts() {
        let (ours, theirs) = memory_pair();
        let mut outbox = Outbox::new(ours.sender);
        outbox.send(message(1_000_000)).unwrap();
        outbox.send(message(5)).unwrap();
        let mut inbox = Inbox::new(theirs.receiver);
        let received = inbox.receive(|| {
            assert!(outbox.part_received());
            Ok(())
        });
        assert_eq!(received.unwrap(), message(1_000_000));
        assert!(outbox.answered());
        assert_eq!(inbox.receive(|| unreachable!()).unwrap(), message(5));
    }

    #[test]
    fn sends_messages_submitted_out_of_order_in_order() {
        let (ours, theirs) = memory_pair();
        let mut outbox = Outbox::new(ours.sender);
        [2, 0, 3, 1]
            .into_iter()
            .for_each(|sequence| outbox.send_in_order(sequence, message(sequence as usize)).unwrap());
        let mut inbox = Inbox::new(theirs.receiver);
        (0..4).for_each(|sequence| assert_eq!(inbox.receive(|| unreachable!()).unwrap(), message(sequence)));
    }

    #[test]
    fn returns_false_for_unexpected_answers() {
        let mut outbox = Outbox::new(memory_pair().0.sender);
        assert!(!outbox.answered() && !outbox.part_received());
    }
}
