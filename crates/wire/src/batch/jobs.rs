//! Batches of jobs.

use job::BatchId;
use serde::Serialize;

use super::{
    LENGTH_SIZE, pack_flags, skip_entries, take_entry, take_flags, take_u32, take_u64, write_length,
};
use crate::{CodecError, CodecKind, Message, Tag, codec::MAX_ENCODED};

/// Size in bytes of the header of a batch of jobs.
const HEADER_SIZE: usize = 13;

/// Encoded jobs, each preceded by its length: the body of a batch after its header.
#[derive(Debug, Default)]
pub struct Entries {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Entries {
    /// Creates an empty list with room for `count` jobs of `bytes` bytes in total.
    #[must_use]
    pub fn with_capacity(count: usize, bytes: usize) -> Entries {
        Entries { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(count) }
    }

    /// Encodes and adds a job.
    ///
    /// # Errors
    /// If the job cannot be encoded or its encoding is 4 GiB or larger. Nothing is added then.
    pub fn push<T: Serialize>(&mut self, codec: CodecKind, job: &T) -> Result<(), CodecError> {
        encode_entry(codec, job, &mut self.bytes)?;
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Adds a job that was encoded by [`encode_entry`].
    #[inline]
    pub fn append(&mut self, entry: &[u8]) {
        self.bytes.extend_from_slice(entry);
        self.ends.push(self.bytes.len());
    }

    /// Like [`append`](Entries::append), but does not copy the first job.
    pub fn append_owned(&mut self, entry: Vec<u8>) {
        if self.bytes.is_empty() {
            self.bytes = entry;
            self.ends.push(self.bytes.len());
        } else {
            self.append(&entry);
        }
    }

    /// Number of jobs.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Size of all jobs in bytes, including their lengths.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the bytes of the jobs `from..to`, including their lengths.
    ///
    /// # Panics
    /// If there are fewer than `to` jobs.
    #[must_use]
    pub fn slice(&self, from: usize, to: usize) -> &[u8] {
        let start = if from == 0 { 0 } else { self.ends[from - 1] };
        let end = if to == 0 { 0 } else { self.ends[to - 1] };
        &self.bytes[start..end]
    }
}

/// Appends a job in the format of [`Entries`]: its length and its encoding.
///
/// # Errors
/// If the job cannot be encoded or its encoding is 4 GiB or larger. Nothing is appended then.
#[inline]
pub fn encode_entry<T: Serialize>(codec: CodecKind, job: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = into.len();
    into.extend([0; LENGTH_SIZE]);
    let encoded = codec.encode_within(job, into, MAX_ENCODED).and_then(|()| write_length(into, start));
    if encoded.is_err() {
        into.truncate(start);
    }
    encoded
}

/// Measurements that the parent requests for a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchFlags {
    /// The worker writes the start time of each job to the shared page, because the parent enforces time
    /// limits.
    pub starts: bool,
    /// The worker sends the duration of each job with its outcome.
    pub durations: bool,
}

/// Creates the message of a batch of jobs from slices of [`Entries`] with `count` jobs in total.
#[must_use]
pub fn encode_jobs(batch: BatchId, flags: BatchFlags, count: u32, slices: &[&[u8]]) -> Message {
    let mut header = [0; HEADER_SIZE];
    header[..8].copy_from_slice(&batch.0.to_le_bytes());
    header[8] = pack_flags([flags.starts, flags.durations]);
    header[9..].copy_from_slice(&count.to_le_bytes());
    Message::from_parts(Tag::Jobs, &header, slices)
}

/// A received batch of jobs.
#[derive(Debug)]
pub struct JobsView<'a> {
    /// Number of the batch.
    pub batch: BatchId,
    /// Measurements that the parent requests.
    pub flags: BatchFlags,
    /// Number of jobs.
    pub count: u32,
    rest: &'a [u8],
}

impl<'a> JobsView<'a> {
    /// Reads the batch of jobs in a message. Returns `None` if the message is of another kind, has unknown
    /// flags, or does not hold exactly `count` entries.
    #[must_use]
    pub fn read(message: &'a Message) -> Option<JobsView<'a>> {
        let mut rest = message.body();
        let batch = BatchId(take_u64(&mut rest)?);
        let [starts, durations] = take_flags(&mut rest)?;
        let count = take_u32(&mut rest)?;
        let is_complete = skip_entries(rest, count, 0).is_some_and(<[u8]>::is_empty);
        let flags = BatchFlags { starts, durations };
        (message.tag() == Some(Tag::Jobs) && is_complete).then_some(JobsView { batch, flags, count, rest })
    }

    /// Returns the encoded jobs in order.
    pub fn payloads(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.rest;
        std::iter::from_fn(move || take_entry(&mut rest))
    }
}
