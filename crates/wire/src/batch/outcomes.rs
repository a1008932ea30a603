//! A batch of outcomes.

use std::time::Duration;

use job::{BatchId, MonotonicInstant};
use serde::Serialize;

use super::{LENGTH, after_entries, pack_flags, seal, take_entry, take_flags, take_u32, take_u64};
use crate::{CodecError, CodecKind, Message, Tag};

const HEADER: usize = 29;

/// How many bytes a duration takes.
const DURATION: usize = 4;

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

/// A batch of outcomes being filled.
#[derive(Debug)]
pub struct OutcomesWriter {
    message: Message,
    count: u32,
    /// What goes behind the outcomes, so that those can be kept as they stand.
    durations: Vec<u8>,
    /// The most bytes of an outcome that is [pushed unguarded](OutcomesWriter::push_unguarded).
    max_outcome: u64,
}

impl OutcomesWriter {
    /// An empty batch of outcomes for a batch of jobs.
    #[must_use]
    pub fn new(batch: BatchId) -> OutcomesWriter {
        OutcomesWriter::with_limit(batch, u64::MAX)
    }

    /// The same, refusing outcomes of jobs that take more than `max_outcome` bytes.
    #[must_use]
    pub fn with_limit(batch: BatchId, max_outcome: u64) -> OutcomesWriter {
        let mut message = Message::new(Tag::Outcomes);
        message.extend(&batch.0.to_le_bytes());
        message.extend(&[0; HEADER - 8]);
        OutcomesWriter { message, count: 0, durations: Vec::new(), max_outcome }
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
    /// When the payload's serializer fails, or it is larger than allowed, or 4 GiB or larger; nothing is added then.
    #[inline]
    pub fn push_unguarded<T: Serialize>(
        &mut self,
        codec: CodecKind,
        status: Status,
        payload: &T,
    ) -> Result<(), CodecError> {
        let limit = self.max_outcome;
        self.push_with(status, |buffer| {
            let before = buffer.len();
            codec.encode_unguarded(payload, buffer)?;
            CodecError::unless_longer(buffer.len() - before, limit)
        })
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
        self.message.buffer().truncate(2 + HEADER + before);
    }

    /// The outcomes that were added after the first `before` bytes of them, as they stand in the batch.
    ///
    /// # Panics
    /// If there are not that many bytes.
    #[must_use]
    #[inline]
    pub fn since(&self, before: usize) -> &[u8] {
        &self.message.body()[HEADER + before..]
    }

    /// How many bytes the outcomes take.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> usize {
        self.message.body().len() - HEADER
    }

    /// Notes how long the job of the outcome took that was added last.
    pub fn note_duration(&mut self, duration: Duration) {
        let nanos = u32::try_from(duration.as_nanos()).unwrap_or(u32::MAX);
        self.durations.extend(nanos.to_le_bytes());
    }

    /// The finished message, with the durations if each outcome has one: when its first job began and how long all of them
    /// took; `last` if no other of this batch follows.
    #[must_use]
    pub fn finish(mut self, began: MonotonicInstant, busy_ns: u64, last: bool) -> Message {
        let durations = !self.durations.is_empty() && self.durations.len() == DURATION * self.count as usize;
        let header = &mut self.message.buffer()[2..];
        header[8..16].copy_from_slice(&began.0.to_le_bytes());
        header[16..24].copy_from_slice(&busy_ns.to_le_bytes());
        header[24..28].copy_from_slice(&self.count.to_le_bytes());
        header[28] = pack_flags([last, durations]);
        if durations {
            self.message.extend(&self.durations);
        }
        self.message
    }
}

/// A batch of outcomes as the parent reads it.
#[derive(Debug)]
pub struct OutcomesView<'a> {
    /// The batch of jobs that it answers.
    pub batch: BatchId,
    /// When the worker began with it.
    pub began: MonotonicInstant,
    /// The worker's time for it, in nanoseconds.
    pub busy_ns: u64,
    /// How many outcomes there are.
    pub count: u32,
    /// Whether no other message of this batch follows.
    pub last: bool,
    entries: &'a [u8],
    durations: Option<&'a [u8]>,
}

impl<'a> OutcomesView<'a> {
    /// Reads outcomes without a header, such as a dead worker has [kept](sys::shared_page::SavedOutcomes); `None` if they are not whole.
    #[must_use]
    pub fn of_saved(batch: BatchId, bytes: &'a [u8]) -> Option<OutcomesView<'a>> {
        let (mut rest, mut count) = (bytes, 0);
        while !rest.is_empty() {
            take_entry(&mut rest).filter(|entry| !entry.is_empty())?;
            count += 1;
        }
        let began = MonotonicInstant(0);
        Some(OutcomesView { batch, began, busy_ns: 0, count, last: false, entries: bytes, durations: None })
    }

    /// Reads the batch in a message; `None` if there is none, or its parts do not add up.
    #[must_use]
    pub fn read(message: &'a Message) -> Option<OutcomesView<'a>> {
        let mut rest = message.body();
        let batch = BatchId(take_u64(&mut rest)?);
        let began = MonotonicInstant(take_u64(&mut rest)?);
        let busy_ns = take_u64(&mut rest)?;
        let count = take_u32(&mut rest)?;
        let [last, durations] = take_flags(&mut rest)?;
        let behind = after_entries(rest, count, 1)?;
        let wanted = if durations { DURATION.checked_mul(usize::try_from(count).ok()?)? } else { 0 };
        if message.tag() != Some(Tag::Outcomes) || behind.len() != wanted {
            return None;
        }
        let entries = &rest[..rest.len() - behind.len()];
        Some(OutcomesView {
            batch,
            began,
            busy_ns,
            count,
            last,
            entries,
            durations: durations.then_some(behind),
        })
    }

    /// How long each job took, in nanoseconds, if the worker was to note that; 4 seconds stand for more.
    pub fn durations(&self) -> Option<impl Iterator<Item = u32> + use<'a>> {
        let (durations, _) = self.durations?.as_chunks::<DURATION>();
        Some(durations.iter().map(|&bytes| u32::from_le_bytes(bytes)))
    }

    /// Statuses and payloads, in order. `None` stands for a status that this version does not know.
    pub fn outcomes(&self) -> impl Iterator<Item = (Option<Status>, &'a [u8])> + use<'a> {
        let mut rest = self.entries;
        std::iter::from_fn(move || {
            let (&status, payload) = take_entry(&mut rest)?.split_first()?;
            let all = [Status::Done, Status::Failed, Status::Panicked, Status::Codec];
            Some((all.into_iter().find(|&known| known as u8 == status), payload))
        })
    }
}
