//! Outcomes of one batch, on their way to be stored.

use std::sync::Arc;

use parking_lot::Mutex;
use pool::{Job, JobError, Resolved, Sink};
use tokio::sync::oneshot;

use crate::{
    message::push_bytes,
    outcome::{NotStorable, encode},
};

/// How the running of a batch ended.
pub(super) enum RunResult {
    /// All jobs have outcomes; these are they.
    Outcomes(Vec<u8>),
    /// All jobs have outcomes, but some are that this node lacks something; it is named.
    MissingHere(String, Vec<u8>),
    /// Some have none, because the pool was stopped.
    Stopped,
    /// Some have none, because the pool broke.
    Broken(Arc<str>),
}

/// Takes the outcomes of one batch in any order, and tells when all are there. A job's tag is its place in the batch.
pub(super) struct MessageSink(Mutex<OutcomeBuffer>);

struct OutcomeBuffer {
    /// Outcomes as they came.
    bytes: Vec<u8>,
    /// Where each job's outcome is; nothing where there is none.
    ranges: Vec<Option<(usize, usize)>>,
    remaining: usize,
    not_storable: Option<NotStorable>,
    /// What this node lacks.
    missing_here: Option<String>,
    done: Option<oneshot::Sender<RunResult>>,
}

impl MessageSink {
    pub(super) fn new(count: usize) -> (Arc<MessageSink>, oneshot::Receiver<RunResult>) {
        let (done, ran) = oneshot::channel();
        let ranges = vec![None; count];
        let buffer = OutcomeBuffer {
            bytes: Vec::new(),
            ranges,
            remaining: count,
            not_storable: None,
            missing_here: None,
            done: Some(done),
        };
        (Arc::new(MessageSink(Mutex::new(buffer))), ran)
    }
}

impl<J: Job> Sink<J> for MessageSink {
    fn resolve(&self, resolved: Vec<Resolved<J>>) {
        let mut buffer = self.0.lock();
        for Resolved { tag, outcome } in resolved {
            let start = buffer.bytes.len();
            if let Err(JobError::Failed(error)) = &outcome {
                buffer.missing_here = J::missing_here(error).or(buffer.missing_here.take());
            }
            if let Err(not_storable) = encode::<J>(&outcome, &mut buffer.bytes) {
                buffer.not_storable = Some(not_storable);
            }
            let end = buffer.bytes.len();
            if let Some(range) = usize::try_from(tag).ok().and_then(|tag| buffer.ranges.get_mut(tag)) {
                *range = Some((start, end));
            }
            buffer.remaining = buffer.remaining.saturating_sub(1);
        }
        if buffer.remaining == 0 {
            buffer.finish();
        }
    }
}

impl OutcomeBuffer {
    fn finish(&mut self) {
        let Some(done) = self.done.take() else { return };
        let ran = match self.not_storable.take() {
            Some(NotStorable::Cancelled) => RunResult::Stopped,
            Some(NotStorable::Broken(cause)) => RunResult::Broken(cause),
            None => {
                let mut ordered = Vec::with_capacity(self.bytes.len() + 2 * self.ranges.len());
                for &(start, end) in self.ranges.iter().flatten() {
                    push_bytes(&self.bytes[start..end], &mut ordered);
                }
                match self.missing_here.take() {
                    Some(missing_here) => RunResult::MissingHere(missing_here, ordered),
                    None => RunResult::Outcomes(ordered),
                }
            }
        };
        // Nobody listens any more only when the node has left.
        let _ = done.send(ran);
    }
}
