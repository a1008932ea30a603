//! Outcomes of one batch, on their way to be stored.

use std::sync::Arc;

use parking_lot::Mutex;
use pool::{Job, JobError, Resolved, Sink};
use tokio::sync::oneshot;

use crate::{
    batch::push_bytes,
    verdict::{NoVerdict, encode},
};

/// How the running of a batch ended.
pub(super) enum Ran {
    /// All jobs have outcomes; these are they.
    Outcomes(Vec<u8>),
    /// All jobs have outcomes, but some are that this node lacks something; it is named.
    Lacking(String, Vec<u8>),
    /// Some have none, because the pool was stopped.
    Stopped,
    /// Some have none, because the pool broke.
    Broken(Arc<str>),
}

/// Takes the outcomes of one batch in any order, and tells when all are there. A job's tag is its place in the batch.
pub(super) struct BatchSink(Mutex<Filling>);

struct Filling {
    /// Outcomes as they came.
    bytes: Vec<u8>,
    /// Where each job's outcome is; nothing where there is none.
    places: Vec<Option<(usize, usize)>>,
    missing: usize,
    none: Option<NoVerdict>,
    /// What this node lacks.
    lacking: Option<String>,
    done: Option<oneshot::Sender<Ran>>,
}

impl BatchSink {
    pub(super) fn new(count: usize) -> (Arc<BatchSink>, oneshot::Receiver<Ran>) {
        let (done, ran) = oneshot::channel();
        let places = vec![None; count];
        let filling = Filling {
            bytes: Vec::new(),
            places,
            missing: count,
            none: None,
            lacking: None,
            done: Some(done),
        };
        (Arc::new(BatchSink(Mutex::new(filling))), ran)
    }
}

impl<J: Job> Sink<J> for BatchSink {
    fn resolve(&self, resolved: Vec<Resolved<J>>) {
        let mut filling = self.0.lock();
        for Resolved { tag, outcome } in resolved {
            let start = filling.bytes.len();
            if let Err(JobError::Failed(error)) = &outcome {
                filling.lacking = J::missing_here(error).or(filling.lacking.take());
            }
            if let Err(none) = encode::<J>(&outcome, &mut filling.bytes) {
                filling.none = Some(none);
            }
            let end = filling.bytes.len();
            if let Some(place) = usize::try_from(tag).ok().and_then(|tag| filling.places.get_mut(tag)) {
                *place = Some((start, end));
            }
            filling.missing = filling.missing.saturating_sub(1);
        }
        if filling.missing == 0 {
            filling.finish();
        }
    }
}

impl Filling {
    fn finish(&mut self) {
        let Some(done) = self.done.take() else { return };
        let ran = match self.none.take() {
            Some(NoVerdict::Cancelled) => Ran::Stopped,
            Some(NoVerdict::Broken(cause)) => Ran::Broken(cause),
            None => {
                let mut ordered = Vec::with_capacity(self.bytes.len() + 2 * self.places.len());
                for &(start, end) in self.places.iter().flatten() {
                    push_bytes(&self.bytes[start..end], &mut ordered);
                }
                match self.lacking.take() {
                    Some(lacking) => Ran::Lacking(lacking, ordered),
                    None => Ran::Outcomes(ordered),
                }
            }
        };
        // Nobody listens any more only when the node has left.
        let _ = done.send(ran);
    }
}
