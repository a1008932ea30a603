//! Observers of the pool of a run.

use std::sync::Arc;

use pool::metrics::{BatchId, Observer, PoolEvent};

/// Combines observers; `None` if there are none.
pub(super) fn combine(
    first: Option<Arc<dyn Observer>>,
    second: Option<Arc<dyn Observer>>,
) -> Option<Arc<dyn Observer>> {
    match (first, second) {
        (Some(first), Some(second)) => Some(Arc::new(Both(first, second))),
        (first, second) => first.or(second),
    }
}

struct Both(Arc<dyn Observer>, Arc<dyn Observer>);

impl Observer for Both {
    fn on_event(&self, event: &PoolEvent) {
        self.0.on_event(event);
        self.1.on_event(event);
    }

    fn needs_durations(&self, batch: BatchId) -> bool {
        self.0.needs_durations(batch) || self.1.needs_durations(batch)
    }
}
