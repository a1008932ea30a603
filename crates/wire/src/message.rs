//! Messages, and the packets that carry them.
//!
//! A message is a tag byte and a body. A packet is a marker byte and a piece of a message: the whole of it, a
//! part that others follow, or the last part. No packet is larger than [`MAX_PACKET`], because beyond one packet
//! ipc-channel would open a second socket on which a sender can wait for a dead receiver for ever.

use crate::{Closed, PacketSender};

/// The largest packet, marker included, in bytes.
pub(crate) const MAX_PACKET: usize = 64 * 1024;

/// What a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Whole = 0,
    Part = 1,
    Last = 2,
}

impl Marker {
    pub(crate) fn of(packet: &[u8]) -> Option<Marker> {
        [Marker::Whole, Marker::Part, Marker::Last].into_iter().find(|&m| packet.first() == Some(&(m as u8)))
    }
}

/// What a message's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// One of [`handshake`](crate::handshake)'s values.
    Control = 0,
    /// A [frame of jobs](crate::frame).
    Jobs = 1,
    /// A [frame of outcomes](crate::frame).
    Outcomes = 2,
    /// The worker has taken one part of a large message from the link.
    PartTaken = 3,
}

/// A tag and a body, with room for the marker of the packet that may carry it whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Marker, tag, body.
    bytes: Vec<u8>,
}

impl Message {
    /// An empty message.
    #[must_use]
    pub fn new(tag: Tag) -> Message {
        Message::with_capacity(tag, 0)
    }

    /// An empty message with room for a body of `capacity` bytes.
    #[must_use]
    pub fn with_capacity(tag: Tag, capacity: usize) -> Message {
        let mut bytes = Vec::with_capacity(capacity + 2);
        bytes.extend([Marker::Whole as u8, tag as u8]);
        Message { bytes }
    }

    /// The message in a whole packet, or in parts that were put together after one marker byte.
    pub(crate) fn from_packet(bytes: Vec<u8>) -> Option<Message> {
        (bytes.len() >= 2).then_some(Message { bytes })
    }

    /// What the body is; `None` for a tag that this version does not know.
    #[must_use]
    pub fn tag(&self) -> Option<Tag> {
        [Tag::Control, Tag::Jobs, Tag::Outcomes, Tag::PartTaken]
            .into_iter()
            .find(|&t| t as u8 == self.bytes[1])
    }

    /// The body.
    #[must_use]
    #[inline]
    pub fn body(&self) -> &[u8] {
        &self.bytes[2..]
    }

    /// The whole buffer, to append to; what is there already (marker, tag, body so far) must stay.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends to the body.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether one packet is enough.
    pub(crate) fn fits_one_packet(&self) -> bool {
        self.bytes.len() <= MAX_PACKET
    }

    /// The packet that is the whole message.
    pub(crate) fn as_packet(&self) -> &[u8] {
        &self.bytes
    }

    /// Tag and body: what parts are cut from.
    pub(crate) fn content(&self) -> &[u8] {
        &self.bytes[1..]
    }

    /// How many bytes travel.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never true: a message has a tag.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Sends a message, in as many packets as it takes, and waits for room in the link where there is none.
///
/// Only for a side whose peer always receives: the worker. The parent uses an [`Outbox`](crate::Outbox).
///
/// # Errors
/// When the peer is gone.
pub fn send_in_parts(sender: &dyn PacketSender, message: &Message) -> Result<(), Closed> {
    if message.fits_one_packet() {
        return sender.send(message.as_packet());
    }
    let mut content = message.content();
    let mut packet = Vec::with_capacity(MAX_PACKET);
    while !content.is_empty() {
        content = cut_part(content, &mut packet);
        sender.send(&packet)?;
    }
    Ok(())
}

/// Fills `packet` with the next part of `content` and gives back the rest.
pub(crate) fn cut_part<'a>(content: &'a [u8], packet: &mut Vec<u8>) -> &'a [u8] {
    let (part, rest) = content.split_at(content.len().min(MAX_PACKET - 1));
    packet.clear();
    packet.push(if rest.is_empty() { Marker::Last } else { Marker::Part } as u8);
    packet.extend_from_slice(part);
    rest
}
