//! Messages, and the packets that carry them.
//!
//! A message is a tag byte and a body. A packet is a marker byte and a piece of a message: the whole of it, a
//! part that others follow, or the last part. No packet is larger than [`MAX_PACKET`], because beyond one packet
//! ipc-channel would open a second socket on which a sender can wait for a dead receiver for ever.
//!
//! Where a link can hand over files, a message of [`MIN_FILE`] bytes or more is one: tag and body are written into a
//! [sealed file](Payload), and the packet is a marker byte and the file's length. Its reader maps it.

use sys::payload::Payload;

use crate::{Closed, PacketSender};

/// The smallest message, tag included, that travels in a file of its own, in bytes: to make, hand over and map one costs some 20 us.
pub(crate) const MIN_FILE: usize = 256 * 1024;

/// The largest packet, marker included, in bytes.
pub(crate) const MAX_PACKET: usize = 64 * 1024;

/// What a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Whole = 0,
    Part = 1,
    Last = 2,
    File = 3,
}

impl Marker {
    pub(crate) fn of(packet: &[u8]) -> Option<Marker> {
        [Marker::Whole, Marker::Part, Marker::Last, Marker::File]
            .into_iter()
            .find(|&m| packet.first() == Some(&(m as u8)))
    }
}

/// What a message's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// One of [`handshake`](crate::handshake)'s values.
    Control = 0,
    /// A [batch of jobs](crate::batch).
    Jobs = 1,
    /// A [batch of outcomes](crate::batch).
    Outcomes = 2,
    /// The worker has taken one part of a large message from the link.
    PartReceived = 3,
}

/// A tag and a body, with room for the marker of the packet that may carry it whole.
#[derive(Debug)]
pub struct Message(Form);

#[derive(Debug)]
enum Form {
    /// Marker, tag, body.
    Bytes(Vec<u8>),
    /// Tag, body.
    File(Payload),
}

impl Form {
    #[inline]
    fn content(&self) -> &[u8] {
        match self {
            Form::Bytes(bytes) => &bytes[1..],
            Form::File(file) => file.bytes(),
        }
    }

    #[cold]
    fn become_bytes(&mut self) -> &mut Vec<u8> {
        *self = Form::Bytes([&[Marker::Whole as u8], self.content()].concat());
        match self {
            Form::Bytes(bytes) => bytes,
            Form::File(_) => unreachable!("it has just been replaced"),
        }
    }
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
        Message(Form::Bytes(bytes))
    }

    /// A message whose body consists of these parts. A large one is written into a file at once, if there can be one.
    pub(crate) fn of_parts(tag: Tag, header: &[u8], parts: &[&[u8]]) -> Message {
        let length = header.len() + parts.iter().map(|part| part.len()).sum::<usize>();
        if length + 1 >= MIN_FILE {
            let tag = [tag as u8];
            let all: Vec<&[u8]> = [&tag[..], header].into_iter().chain(parts.iter().copied()).collect();
            if let Ok(file) = Payload::create(&all) {
                return Message(Form::File(file));
            }
        }
        let mut message = Message::with_capacity(tag, length);
        message.extend(header);
        parts.iter().for_each(|part| message.extend(part));
        message
    }

    /// The message in a file that another process made; `None` if it has no tag.
    pub(crate) fn from_file(file: Payload) -> Option<Message> {
        (!file.bytes().is_empty()).then_some(Message(Form::File(file)))
    }

    /// Writes a large message into a file, if there can be one; it is the same message otherwise.
    pub(crate) fn into_file(self) -> Message {
        match &self.0 {
            Form::Bytes(_) if self.content().len() >= MIN_FILE => {
                Payload::create(&[self.content()]).map_or(self, |file| Message(Form::File(file)))
            }
            _ => self,
        }
    }

    /// The file that the message is, if it is one.
    pub(crate) fn as_file(&self) -> Option<&Payload> {
        match &self.0 {
            Form::File(file) => Some(file),
            Form::Bytes(_) => None,
        }
    }

    /// The message in a whole packet, or in parts that were put together after one marker byte.
    pub(crate) fn from_packet(bytes: Vec<u8>) -> Option<Message> {
        (bytes.len() >= 2).then_some(Message(Form::Bytes(bytes)))
    }

    /// What the body is; `None` for a tag that this version does not know.
    #[must_use]
    pub fn tag(&self) -> Option<Tag> {
        [Tag::Control, Tag::Jobs, Tag::Outcomes, Tag::PartReceived]
            .into_iter()
            .find(|&t| t as u8 == self.content()[0])
    }

    /// The body.
    #[must_use]
    #[inline]
    pub fn body(&self) -> &[u8] {
        &self.content()[1..]
    }

    /// The whole buffer, to append to; what is there already (marker, tag, body so far) must stay.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        match &mut self.0 {
            Form::Bytes(bytes) => bytes,
            file @ Form::File(_) => file.become_bytes(),
        }
    }

    /// Appends to the body.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer().extend_from_slice(bytes);
    }

    /// The packet that is the whole message, if one is enough.
    pub(crate) fn as_packet(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Bytes(bytes) if bytes.len() <= MAX_PACKET => Some(bytes),
            _ => None,
        }
    }

    /// Tag and body: what parts are cut from.
    #[inline]
    pub(crate) fn content(&self) -> &[u8] {
        self.0.content()
    }

    /// Length in bytes, marker included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.content().len() + 1
    }

    /// Never true: a message has a tag.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Message) -> bool {
        self.content() == other.content()
    }
}

impl Eq for Message {}

/// The packet that announces a file of this length.
pub(crate) fn file_packet(length: usize) -> [u8; 9] {
    let mut packet = [Marker::File as u8; 9];
    packet[1..].copy_from_slice(&(length as u64).to_le_bytes());
    packet
}

/// The length of the file that a packet announces.
pub(crate) fn announced_length(packet: &[u8]) -> Option<usize> {
    let length = packet.get(1..)?.try_into().ok().map(u64::from_le_bytes)?;
    usize::try_from(length).ok()
}

/// Sends a message, as a file or in as many packets as it takes, and waits for room in the link where there is none.
///
/// Only for a side whose peer always receives: the worker. The parent uses an [`Outbox`](crate::Outbox).
///
/// # Errors
/// When the peer is gone.
pub fn send(sender: &dyn PacketSender, message: Message) -> Result<(), Closed> {
    if let Some(packet) = message.as_packet() {
        return sender.send(packet);
    }
    let message = if sender.takes_files() { message.into_file() } else { message };
    if let Some(file) = message.as_file()
        && sender.send_file(file)?
    {
        return Ok(());
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
