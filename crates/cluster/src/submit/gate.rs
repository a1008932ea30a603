//! Messages that are held back.

use std::time::{Duration, Instant};

use pool::Job;

use super::{coordinator::Coordinator, pending::PendingMessage, submit_buffer::SubmitBuffer};

/// No message is published before the first one has been compared with the resumed run, unless no further job
/// comes for `HOLD_TIMEOUT`, or `MAX_HELD_BYTES` are held back: a wrong input must not corrupt a run, and a
/// right one must not wait for ever.
const HOLD_TIMEOUT: Duration = Duration::from_millis(500);
const MAX_HELD_BYTES: usize = 16 << 20;

/// A message of an earlier submitter is sent short if its remaining jobs do not come for this time while no
/// other message is pending.
const STALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Messages that are held back until another one has been compared.
#[derive(Default)]
pub(super) struct PublishGate {
    bytes: usize,
    /// When to open the gate; set from the first held message on.
    pub(super) deadline: Option<Instant>,
}

/// An open message that should have been flushed, but needs more jobs to match an earlier submitter's.
pub(super) struct StalledMessage {
    /// Number of jobs that had been pushed then.
    pushed: u64,
    pub(super) deadline: Instant,
}

impl StalledMessage {
    /// Returns one if the open message could not be flushed.
    pub(super) fn new<J: Job>(buffer: &SubmitBuffer<J>, now: Instant) -> Option<StalledMessage> {
        buffer.is_short().then(|| StalledMessage { pushed: buffer.pushed(), deadline: now + STALL_TIMEOUT })
    }
}

impl<J: Job> Coordinator<J> {
    /// Sends a stalled message with the jobs that it has, as if the resumed run did not contain it. The
    /// thread that pushes jobs may wait for the outcomes of those in the buffer before it pushes more.
    pub(super) fn send_stalled(&mut self, now: Instant) {
        let Some(stalled) = &mut self.stalled else { return };
        let mut buffer = self.shared.buffer.lock();
        if !buffer.is_short() || buffer.pushed() != stalled.pushed {
            self.stalled = None;
        } else if stalled.deadline <= now && !self.pending.is_empty() {
            stalled.deadline = now + STALL_TIMEOUT;
        } else if stalled.deadline <= now {
            buffer.accept_short();
            self.shared.flush(&mut buffer);
            self.stalled = None;
        }
    }

    /// Holds back a message of this many bytes.
    pub(super) fn hold_back(&mut self, bytes: usize) {
        let Some(gate) = &mut self.gate else { return };
        gate.bytes += bytes;
        gate.deadline = Some(Instant::now() + HOLD_TIMEOUT);
        if gate.bytes > MAX_HELD_BYTES {
            self.open_gate();
        }
    }

    /// Opens the gate when its time is over, unless a comparison is under way.
    pub(super) fn check_gate(&mut self, now: Instant) {
        let Some(gate) = &mut self.gate else { return };
        if gate.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        if self.pending.values().any(PendingMessage::awaits_comparison) {
            gate.deadline = Some(now + HOLD_TIMEOUT);
        } else {
            self.open_gate();
        }
    }

    /// Publishes all messages that were held back.
    pub(super) fn open_gate(&mut self) {
        if self.gate.take().is_some() {
            let unsent = self.pending.iter().filter(|(_, pending)| !pending.sent).map(|(&first, _)| first);
            unsent.collect::<Vec<_>>().into_iter().for_each(|first| self.publish(first));
        }
    }
}
