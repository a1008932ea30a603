//! The parent's sending end of a link, which never blocks.
//!
//! The thread that sends to a worker may be the one that receives from it. If it waited for room in the socket
//! while the worker waited for room in the other direction, both would wait for ever. So an outbox counts what it
//! has put into the socket and the worker has not taken yet, and keeps back what would not fit. A batch counts as
//! taken when its outcomes are back, a part of a large message when the worker says so.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    sync::OnceLock,
};

use crate::{
    Closed, Message, PacketSender,
    message::{MAX_PACKET, cut_part},
};

/// Messages on their way to one worker.
pub struct Outbox {
    sender: Box<dyn PacketSender>,
    /// What the link holds, as [`cost`] counts.
    unread: usize,
    /// The cost of each message sent and not answered, in order; 0 for those sent in parts.
    unanswered: VecDeque<usize>,
    /// The cost of each part sent and not taken, in order.
    parts: VecDeque<usize>,
    /// The most that [`cost`] may count in the link at a time.
    capacity: usize,
    /// Messages whose predecessors have yet to come, by their place.
    early: BTreeMap<u64, Message>,
    /// The place of the next message.
    next: u64,
    /// What did not fit, in order, and how much of the first has been sent.
    waiting: VecDeque<Message>,
    offset: usize,
    packet: Vec<u8>,
}

impl Outbox {
    /// An outbox at the start of a link through a socket.
    #[must_use]
    pub fn new(sender: Box<dyn PacketSender>) -> Outbox {
        Outbox::with_capacity(sender, socket_capacity())
    }

    /// An outbox at the start of a link that holds so many bytes, bookkeeping included.
    #[must_use]
    pub fn with_capacity(sender: Box<dyn PacketSender>, capacity: usize) -> Outbox {
        Outbox {
            sender,
            capacity,
            unread: 0,
            unanswered: VecDeque::new(),
            parts: VecDeque::new(),
            early: BTreeMap::new(),
            next: 0,
            waiting: VecDeque::new(),
            offset: 0,
            packet: Vec::new(),
        }
    }

    /// Sends a message that the worker will answer, now or as soon as there is room.
    ///
    /// # Errors
    /// When the worker is gone.
    pub fn send(&mut self, message: Message) -> Result<(), Closed> {
        self.waiting.push_back(message);
        self.pump()
    }

    /// The same for the message of this place, counted from 0. Several threads may send: one that comes too early waits for
    /// its predecessors.
    ///
    /// # Errors
    /// When the worker is gone.
    pub fn send_in_order(&mut self, place: u64, message: Message) -> Result<(), Closed> {
        if place != self.next {
            self.early.insert(place, message);
            return Ok(());
        }
        self.waiting.push_back(message);
        self.next += 1;
        while let Some(message) = self.early.remove(&self.next) {
            self.next += 1;
            self.waiting.push_back(message);
        }
        self.pump()
    }

    /// The worker has answered the oldest message; `false` if there was none to answer.
    #[must_use]
    pub fn answered(&mut self) -> bool {
        let oldest = self.unanswered.pop_front();
        self.make_room(oldest)
    }

    /// The worker has taken the oldest part of a large message; `false` if there was none to take.
    #[must_use]
    pub fn part_received(&mut self) -> bool {
        let oldest = self.parts.pop_front();
        self.make_room(oldest)
    }

    fn make_room(&mut self, cost: Option<usize>) -> bool {
        self.unread -= cost.unwrap_or(0);
        // That the worker is gone, its receiver will notice.
        let _ = self.pump();
        cost.is_some()
    }

    fn pump(&mut self) -> Result<(), Closed> {
        while let Some(message) = self.waiting.front() {
            // A file takes the room of a packet of a few bytes.
            let length = match (message.as_packet(), message.as_file()) {
                (Some(packet), _) => packet.len(),
                (None, Some(_)) if self.offset == 0 && self.sender.takes_files() => FILE_PACKET,
                _ => (message.content().len() - self.offset + 1).min(MAX_PACKET),
            };
            if self.unread > 0 && self.unread + cost(length) > self.capacity {
                return Ok(());
            }
            if self.send_at_once(cost(length))? {
                continue;
            }
            let Some(message) = self.waiting.front() else { return Ok(()) };
            let rest = cut_part(&message.content()[self.offset..], &mut self.packet).len();
            self.sender.send(&self.packet)?;
            let cost = cost(self.packet.len());
            self.unread += cost;
            self.parts.push_back(cost);
            self.offset = message.content().len() - rest;
            if rest == 0 {
                self.offset = 0;
                self.unanswered.push_back(0);
                self.waiting.pop_front();
            }
        }
        Ok(())
    }

    /// Sends the first message in a packet or a file, if it can be.
    fn send_at_once(&mut self, cost: usize) -> Result<bool, Closed> {
        let Some(message) = self.waiting.front().filter(|_| self.offset == 0) else { return Ok(false) };
        let is_sent = match (message.as_packet(), message.as_file()) {
            (Some(packet), _) => self.sender.send(packet).map(|()| true)?,
            (None, Some(file)) => self.sender.send_file(file)?,
            (None, None) => false,
        };
        if is_sent {
            self.unread += cost;
            self.unanswered.push_back(cost);
            self.waiting.pop_front();
        }
        Ok(is_sent)
    }
}

/// Length of the packet that announces a file, in bytes.
const FILE_PACKET: usize = 9;

/// What a packet takes up in the socket, bookkeeping included: measured as 4 packets of 64 KiB, 93 of 1 KiB or
/// 278 of 24 bytes in 212,992 bytes, and rounded up.
fn cost(length: usize) -> usize {
    length + length / 4 + 1280
}

/// What a socket holds, less a margin.
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
    fn what_the_socket_cannot_hold_waits_here() {
        for (length, count) in
            [(1, 1_000), (1 << 10, 400), (16 << 10, 60), ((64 << 10) - 2, 20), (10 << 20, 2)]
        {
            let (sender, mut receiver) = bytes_channel().unwrap();
            let mut outbox = Outbox::new(Box::new(sender));
            // Nobody receives, so a send that blocked would never return.
            (0..count).for_each(|_| outbox.send(message(length)).unwrap());
            assert!(!outbox.waiting.is_empty());

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
            assert!(outbox.waiting.is_empty() && outbox.unread == 0);
        }
    }

    #[test]
    fn parts_are_put_together_again() {
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
    fn messages_that_overtake_each_other_arrive_in_order() {
        let (ours, theirs) = memory_pair();
        let mut outbox = Outbox::new(ours.sender);
        [2, 0, 3, 1]
            .into_iter()
            .for_each(|place| outbox.send_in_order(place, message(place as usize)).unwrap());
        let mut inbox = Inbox::new(theirs.receiver);
        (0..4).for_each(|place| assert_eq!(inbox.receive(|| unreachable!()).unwrap(), message(place)));
    }

    #[test]
    fn an_answer_to_nothing_is_noticed() {
        let mut outbox = Outbox::new(memory_pair().0.sender);
        assert!(!outbox.answered() && !outbox.part_received());
    }
}
