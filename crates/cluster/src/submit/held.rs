//! Batches that do not go yet.

use std::time::{Duration, Instant};

use pool::Job;

use super::{
    coordinator::{Coordinator, Waiting},
    submitter::Gather,
};

/// Nothing is published before the first batch has been compared with what is known of it, unless no further job comes for so
/// long, or so many bytes have come: a wrong input must not spoil a run, and a right one must not wait for ever.
const HOLD_FOR: Duration = Duration::from_millis(500);
const HOLD_BYTES: usize = 16 << 20;

/// A batch of an earlier submitter whose other jobs do not come for so long, while nothing else is under way.
const STARVED_AFTER: Duration = Duration::from_secs(2);

/// Batches that are not published before another one has been compared.
#[derive(Default)]
pub(super) struct Held {
    bytes: usize,
    /// From the first batch on.
    pub(super) until: Option<Instant>,
}

/// A batch that must have more jobs has been asked to go.
pub(super) struct Starving {
    /// How many jobs there were then.
    taken: u64,
    pub(super) until: Instant,
}

impl Starving {
    /// When an open batch that had to go could not.
    pub(super) fn of<J: Job>(gather: &Gather<J>, now: Instant) -> Option<Starving> {
        gather.is_short().then(|| Starving { taken: gather.taken(), until: now + STARVED_AFTER })
    }
}

impl<J: Job> Coordinator<J> {
    /// Whoever pushes jobs may wait for the outcomes of those that have gathered: the next ones would not have room. Then the
    /// batch goes with the jobs that are there, as if nothing were known of it.
    pub(super) fn feed_the_starving(&mut self, now: Instant) {
        let Some(starving) = &mut self.starving else { return };
        let mut gather = self.shared.gather.lock();
        if !gather.is_short() || gather.taken() != starving.taken {
            self.starving = None;
        } else if starving.until <= now && !self.waiting.is_empty() {
            starving.until = now + STARVED_AFTER;
        } else if starving.until <= now {
            gather.send_off_short(&self.shared);
            self.starving = None;
        }
    }

    /// Holds back a batch of so many bytes.
    pub(super) fn hold(&mut self, bytes: usize) {
        let Some(held) = &mut self.held else { return };
        held.bytes += bytes;
        held.until = Some(Instant::now() + HOLD_FOR);
        if held.bytes > HOLD_BYTES {
            self.release();
        }
    }

    /// Has held batches back for long enough, unless a comparison is under way.
    pub(super) fn hold_on(&mut self, now: Instant) {
        let Some(held) = &mut self.held else { return };
        if held.until.is_none_or(|until| until > now) {
            return;
        }
        if self.waiting.values().any(Waiting::is_being_compared) {
            held.until = Some(now + HOLD_FOR);
        } else {
            self.release();
        }
    }

    /// Publishes what has been held back.
    pub(super) fn release(&mut self) {
        if self.held.take().is_some() {
            let unsent = self.waiting.iter().filter(|(_, waiting)| !waiting.sent).map(|(&first, _)| first);
            unsent.collect::<Vec<_>>().into_iter().for_each(|first| self.publish(first));
        }
    }
}
