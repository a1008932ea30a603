//! Batches of outcomes.

use std::time::Duration;

use job::{BatchId, MonotonicInstant};
use serde::Serialize;

use super::{
    LENGTH_SIZE, pack_flags, skip_entries, take, take_entry, take_flags, take_u32, take_u64, write_length,
};
use crate::{
    CodecError, CodecKind, Message, Tag,
    codec::MAX_OUTCOME,
    transfer::{Files, collect},
};

/// Size in bytes of the header of a batch of outcomes.
const HEADER_SIZE: usize = 29;

/// Size in bytes of an encoded duration.
const DURATION_SIZE: usize = 4;

/// Size in bytes of a file's entry: its descriptor and its length.
const FILE_SIZE: usize = 12;

/// Kind of an outcome that a worker reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The job succeeded; the payload is its output.
    Done = 0,
    /// The job failed; the payload is its error.
    Failed = 1,
    /// The job panicked; the payload is the panic.
    Panicked = 2,
    /// The job could not be decoded, or its output or error could not be encoded; the payload is an error
    /// message.
    Codec = 3,
}

/// Builder of a message with a batch of outcomes.
#[derive(Debug)]
pub struct OutcomesWriter {
    message: Message,
    count: u32,
    /// Durations are collected separately and appended at the end, so that
    /// [`bytes_from`](OutcomesWriter::bytes_from) returns outcomes only.
    durations: Vec<u8>,
    /// Files that the outcomes refer to.
    files: Files,
    /// Maximum size in bytes of an outcome that is added by
    /// [`push_unguarded`](OutcomesWriter::push_unguarded), including its files.
    max_outcome: u64,
}

impl OutcomesWriter {
    /// Creates an empty batch of outcomes for the batch of jobs with this number.
    #[must_use]
    pub fn new(batch: BatchId) -> OutcomesWriter {
        OutcomesWriter::with_limit(batch, u64::MAX)
    }

    /// Like [`new`](OutcomesWriter::new), but [`push_unguarded`](OutcomesWriter::push_unguarded) rejects
    /// outcomes of more than `max_outcome` bytes.
    #[must_use]
    pub fn with_limit(batch: BatchId, max_outcome: u64) -> OutcomesWriter {
        let mut message = Message::new(Tag::Outcomes);
        message.extend(&batch.0.to_le_bytes());
        message.extend(&[0; HEADER_SIZE - 8]);
        OutcomesWriter { message, count: 0, durations: Vec::new(), files: Files::default(), max_outcome }
    }

    /// Adds an outcome.
    ///
    /// # Errors
    /// If the payload's serializer fails or panics, or the encoding is 4 GiB or larger. Nothing is added
    /// then.
    pub fn push<T: Serialize>(
        &mut self,
        codec: CodecKind,
        status: Status,
        payload: &T,
    ) -> Result<(), CodecError> {
        self.push_with(status, |buffer| codec.encode_within(payload, buffer, MAX_OUTCOME))
    }

    /// Like [`push`](OutcomesWriter::push), for callers that catch panics of the serializer. They must then
    /// [remove](OutcomesWriter::truncate) the incomplete outcome. Large data is [not
    /// copied](crate::transfer) but added as a [file](OutcomesWriter::files).
    ///
    /// # Errors
    /// If the payload's serializer fails, or the encoding, with its files, is larger than `max_outcome`, or
    /// without them is 4 GiB or larger. Nothing is added then.
    #[inline]
    pub fn push_unguarded<T: Serialize>(
        &mut self,
        codec: CodecKind,
        status: Status,
        payload: &T,
    ) -> Result<(), CodecError> {
        let before = self.bytes();
        let limit = self.max_outcome.min(MAX_OUTCOME as u64) as usize;
        let (encoded, files) =
            collect(|| self.push_with(status, |buffer| codec.encode_unguarded(payload, buffer, limit)));
        if files.is_empty() { encoded } else { encoded.and_then(|()| self.add_files(before, files)) }
    }

    /// Adds the files of the last outcome, which begins after the first `before` bytes; or removes it if it
    /// is too large.
    #[cold]
    fn add_files(&mut self, before: usize, files: Files) -> Result<(), CodecError> {
        let size = (self.bytes() - before) as u64;
        if files.bytes().saturating_add(size) > self.max_outcome {
            self.truncate(before);
            self.count -= 1;
            return Err(CodecError::above_max_outcome(self.max_outcome));
        }
        self.files.extend(files);
        Ok(())
    }

    /// Returns the files that the outcomes refer to. They must be kept open until the receiver of the message
    /// has opened them.
    #[must_use]
    #[inline]
    pub fn files(&self) -> &Files {
        &self.files
    }

    #[inline]
    fn push_with(
        &mut self,
        status: Status,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        let buffer = self.message.buffer();
        let start = buffer.len();
        buffer.extend([0; LENGTH_SIZE]);
        buffer.push(status as u8);
        let encoded = encode(buffer).and_then(|()| write_length(buffer, start));
        match encoded {
            Ok(()) => self.count += 1,
            Err(_) => buffer.truncate(start),
        }
        encoded
    }

    /// Truncates the outcomes to their first `before` bytes, to remove an incomplete outcome.
    pub fn truncate(&mut self, before: usize) {
        self.message.buffer().truncate(2 + HEADER_SIZE + before);
    }

    /// Returns the encoded outcomes after the first `before` bytes.
    ///
    /// # Panics
    /// If there are fewer than `before` bytes of outcomes.
    #[must_use]
    #[inline]
    pub fn bytes_from(&self, before: usize) -> &[u8] {
        &self.message.body()[HEADER_SIZE + before..]
    }

    /// Size of the encoded outcomes in bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> usize {
        self.message.body().len() - HEADER_SIZE
    }

    /// Adds the duration of the job whose outcome was added last.
    pub fn note_duration(&mut self, duration: Duration) {
        let nanos = u32::try_from(duration.as_nanos()).unwrap_or(u32::MAX);
        self.durations.extend(nanos.to_le_bytes());
    }

    /// Returns the finished message. It includes the durations if there is one for each outcome.
    ///
    /// `began` is the start of the first job, `busy_ns` the time of all jobs in nanoseconds. `last` states
    /// that no other message of this batch follows.
    #[must_use]
    pub fn finish(mut self, began: MonotonicInstant, busy_ns: u64, last: bool) -> Message {
        let durations =
            !self.durations.is_empty() && self.durations.len() == DURATION_SIZE * self.count as usize;
        let header = &mut self.message.buffer()[2..];
        header[8..16].copy_from_slice(&began.0.to_le_bytes());
        header[16..24].copy_from_slice(&busy_ns.to_le_bytes());
        header[24..28].copy_from_slice(&self.count.to_le_bytes());
        header[28] = pack_flags([last, durations, !self.files.is_empty()]);
        if durations {
            self.message.extend(&self.durations);
        }
        for (fd, length) in self.files.descriptors() {
            self.message.extend(&fd.to_le_bytes());
            self.message.extend(&length.to_le_bytes());
        }
        self.message
    }
}

/// A received batch of outcomes.
#[derive(Debug)]
pub struct OutcomesView<'a> {
    /// Number of the batch of jobs.
    pub batch: BatchId,
    /// Time at which the worker started on these outcomes.
    pub began: MonotonicInstant,
    /// Time that the worker spent on these outcomes, in nanoseconds.
    pub busy_ns: u64,
    /// Number of outcomes.
    pub count: u32,
    /// `true` if no other message of this batch follows.
    pub last: bool,
    entries: &'a [u8],
    durations: Option<&'a [u8]>,
    files: &'a [u8],
}

impl<'a> OutcomesView<'a> {
    /// Reads outcomes without a header, which a worker had [saved](sys::shared_page::SavedOutcomes) before it
    /// died. Returns `None` if they are incomplete.
    #[must_use]
    pub fn of_saved(batch: BatchId, bytes: &'a [u8]) -> Option<OutcomesView<'a>> {
        let (mut rest, mut count) = (bytes, 0);
        while !rest.is_empty() {
            take_entry(&mut rest).filter(|entry| !entry.is_empty())?;
            count += 1;
        }
        let (began, durations) = (MonotonicInstant(0), None);
        Some(OutcomesView {
            batch,
            began,
            busy_ns: 0,
            count,
            last: false,
            entries: bytes,
            durations,
            files: &[],
        })
    }

    /// Reads the batch of outcomes in a message. Returns `None` if the message is of another kind, has
    /// unknown flags, or does not hold exactly `count` outcomes (and durations and files, if their flags are
    /// set).
    #[must_use]
    pub fn read(message: &'a Message) -> Option<OutcomesView<'a>> {
        let mut rest = message.body();
        let batch = BatchId(take_u64(&mut rest)?);
        let began = MonotonicInstant(take_u64(&mut rest)?);
        let busy_ns = take_u64(&mut rest)?;
        let count = take_u32(&mut rest)?;
        let [last, durations, has_files] = take_flags(&mut rest)?;
        let mut trailer = skip_entries(rest, count, 1)?;
        let entries = &rest[..rest.len() - trailer.len()];
        let durations = match durations {
            true => Some(take(&mut trailer, DURATION_SIZE.checked_mul(usize::try_from(count).ok()?)?)?),
            false => None,
        };
        let files = trailer;
        let is_complete = files.len().is_multiple_of(FILE_SIZE) && has_files != files.is_empty();
        (message.tag() == Some(Tag::Outcomes) && is_complete).then_some(OutcomesView {
            batch,
            began,
            busy_ns,
            count,
            last,
            entries,
            durations,
            files,
        })
    }

    /// Returns the descriptor and the length in bytes of each file that the outcomes refer to, or `None` if
    /// there are no files.
    pub fn files(&self) -> Option<impl ExactSizeIterator<Item = (u32, u64)> + use<'a>> {
        let (files, _) = self.files.as_chunks::<FILE_SIZE>();
        let read = |&[a, b, c, d, ref length @ ..]: &[u8; FILE_SIZE]| {
            (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(*length))
        };
        (!files.is_empty()).then(|| files.iter().map(read))
    }

    /// Returns the duration of each job in nanoseconds, if durations were requested. `u32::MAX` means that
    /// value or more.
    pub fn durations(&self) -> Option<impl Iterator<Item = u32> + use<'a>> {
        let (durations, _) = self.durations?.as_chunks::<DURATION_SIZE>();
        Some(durations.iter().map(|&bytes| u32::from_le_bytes(bytes)))
    }

    /// Returns statuses and payloads in order. `None` stands for a status that this version does not define.
    pub fn outcomes(&self) -> impl Iterator<Item = (Option<Status>, &'a [u8])> + use<'a> {
        let mut rest = self.entries;
        std::iter::from_fn(move || {
            let (&status, payload) = take_entry(&mut rest)?.split_first()?;
            let all = [Status::Done, Status::Failed, Status::Panicked, Status::Codec];
            Some((all.into_iter().find(|&known| known as u8 == status), payload))
        })
    }
}
