//! A batch of jobs.

use job::BatchId;
use serde::Serialize;

use super::{LENGTH, after_entries, pack_flags, seal, take_entry, take_flags, take_u32, take_u64};
use crate::{CodecError, CodecKind, Message, Tag};

const HEADER: usize = 13;

/// Jobs one after another, each behind its length: the tail of a batch of jobs.
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

    /// The same, without a copy if it is the first.
    pub fn append_owned(&mut self, entry: Vec<u8>) {
        if self.bytes.is_empty() {
            self.bytes = entry;
            self.ends.push(self.bytes.len());
        } else {
            self.append(&entry);
        }
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

/// What the worker is to note while it runs a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchFlags {
    /// When each job starts, in the shared page: the parent watches limits.
    pub starts: bool,
    /// How long each job takes, in the message of its outcome.
    pub durations: bool,
}

/// A batch of jobs made of slices of [`Entries`].
#[must_use]
pub fn jobs(batch: BatchId, flags: BatchFlags, count: u32, slices: &[&[u8]]) -> Message {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&batch.0.to_le_bytes());
    header[8] = pack_flags([flags.starts, flags.durations]);
    header[9..].copy_from_slice(&count.to_le_bytes());
    Message::of_parts(Tag::Jobs, &header, slices)
}

/// A batch of jobs as the worker reads it.
#[derive(Debug)]
pub struct JobsView<'a> {
    /// The batch's number.
    pub batch: BatchId,
    /// What the parent wants to know.
    pub flags: BatchFlags,
    /// How many jobs there are.
    pub count: u32,
    rest: &'a [u8],
}

impl<'a> JobsView<'a> {
    /// Reads the batch in a message; `None` if there is none, or its entries do not add up.
    #[must_use]
    pub fn read(message: &'a Message) -> Option<JobsView<'a>> {
        let mut rest = message.body();
        let batch = BatchId(take_u64(&mut rest)?);
        let [starts, durations] = take_flags(&mut rest)?;
        let count = take_u32(&mut rest)?;
        let adds_up = after_entries(rest, count, 0).is_some_and(<[u8]>::is_empty);
        let flags = BatchFlags { starts, durations };
        (message.tag() == Some(Tag::Jobs) && adds_up).then_some(JobsView { batch, flags, count, rest })
    }

    /// The payloads, in order.
    pub fn payloads(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.rest;
        std::iter::from_fn(move || take_entry(&mut rest))
    }
}
