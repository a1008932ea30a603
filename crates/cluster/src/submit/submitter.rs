//! The way in: jobs are encoded by whoever pushes them, and gathered into batches.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use pool::{Job, JobError, JobOptions, Resolved, Sink, SubmitError, Submitter};
use wire::CodecKind;

use super::{
    shared::{Batch, Command, Owner, Shared, hand_over},
    sizing::MOST_BYTES,
};
use crate::{
    batch::{Digest, push_job},
    names::Span,
    spans::Known,
};

/// The batch that is being filled, and where the next ones have to end.
pub(super) struct Gather<J: Job> {
    /// The number of the next job.
    next: u64,
    /// The first job of the open batch.
    first: u64,
    payload: Vec<u8>,
    digest: Digest,
    owners: Vec<Owner<J>>,
    /// The open batch is one of an earlier submitter: it has exactly so many jobs, however long they are in coming.
    fixed: Option<u64>,
    known: Known,
}

/// A job's own limit comes first, then the run's; the node's is for those that have none at all.
#[derive(Clone, Copy)]
struct Limits {
    own: Option<Duration>,
    default: Option<Duration>,
}

impl<J: Job> Gather<J> {
    /// Nothing yet, around what is known already.
    pub(super) fn new(known: Known) -> Gather<J> {
        Gather {
            next: 0,
            first: 0,
            payload: Vec::new(),
            digest: Digest::default(),
            owners: Vec::new(),
            fixed: None,
            known,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next == self.first
    }

    /// Whether there is an open batch, and nobody but this sink, if there is one, wants its outcomes.
    pub(super) fn is_only_of(&self, sink: Option<&Arc<dyn Sink<J>>>) -> bool {
        let is_meant = |owner: &Owner<J>| sink.is_none_or(|sink| Arc::ptr_eq(&owner.sink, sink));
        !self.is_empty() && self.owners.iter().all(is_meant)
    }

    /// How many jobs have been taken.
    pub(super) fn taken(&self) -> u64 {
        self.next
    }

    fn add(&mut self, sink: &Arc<dyn Sink<J>>, tag: u64, limits: Limits, job: &[u8]) {
        if self.is_empty() {
            self.fixed = self.known.starting_at(self.first).map(|(span, _)| span.count);
        }
        self.digest.add(limits.own, job);
        push_job(limits.own.or(limits.default), job, &mut self.payload);
        match self.owners.last_mut() {
            Some(owner) if Arc::ptr_eq(&owner.sink, sink) => owner.tags.push(tag),
            _ => self.owners.push(Owner { sink: sink.clone(), tags: vec![tag] }),
        }
        self.next += 1;
    }

    /// Whether the open batch has to go now.
    fn is_full(&self, target: u64) -> bool {
        let count = self.next - self.first;
        match self.fixed {
            Some(fixed) => count >= fixed,
            None => {
                count >= target
                    || self.payload.len() >= MOST_BYTES
                    || self.known.next_after(self.first) == Some(self.next)
            }
        }
    }

    /// Whether the open batch is one of an earlier submitter, and has to get more jobs.
    pub(super) fn is_short(&self) -> bool {
        self.fixed.is_some_and(|fixed| self.next - self.first < fixed)
    }

    /// Lets the open batch go, whatever is known of it.
    pub(super) fn send_off_short(&mut self, shared: &Arc<Shared<J>>) {
        self.known.forget(self.first);
        self.fixed = None;
        self.send_off(shared);
    }

    /// Lets the open batch go, unless it has to get more jobs first.
    pub(super) fn send_off(&mut self, shared: &Arc<Shared<J>>) {
        if !self.is_empty() && !self.is_short() {
            let mut batch = self.take(shared);
            batch.count();
            shared.command(Command::Batch(batch));
        }
    }

    /// The open batch, whether it may go or not.
    pub(super) fn take(&mut self, shared: &Arc<Shared<J>>) -> Batch<J> {
        let span = Span { first: self.first, count: self.next - self.first };
        self.first = self.next;
        self.fixed = None;
        let (payload, owners) = (std::mem::take(&mut self.payload).into(), std::mem::take(&mut self.owners));
        let digest = std::mem::take(&mut self.digest).text();
        Batch::new(shared, span, payload, digest, owners)
    }
}

pub(super) struct ClusterSubmitter<J: Job> {
    shared: Arc<Shared<J>>,
    sink: Arc<dyn Sink<J>>,
    encoded: Vec<u8>,
}

impl<J: Job> ClusterSubmitter<J> {
    pub(super) fn new(shared: Arc<Shared<J>>, sink: Arc<dyn Sink<J>>) -> ClusterSubmitter<J> {
        ClusterSubmitter { shared, sink, encoded: Vec::new() }
    }

    fn refuse(&self, tag: u64, failure: JobError<J::Error>) {
        hand_over(&*self.sink, vec![Resolved { tag, outcome: Err(failure) }]);
    }
}

impl<J: Job> Submitter<J> for ClusterSubmitter<J> {
    fn push(&mut self, tag: u64, job: J, options: JobOptions) {
        self.encoded.clear();
        if let Err(error) = CodecKind::Bincode.encode(&job, &mut self.encoded) {
            return self.refuse(tag, JobError::Codec(error.to_string()));
        }
        let limits = Limits { own: options.time_limit, default: self.shared.time_limit };
        let mut gather = self.shared.gather.lock();
        if gather.is_empty() {
            drop(gather);
            self.shared.wait_for_room();
            gather = self.shared.gather.lock();
        }
        match self.shared.entered() {
            Ok(()) => {
                gather.add(&self.sink, tag, limits, &self.encoded);
                if gather.is_full(self.shared.target()) {
                    gather.send_off(&self.shared);
                }
            }
            Err(SubmitError::Closed) => {
                drop(gather);
                self.refuse(tag, JobError::Cancelled);
            }
            Err(SubmitError::Broken(cause)) => {
                drop(gather);
                self.refuse(tag, JobError::Abandoned(cause));
            }
        }
    }

    /// Soon: whoever reads its input in pieces flushes more often than batches should be cut.
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

    /// Soon. Jobs that share a batch with another sink's are not cancelled.
    fn cancel_waiting(&mut self) {
        self.shared.command(Command::CancelWaiting(Some(self.sink.clone()), None));
    }
}

impl<J: Job> Drop for ClusterSubmitter<J> {
    fn drop(&mut self) {
        self.flush();
    }
}
