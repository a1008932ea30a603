//! The submit buffer: packs encoded jobs into messages.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pool::{Job, stream::Sink};

use super::sizing::MAX_BYTES;
use crate::{
    message::{Digest, push_job},
    names::Span,
    resume::ResumeIndex,
};

/// Sink and tags of consecutive jobs of a message.
pub(super) struct Owner<J: Job> {
    pub(super) sink: Arc<dyn Sink<J>>,
    pub(super) tags: Vec<u64>,
}

/// Content of a message, taken out of the buffer.
pub(super) struct PackedJobs<J: Job> {
    pub(super) span: Span,
    pub(super) payload: Bytes,
    /// Digest of the jobs.
    pub(super) digest: String,
    pub(super) owners: Vec<Owner<J>>,
}

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
pub(super) struct Limits {
    pub(super) own: Option<Duration>,
    pub(super) default: Option<Duration>,
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

    pub(super) fn add(&mut self, sink: &Arc<dyn Sink<J>>, tag: u64, limits: Limits, job: &[u8]) {
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
    pub(super) fn is_complete(&self, target: u64) -> bool {
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

    /// Lets the open message be taken even if it is short, as one that the earlier submitter did not publish.
    pub(super) fn accept_short(&mut self) {
        self.known.forget(self.first);
        self.exact_jobs = None;
    }

    /// Takes the open message out of the buffer, unless it is empty or short.
    pub(super) fn take_ready(&mut self) -> Option<PackedJobs<J>> {
        (!self.is_empty() && !self.is_short()).then(|| self.take())
    }

    /// Takes the open message out of the buffer, even if it is short.
    pub(super) fn take(&mut self) -> PackedJobs<J> {
        let span = Span { first: self.first, count: self.next - self.first };
        self.first = self.next;
        self.exact_jobs = None;
        let (payload, owners) = (std::mem::take(&mut self.payload).into(), std::mem::take(&mut self.owners));
        let digest = std::mem::take(&mut self.digest).text();
        PackedJobs { span, payload, digest, owners }
    }
}
