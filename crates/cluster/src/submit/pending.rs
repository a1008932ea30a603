//! Messages whose results are pending.

use std::time::{Duration, Instant};

use pool::Job;
use tokio::task::AbortHandle;

use super::shared::JobMessage;

/// Time without an event after which a message is looked up.
pub(super) const RESULT_TIMEOUT: Duration = Duration::from_secs(5);

/// A message whose jobs have no outcomes yet.
pub(super) struct PendingMessage<J: Job> {
    pub(super) message: JobMessage<J>,
    pub(super) digest: String,
    /// Sequence number in the queue, once it is known to be stored.
    pub(super) sequence: Option<u64>,
    /// It is in the queue or being published.
    pub(super) sent: bool,
    /// Task that publishes it.
    pub(super) publish_task: Option<AbortHandle>,
    /// Time of its last event.
    pub(super) updated_at: Instant,
    /// How often this submitter has published it.
    pub(super) publish_count: u32,
    /// Its result has come and is being assembled.
    pub(super) has_result: bool,
}

impl<J: Job> PendingMessage<J> {
    /// Returns whether it is being published and not acknowledged by the server yet.
    pub(super) fn is_publishing(&self) -> bool {
        self.publish_count > 0 && self.sequence.is_none()
    }

    /// Returns whether it is of an earlier submitter and its digest has not been compared yet.
    pub(super) fn awaits_comparison(&self) -> bool {
        self.is_published() && self.publish_count == 0 && self.sequence.is_none()
    }

    /// Returns whether it is in the queue, published by this submitter or an earlier one, and has no result
    /// here.
    pub(super) fn is_published(&self) -> bool {
        self.sent && !self.has_result && !self.is_publishing()
    }

    /// Returns whether nothing has happened to it for [`RESULT_TIMEOUT`] although it is in the queue.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.is_published() && now.saturating_duration_since(self.updated_at) > RESULT_TIMEOUT
    }
}
