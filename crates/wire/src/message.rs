//! Messages and the packets that carry them.
//!
//! A message is a tag byte and a body. A packet is a marker byte and a piece of a message: the whole message,
//! a part that is followed by others, or the last part. No packet is larger than [`MAX_PACKET_SIZE`]: for
//! larger data ipc-channel would open a second socket, on which a sender can block forever if the receiver
//! has died.
//!
//! If the link can transfer files, a message of [`MIN_FILE_SIZE`] bytes or more is sent as a file: tag and
//! body are written into a [sealed file](Payload), and the packet is a marker byte and the file's length. The
//! receiver maps the file into memory.

use sys::payload::Payload;

use crate::{Closed, PacketSender};

/// Size in bytes, including the tag, from which a message is sent as a file. Creating, transferring and
/// mapping a file takes about 20 us.
pub(crate) const MIN_FILE_SIZE: usize = 256 * 1024;

/// Maximum size of a packet in bytes, including the marker.
pub(crate) const MAX_PACKET_SIZE: usize = 64 * 1024;

/// Content of a packet.
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

/// Content of a message's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// A value of the [`handshake`](crate::handshake).
    Control = 0,
    /// A [batch of jobs](crate::batch).
    Jobs = 1,
    /// A [batch of outcomes](crate::batch).
    Outcomes = 2,
    /// The worker has received one part of a large message.
    PartReceived = 3,
    /// The worker requests a file of the parent; see [`request_files`](crate::request_files).
    FileRequest = 4,
}

/// A tag and a body, with room for the marker of a packet that carries the whole message.
#[derive(Debug)]
pub struct Message(Storage);

#[derive(Debug)]
enum Storage {
    /// Marker, tag and body.
    Bytes(Vec<u8>),
    /// Tag and body.
    File(Payload),
}

impl Storage {
    #[inline]
    fn content(&self) -> &[u8] {
        match self {
            Storage::Bytes(bytes) => &bytes[1..],
            Storage::File(file) => file.bytes(),
        }
    }

    #[cold]
    fn make_bytes(&mut self) -> &mut Vec<u8> {
        *self = Storage::Bytes([&[Marker::Whole as u8], self.content()].concat());
        match self {
            Storage::Bytes(bytes) => bytes,
            Storage::File(_) => unreachable!("the variant was just set to `Bytes`"),
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
        Message(Storage::Bytes(bytes))
    }

    /// Creates a message whose body is the concatenation of `header` and `parts`. A message of
    /// [`MIN_FILE_SIZE`] bytes or more is written directly into a file, unless creating the file fails.
    pub(crate) fn from_parts(tag: Tag, header: &[u8], parts: &[&[u8]]) -> Message {
        let length = header.len() + parts.iter().map(|part| part.len()).sum::<usize>();
        if length + 1 >= MIN_FILE_SIZE {
            let tag = [tag as u8];
            let all: Vec<&[u8]> = [&tag[..], header].into_iter().chain(parts.iter().copied()).collect();
            if let Ok(file) = Payload::create(&all) {
                return Message(Storage::File(file));
            }
        }
        let mut message = Message::with_capacity(tag, length);
        message.extend(header);
        parts.iter().for_each(|part| message.extend(part));
        message
    }

    /// Returns the message in a file that another process created, or `None` if the file is empty and so has
    /// no tag.
    pub(crate) fn from_file(file: Payload) -> Option<Message> {
        (!file.bytes().is_empty()).then_some(Message(Storage::File(file)))
    }

    /// Moves a message of [`MIN_FILE_SIZE`] bytes or more into a file. Returns the message unchanged if it is
    /// smaller or the file cannot be created.
    pub(crate) fn into_file(self) -> Message {
        match &self.0 {
            Storage::Bytes(_) if self.content().len() >= MIN_FILE_SIZE => {
                Payload::create(&[self.content()]).map_or(self, |file| Message(Storage::File(file)))
            }
            _ => self,
        }
    }

    /// Returns the file that holds the message, if it is stored in one.
    pub(crate) fn as_file(&self) -> Option<&Payload> {
        match &self.0 {
            Storage::File(file) => Some(file),
            Storage::Bytes(_) => None,
        }
    }

    /// Returns the message in a packet that holds a whole message, or in the concatenation of parts behind
    /// one marker byte. Returns `None` if there is no tag.
    pub(crate) fn from_packet(bytes: Vec<u8>) -> Option<Message> {
        (bytes.len() >= 2).then_some(Message(Storage::Bytes(bytes)))
    }

    /// Returns the message's tag, or `None` if this version does not define it.
    #[must_use]
    pub fn tag(&self) -> Option<Tag> {
        [Tag::Control, Tag::Jobs, Tag::Outcomes, Tag::PartReceived, Tag::FileRequest]
            .into_iter()
            .find(|&t| t as u8 == self.content()[0])
    }

    /// Returns the body.
    #[must_use]
    #[inline]
    pub fn body(&self) -> &[u8] {
        &self.content()[1..]
    }

    /// Returns the whole buffer for appending. Its current content (marker, tag, start of the body) must not
    /// be changed.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        match &mut self.0 {
            Storage::Bytes(bytes) => bytes,
            file @ Storage::File(_) => file.make_bytes(),
        }
    }

    /// Appends bytes to the body.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer().extend_from_slice(bytes);
    }

    /// Returns the packet that carries the whole message, or `None` if the message does not fit into one
    /// packet.
    pub(crate) fn as_packet(&self) -> Option<&[u8]> {
        match &self.0 {
            Storage::Bytes(bytes) if bytes.len() <= MAX_PACKET_SIZE => Some(bytes),
            _ => None,
        }
    }

    /// Returns tag and body, which are split into parts if the message is sent in several packets.
    #[inline]
    pub(crate) fn content(&self) -> &[u8] {
        self.0.content()
    }

    /// Length in bytes, including the marker.
    #[must_use]
    pub fn len(&self) -> usize {
        self.content().len() + 1
    }

    /// Returns `false`: a message always has a tag.
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

/// Returns the packet that announces a file of `length` bytes.
pub(crate) fn file_packet(length: usize) -> [u8; 9] {
    let mut packet = [Marker::File as u8; 9];
    packet[1..].copy_from_slice(&(length as u64).to_le_bytes());
    packet
}

/// Returns the length in bytes of the file that a packet announces, or `None` if the packet is malformed.
pub(crate) fn announced_length(packet: &[u8]) -> Option<usize> {
    let length = packet.get(1..)?.try_into().ok().map(u64::from_le_bytes)?;
    usize::try_from(length).ok()
}

/// Sends a message as a file or as one or more packets. Blocks while the link is full.
///
/// Only workers may call this, because the parent always receives. The parent sends through an
/// [`Outbox`](crate::Outbox).
///
/// # Errors
/// [`Closed::Gone`] if the peer closed the link or died.
pub fn send(sender: &dyn PacketSender, message: Message) -> Result<(), Closed> {
    if let Some(packet) = message.as_packet() {
        return sender.send(packet);
    }
    let message = if sender.supports_files() { message.into_file() } else { message };
    if let Some(file) = message.as_file()
        && sender.send_file(file)?
    {
        return Ok(());
    }
    let mut content = message.content();
    let mut packet = Vec::with_capacity(MAX_PACKET_SIZE);
    while !content.is_empty() {
        content = next_part(content, &mut packet);
        sender.send(&packet)?;
    }
    Ok(())
}

/// Fills `packet` with the next part of `content` and returns the rest.
pub(crate) fn next_part<'a>(content: &'a [u8], packet: &mut Vec<u8>) -> &'a [u8] {
    let (part, rest) = content.split_at(content.len().min(MAX_PACKET_SIZE - 1));
    packet.clear();
    packet.push(if rest.is_empty() { Marker::Last } else { Marker::Part } as u8);
    packet.extend_from_slice(part);
    rest
}
