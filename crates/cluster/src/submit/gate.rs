//! Batches that do not go yet.

use std::time::{Duration, Instant};

use pool::Job;

use super::{
    coordinator::{Coordinator, PendingMessage},
    submitter::SubmitBuffer,
};

/// Nothing is published before the first batch has been compared with what is known of it, unless no further job comes for so
/// long, or so many bytes have come: a wrong input must not spoil a run, and a right one must not wait for ever.
const HOLD_TIMEOUT: Duration = Duration::from_millis(500);
const MAX_HELD_BYTES: usize = 16 << 20;

/// A batch of an earlier submitter whose other jobs do not come for so long, while nothing else is under way.
const STALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Batches that are not published before another one has been compared.
#[derive(Default)]
pub(super) struct PublishGate {
    bytes: usize,
    /// From the first batch on.
    pub(super) until: Option<Instant>,
}

/// A batch that must have more jobs has been asked to go.
pub(super) struct StalledMessage {
    /// How many jobs there were then.
    pushed: u64,
    pub(super) until: Instant,
}

impl StalledMessage {
    /// When an open batch that had to go could not.
    pub(super) fn new<J: Job>(buffer: &SubmitBuffer<J>, now: Instant) -> Option<StalledMessage> {
        buffer.is_short().then(|| StalledMessage { pushed: buffer.pushed(), until: now + STALL_TIMEOUT })
    }
}

impl<J: Job> Coordinator<J> {
    /// Whoever pushes jobs may wait for the outcomes of those that have gathered: the next ones would not have room. Then the
    /// batch goes with the jobs that are there, as if nothing were known of it.
    pub(super) fn send_stalled(&mut self, now: Instant) {
        let Some(stalled) = &mut self.stalled else { return };
        let mut buffer = self.shared.buffer.lock();
        if !buffer.is_short() || buffer.pushed() != stalled.pushed {
            self.stalled = None;
        } else if stalled.until <= now && !self.pending.is_empty() {
            stalled.until = now + STALL_TIMEOUT;
        } else if stalled.until <= now {
            buffer.flush_short(&self.shared);
            self.stalled = None;
        }
    }

    /// Holds back a batch of so many bytes.
    pub(super) fn hold_back(&mut self, bytes: usize) {
        let Some(gate) = &mut self.gate else { return };
        gate.bytes += bytes;
        gate.until = Some(Instant::now() + HOLD_TIMEOUT);
        if gate.bytes > MAX_HELD_BYTES {
            self.open_gate();
        }
    }

    /// Has held batches back for long enough, unless a comparison is under way.
    pub(super) fn check_gate(&mut self, now: Instant) {
        let Some(gate) = &mut self.gate else { return };
        if gate.until.is_none_or(|until| until > now) {
            return;
        }
        if self.pending.values().any(PendingMessage::awaits_comparison) {
            gate.until = Some(now + HOLD_TIMEOUT);
        } else {
            self.open_gate();
        }
    }

    /// Publishes what has been held back.
    pub(super) fn open_gate(&mut self) {
        if self.gate.take().is_some() {
            let unsent = self.pending.iter().filter(|(_, pending)| !pending.sent).map(|(&first, _)| first);
            unsent.collect::<Vec<_>>().into_iter().for_each(|first| self.publish(first));
        }
    }
}
