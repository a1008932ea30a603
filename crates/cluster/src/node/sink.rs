//! Collects the outcomes of one message, to be stored as its result.

use std::sync::Arc;

use parking_lot::Mutex;
use pool::{
    Job, JobError,
    stream::{Resolved, Sink},
};
use tokio::sync::oneshot;

use crate::{
    message::push_bytes,
    outcome::{NotStorable, encode},
};

/// Result of running the jobs of a message.
pub(super) enum RunResult {
    /// All jobs have outcomes; here encoded.
    Outcomes(Vec<u8>),
    /// All jobs have outcomes, but some failed because this node lacks something, which is named.
    MissingHere(String, Vec<u8>),
    /// Some jobs have no outcome, because the pool was stopped.
    Stopped,
    /// Some jobs have no outcome, because the pool failed.
    Broken(Arc<str>),
}

/// Sink that collects the outcomes of one message in any order and sends them when they are complete. A job's
/// tag is its index in the message.
pub(super) struct MessageSink(Mutex<OutcomeBuffer>);

struct OutcomeBuffer {
    /// Encoded outcomes, in the order of arrival.
    bytes: Vec<u8>,
    /// Byte range of each job's outcome; `None` if it has none yet.
    ranges: Vec<Option<(usize, usize)>>,
    remaining: usize,
    not_storable: Option<NotStorable>,
    /// What this node lacks, by `Job::unavailable_reason`.
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
                buffer.missing_here = J::unavailable_reason(error).or(buffer.missing_here.take());
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
        // The receiver is gone only when the node has left.
        let _ = done.send(ran);
    }
}
