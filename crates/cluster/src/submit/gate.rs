//! Messages that are held back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pool::Job;

use super::{shared::RunState, submit_buffer::SubmitBuffer};

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
    /// Set from the first held message on.
    deadline: Option<Instant>,
}

impl PublishGate {
    /// Returns when to open the gate.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Holds back a message of this many bytes. Returns whether to open the gate.
    pub(super) fn hold_back(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.deadline = Some(Instant::now() + HOLD_TIMEOUT);
        self.bytes > MAX_HELD_BYTES
    }

    /// Returns whether to open the gate because its time is over. While a comparison is under way, the time
    /// is extended instead.
    pub(super) fn has_expired(&mut self, now: Instant, is_comparing: impl FnOnce() -> bool) -> bool {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return false;
        }
        let is_comparing = is_comparing();
        if is_comparing {
            self.deadline = Some(now + HOLD_TIMEOUT);
        }
        !is_comparing
    }
}

/// An open message that should have been flushed, but needs more jobs to match an earlier submitter's.
pub(super) struct StalledMessage {
    /// Number of jobs that had been pushed then.
    pushed: u64,
    deadline: Instant,
}

impl StalledMessage {
    /// Returns one if the open message could not be flushed.
    pub(super) fn new<J: Job>(buffer: &SubmitBuffer<J>, now: Instant) -> Option<StalledMessage> {
        buffer.is_short().then(|| StalledMessage { pushed: buffer.pushed(), deadline: now + STALL_TIMEOUT })
    }

    /// Returns when to send it short.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// When its time is over and no other message is pending, sends it with the jobs that it has, as if the
    /// resumed run did not contain it. The thread that pushes jobs may wait for the outcomes of those in the
    /// buffer before it pushes more. Returns whether it is still stalled.
    pub(super) fn send_overdue<J: Job>(
        &mut self,
        shared: &Arc<RunState<J>>,
        has_pending: bool,
        now: Instant,
    ) -> bool {
        let mut buffer = shared.buffer.lock();
        if !buffer.is_short() || buffer.pushed() != self.pushed {
            return false;
        }
        let is_overdue = self.deadline <= now;
        if is_overdue && has_pending {
            self.deadline = now + STALL_TIMEOUT;
        } else if is_overdue {
            buffer.accept_short();
            shared.flush(&mut buffer);
            return false;
        }
        true
    }
}
