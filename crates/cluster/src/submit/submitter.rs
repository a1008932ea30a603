//! Encodes jobs in the threads that push them, and packs them into messages.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use pool::{Job, JobError, JobOptions, Resolved, Sink, SubmitError, Submitter};
use wire::CodecKind;

use super::{
    shared::{Command, JobMessage, Owner, RunState, resolve},
    sizing::MAX_BYTES,
};
use crate::{
    message::{Digest, push_job},
    names::Span,
    resume::ResumeIndex,
};

/// The open message, which is being filled, and the index of the resumed run, which bounds the next ones.
pub(super) struct SubmitBuffer<J: Job> {
    /// Number of the next job.
    next: u64,
    /// First job of the open message.
    first: u64,
    payload: Vec<u8>,
    digest: Digest,
    owners: Vec<Owner<J>>,
    /// Exact number of jobs, if the open message is one of an earlier submitter.
    exact_jobs: Option<u64>,
    known: ResumeIndex,
}

/// Time limits of a job. Its own limit takes precedence over the run's; the node's applies to jobs with
/// neither.
#[derive(Clone, Copy)]
struct Limits {
    own: Option<Duration>,
    default: Option<Duration>,
}

impl<J: Job> SubmitBuffer<J> {
    /// Returns an empty buffer for a run with this index.
    pub(super) fn new(known: ResumeIndex) -> SubmitBuffer<J> {
        SubmitBuffer {
            next: 0,
            first: 0,
            payload: Vec::new(),
            digest: Digest::default(),
            owners: Vec::new(),
            exact_jobs: None,
            known,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next == self.first
    }

    /// Returns whether there is an open message, all of whose jobs are of this sink, or of any if it is
    /// `None`.
    pub(super) fn belongs_only_to(&self, sink: Option<&Arc<dyn Sink<J>>>) -> bool {
        let matches = |owner: &Owner<J>| sink.is_none_or(|sink| Arc::ptr_eq(&owner.sink, sink));
        !self.is_empty() && self.owners.iter().all(matches)
    }

    /// Returns how many jobs have been pushed.
    pub(super) fn pushed(&self) -> u64 {
        self.next
    }

    fn add(&mut self, sink: &Arc<dyn Sink<J>>, tag: u64, limits: Limits, job: &[u8]) {
        if self.is_empty() {
            self.exact_jobs = self.known.starting_at(self.first).map(|(span, _)| span.count);
        }
        self.digest.add(limits.own, job);
        push_job(limits.own.or(limits.default), job, &mut self.payload);
        match self.owners.last_mut() {
            Some(owner) if Arc::ptr_eq(&owner.sink, sink) => owner.tags.push(tag),
            _ => self.owners.push(Owner { sink: sink.clone(), tags: vec![tag] }),
        }
        self.next += 1;
    }

    /// Returns whether the open message is complete.
    fn is_complete(&self, target: u64) -> bool {
        let count = self.next - self.first;
        match self.exact_jobs {
            Some(exact_jobs) => count >= exact_jobs,
            None => {
                count >= target
                    || self.payload.len() >= MAX_BYTES
                    || self.known.next_after(self.first) == Some(self.next)
            }
        }
    }

    /// Returns whether the open message is one of an earlier submitter and needs more jobs.
    pub(super) fn is_short(&self) -> bool {
        self.exact_jobs.is_some_and(|exact_jobs| self.next - self.first < exact_jobs)
    }

    /// Sends the open message as a new one, even if it is short.
    pub(super) fn flush_short(&mut self, shared: &Arc<RunState<J>>) {
        self.known.forget(self.first);
        self.exact_jobs = None;
        self.flush(shared);
    }

    /// Sends the open message, unless it is empty or short.
    pub(super) fn flush(&mut self, shared: &Arc<RunState<J>>) {
        if !self.is_empty() && !self.is_short() {
            let mut message = self.take(shared);
            message.count_complete();
            shared.command(Command::Message(message));
        }
    }

    /// Takes the open message out of the buffer, even if it is short.
    pub(super) fn take(&mut self, shared: &Arc<RunState<J>>) -> JobMessage<J> {
        let span = Span { first: self.first, count: self.next - self.first };
        self.first = self.next;
        self.exact_jobs = None;
        let (payload, owners) = (std::mem::take(&mut self.payload).into(), std::mem::take(&mut self.owners));
        let digest = std::mem::take(&mut self.digest).text();
        JobMessage::new(shared, span, payload, digest, owners)
    }
}

pub(super) struct ClusterSubmitter<J: Job> {
    shared: Arc<RunState<J>>,
    sink: Arc<dyn Sink<J>>,
    encoded: Vec<u8>,
}

impl<J: Job> ClusterSubmitter<J> {
    pub(super) fn new(shared: Arc<RunState<J>>, sink: Arc<dyn Sink<J>>) -> ClusterSubmitter<J> {
        ClusterSubmitter { shared, sink, encoded: Vec::new() }
    }

    fn reject(&self, tag: u64, failure: JobError<J::Error>) {
        resolve(&*self.sink, vec![Resolved { tag, outcome: Err(failure) }]);
    }
}

impl<J: Job> Submitter<J> for ClusterSubmitter<J> {
    fn push(&mut self, tag: u64, job: J, options: JobOptions) {
        self.encoded.clear();
        if let Err(error) = CodecKind::Bincode.encode(&job, &mut self.encoded) {
            return self.reject(tag, JobError::Codec(error.to_string()));
        }
        let limits = Limits { own: options.time_limit, default: self.shared.time_limit };
        let mut buffer = self.shared.buffer.lock();
        if buffer.is_empty() {
            drop(buffer);
            self.shared.wait_for_capacity();
            buffer = self.shared.buffer.lock();
        }
        match self.shared.count_job() {
            Ok(()) => {
                buffer.add(&self.sink, tag, limits, &self.encoded);
                if buffer.is_complete(self.shared.target()) {
                    buffer.flush(&self.shared);
                }
            }
            Err(SubmitError::Closed) => {
                drop(buffer);
                self.reject(tag, JobError::Cancelled);
            }
            Err(SubmitError::Broken(cause)) => {
                drop(buffer);
                self.reject(tag, JobError::Abandoned(cause));
            }
        }
    }

    /// Requests a flush after a short delay: callers that read their input in pieces flush more often than
    /// messages should be sent.
    fn flush(&mut self) {
        if !self.shared.flushing.swap(true, Ordering::AcqRel) {
            self.shared.command(Command::Flush);
        }
    }

    fn has_capacity(&self) -> bool {
        self.shared.has_capacity()
    }

    fn refusal(&self) -> Option<SubmitError> {
        self.shared.refusal()
    }

    /// Requests a cancellation. Jobs in a message with jobs of another sink are not cancelled.
    fn cancel_waiting(&mut self) {
        self.shared.command(Command::CancelWaiting(Some(self.sink.clone()), None));
    }
}

impl<J: Job> Drop for ClusterSubmitter<J> {
    fn drop(&mut self) {
        self.flush();
    }
}
