//! How jobs and outcomes are laid out in messages.
//!
//! ```text
//! jobs:      frame u64, timed u8, count u32, then for each job      length u32, payload
//! outcomes:  frame u64, busy u64, count u32, last u8, then for each outcome  length u32, status u8, payload
//! ```
//! Numbers are little-endian. The payload is the codec's; lengths and statuses stay outside of it, so that one
//! payload that cannot be decoded costs one job. Outcomes stand in the order of the jobs. A worker may
//! send those of one frame in several messages; there are fewer of them than jobs if it was told to stop in between.
//! `busy` is the worker's time for these outcomes in nanoseconds.

use job::FrameId;
use serde::Serialize;

use crate::{CodecError, CodecKind, Message, Tag};

/// Jobs one after another, each behind its length: the tail of a frame of jobs.
#[derive(Debug, Default)]
pub struct Entries {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Entries {
    /// None yet, and room for so many of so many bytes together.
    #[must_use]
    pub fn with_capacity(count: usize, bytes: usize) -> Entries {
        Entries { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(count) }
    }

    /// Encodes one more job.
    ///
    /// # Errors
    /// When its serializer fails, or it is 4 GiB or larger; nothing is added then.
    pub fn push<T: Serialize>(&mut self, codec: CodecKind, job: &T) -> Result<(), CodecError> {
        encode_entry(codec, job, &mut self.bytes)?;
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Adds one job that was [encoded](encode_entry) before.
    #[inline]
    pub fn append(&mut self, entry: &[u8]) {
        self.bytes.extend_from_slice(entry);
        self.ends.push(self.bytes.len());
    }

    /// How many jobs there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of the jobs `from..to`, lengths included.
    ///
    /// # Panics
    /// If there are not that many jobs.
    #[must_use]
    pub fn slice(&self, from: usize, to: usize) -> &[u8] {
        let start = if from == 0 { 0 } else { self.ends[from - 1] };
        let end = if to == 0 { 0 } else { self.ends[to - 1] };
        &self.bytes[start..end]
    }
}

/// Appends a job as it stands among [`Entries`].
///
/// # Errors
/// When its serializer fails, or it is 4 GiB or larger; nothing is appended then.
#[inline]
pub fn encode_entry<T: Serialize>(codec: CodecKind, job: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = into.len();
    into.extend([0; LENGTH]);
    let encoded = codec.encode(job, into).and_then(|()| seal(into, start));
    if encoded.is_err() {
        into.truncate(start);
    }
    encoded
}

/// A frame of jobs made of slices of [`Entries`].
#[must_use]
pub fn jobs(frame: FrameId, timed: bool, count: u32, slices: &[&[u8]]) -> Message {
    let length: usize = slices.iter().map(|slice| slice.len()).sum();
    let mut message = Message::with_capacity(Tag::Jobs, length + JOBS_HEADER);
    message.extend(&frame.0.to_le_bytes());
    message.extend(&[u8::from(timed)]);
    message.extend(&count.to_le_bytes());
    slices.iter().for_each(|slice| message.extend(slice));
    message
}

/// A frame of jobs as the worker reads it.
#[derive(Debug)]
pub struct JobsView<'a> {
    /// The frame's number.
    pub frame: FrameId,
    /// Whether the parent wants to know when each job starts.
    pub timed: bool,
    /// How many jobs there are.
    pub count: u32,
    rest: &'a [u8],
}

impl<'a> JobsView<'a> {
    /// Reads the frame in a message; `None` if there is none, or its entries do not add up.
    #[must_use]
    pub fn read(message: &'a Message) -> Option<JobsView<'a>> {
        let mut rest = message.body();
        let frame = FrameId(take_u64(&mut rest)?);
        let timed = take(&mut rest, 1)?[0] != 0;
        let count = take_u32(&mut rest)?;
        (message.tag() == Some(Tag::Jobs) && adds_up(rest, count, 0)).then_some(JobsView {
            frame,
            timed,
            count,
            rest,
        })
    }

    /// The payloads, in order.
    pub fn payloads(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.rest;
        std::iter::from_fn(move || take_entry(&mut rest))
    }
}

/// How a job ended, as far as the worker can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The payload is its output.
    Done = 0,
    /// The payload is its error.
    Failed = 1,
    /// It panicked; the payload is the panic.
    Panicked = 2,
    /// It, its output or its error could not be encoded or decoded; the payload is a message.
    Codec = 3,
}

/// A frame of outcomes being filled.
#[derive(Debug)]
pub struct OutcomesWriter {
    message: Message,
    count: u32,
}

impl OutcomesWriter {
    /// An empty frame of outcomes for a frame of jobs.
    #[must_use]
    pub fn new(frame: FrameId) -> OutcomesWriter {
        let mut message = Message::new(Tag::Outcomes);
        message.extend(&frame.0.to_le_bytes());
        message.extend(&[0; 13]);
        OutcomesWriter { message, count: 0 }
    }

    /// Adds one outcome.
    ///
    /// # Errors
    /// When the payload's serializer fails or panics, or it is 4 GiB or larger; nothing is added then.
    pub fn push<T: Serialize>(
        &mut self,
        codec: CodecKind,
        status: Status,
        payload: &T,
    ) -> Result<(), CodecError> {
        self.push_with(status, |buffer| codec.encode(payload, buffer))
    }

    /// The same, for callers who catch panics themselves and then [cut off](OutcomesWriter::cut) what was added.
    ///
    /// # Errors
    /// When the payload's serializer fails, or it is 4 GiB or larger; nothing is added then.
    #[inline]
    pub fn push_unguarded<T: Serialize>(
        &mut self,
        codec: CodecKind,
        status: Status,
        payload: &T,
    ) -> Result<(), CodecError> {
        self.push_with(status, |buffer| codec.encode_unguarded(payload, buffer))
    }

    #[inline]
    fn push_with(
        &mut self,
        status: Status,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        let buffer = self.message.buffer();
        let start = buffer.len();
        buffer.extend([0; LENGTH]);
        buffer.push(status as u8);
        let encoded = encode(buffer).and_then(|()| seal(buffer, start));
        match encoded {
            Ok(()) => self.count += 1,
            Err(_) => buffer.truncate(start),
        }
        encoded
    }

    /// Drops an outcome that is not whole, which begins after the first `before` bytes of outcomes.
    pub fn cut(&mut self, before: usize) {
        self.message.buffer().truncate(2 + OUTCOMES_HEADER + before);
    }

    /// The outcomes that were added after the first `before` bytes of them, as they stand in the frame.
    ///
    /// # Panics
    /// If there are not that many bytes.
    #[must_use]
    #[inline]
    pub fn since(&self, before: usize) -> &[u8] {
        &self.message.body()[OUTCOMES_HEADER + before..]
    }

    /// How many bytes the outcomes take.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> usize {
        self.message.body().len() - OUTCOMES_HEADER
    }

    /// The finished message; `last` if no other of this frame follows.
    #[must_use]
    pub fn finish(mut self, busy_ns: u64, last: bool) -> Message {
        let header = &mut self.message.buffer()[2..];
        header[8..16].copy_from_slice(&busy_ns.to_le_bytes());
        header[16..20].copy_from_slice(&self.count.to_le_bytes());
        header[20] = u8::from(last);
        self.message
    }
}

/// A frame of outcomes as the parent reads it.
#[derive(Debug)]
pub struct OutcomesView<'a> {
    /// The frame of jobs that it answers.
    pub frame: FrameId,
    /// The worker's time for it, in nanoseconds.
    pub busy_ns: u64,
    /// How many outcomes there are.
    pub count: u32,
    /// Whether no other message of this frame follows.
    pub last: bool,
    rest: &'a [u8],
}

impl<'a> OutcomesView<'a> {
    /// Reads outcomes without a header, such as a dead worker has [kept](sys::page::Kept); `None` if they are not whole.
    #[must_use]
    pub fn of_kept(frame: FrameId, bytes: &'a [u8]) -> Option<OutcomesView<'a>> {
        let (mut rest, mut count) = (bytes, 0);
        while !rest.is_empty() {
            take_entry(&mut rest).filter(|entry| !entry.is_empty())?;
            count += 1;
        }
        Some(OutcomesView { frame, busy_ns: 0, count, last: false, rest: bytes })
    }

    /// Reads the frame in a message; `None` if there is none, or its entries do not add up.
    #[must_use]
    pub fn read(message: &'a Message) -> Option<OutcomesView<'a>> {
        let mut rest = message.body();
        let frame = FrameId(take_u64(&mut rest)?);
        let busy_ns = take_u64(&mut rest)?;
        let count = take_u32(&mut rest)?;
        let last = take(&mut rest, 1)?[0] != 0;
        (message.tag() == Some(Tag::Outcomes) && adds_up(rest, count, 1)).then_some(OutcomesView {
            frame,
            busy_ns,
            count,
            last,
            rest,
        })
    }

    /// Statuses and payloads, in order. `None` stands for a status that this version does not know.
    pub fn outcomes(&self) -> impl Iterator<Item = (Option<Status>, &'a [u8])> + use<'a> {
        let mut rest = self.rest;
        std::iter::from_fn(move || {
            let (&status, payload) = take_entry(&mut rest)?.split_first()?;
            let all = [Status::Done, Status::Failed, Status::Panicked, Status::Codec];
            Some((all.into_iter().find(|&known| known as u8 == status), payload))
        })
    }
}

const LENGTH: usize = 4;
const JOBS_HEADER: usize = 13;
const OUTCOMES_HEADER: usize = 21;

/// Writes the length of the entry that starts at `start` and goes on to the end.
#[inline]
fn seal(bytes: &mut [u8], start: usize) -> Result<(), CodecError> {
    let length = bytes.len() - start - LENGTH;
    let length =
        u32::try_from(length).map_err(|_| CodecError(format!("{length} bytes are too many for one job")))?;
    bytes[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Whether `rest` is exactly `count` entries of at least `least` bytes each.
fn adds_up(mut rest: &[u8], count: u32, least: usize) -> bool {
    (0..count).all(|_| take_entry(&mut rest).is_some_and(|entry| entry.len() >= least)) && rest.is_empty()
}

#[inline]
fn take_entry<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_u32(rest)?;
    take(rest, usize::try_from(length).ok()?)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
}

#[inline]
fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CODEC: CodecKind = CodecKind::Bincode;

    struct Unencodable;

    impl Serialize for Unencodable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }

    #[test]
    fn a_value_that_cannot_be_encoded_leaves_no_trace() {
        let mut entries = Entries::default();
        entries.push(CODEC, &1u8).unwrap();
        assert!(entries.push(CODEC, &Unencodable).is_err());
        entries.push(CODEC, &2u8).unwrap();
        assert_eq!((entries.count(), entries.slice(0, 2)), (2, &[1, 0, 0, 0, 1, 1, 0, 0, 0, 2][..]));

        let mut writer = OutcomesWriter::new(FrameId(1));
        assert!(writer.push(CODEC, Status::Done, &Unencodable).is_err());
        let message = writer.finish(0, true);
        assert_eq!(OutcomesView::read(&message).unwrap().count, 0);
    }

    proptest! {
        #[test]
        fn jobs_and_outcomes_come_out_as_they_went_in(values: Vec<String>, cut in 0usize..20, timed: bool) {
            let mut entries = Entries::default();
            let mut writer = OutcomesWriter::new(FrameId(7));
            for value in &values {
                entries.push(CODEC, value).unwrap();
                writer.push(CODEC, Status::Failed, value).unwrap();
            }
            let cut = cut.min(values.len());
            let slices = [entries.slice(0, cut), entries.slice(cut, values.len())];
            let message = jobs(FrameId(7), timed, values.len() as u32, &slices);
            let view = JobsView::read(&message).unwrap();
            prop_assert_eq!((view.frame, view.timed), (FrameId(7), timed));
            let read: Vec<String> = view.payloads().map(|bytes| CODEC.decode(bytes).unwrap()).collect();
            prop_assert_eq!(&read, &values);

            prop_assert_eq!(OutcomesView::of_kept(FrameId(7), writer.since(0)).unwrap().count, values.len() as u32);
            let message = writer.finish(9, true);
            let view = OutcomesView::read(&message).unwrap();
            prop_assert_eq!((view.frame, view.busy_ns, view.count), (FrameId(7), 9, values.len() as u32));
            for ((status, bytes), value) in view.outcomes().zip(&values) {
                prop_assert_eq!(status, Some(Status::Failed));
                prop_assert_eq!(&CODEC.decode::<String>(bytes).unwrap(), value);
            }
        }

        #[test]
        fn garbage_is_no_frame(bytes: Vec<u8>, tag in 0usize..2) {
            let mut message = Message::new([Tag::Jobs, Tag::Outcomes][tag]);
            message.extend(&bytes);
            if let Some(view) = JobsView::read(&message) {
                prop_assert_eq!(view.payloads().count(), view.count as usize);
            }
            if let Some(view) = OutcomesView::read(&message) {
                prop_assert_eq!(view.outcomes().count(), view.count as usize);
            }
        }
    }
}
