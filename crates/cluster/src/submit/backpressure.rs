//! Whether a queue that takes no more jobs is getting emptier.

use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Stream;
use parking_lot::Mutex;

use crate::{Error, Queue, connect::Session, status::ask_nodes};

/// What is known of it.
pub(super) struct Backpressure {
    timeout: Duration,
    state: Mutex<BackpressureState>,
    /// One looks at a time.
    checking: tokio::sync::Mutex<()>,
}

struct BackpressureState {
    /// When a batch was last stored or came back, or the queue was seen to get emptier.
    progress: Instant,
    /// Since when the queue has been full.
    since: Option<Instant>,
    /// How many messages had left the queue, at the last look.
    removed: Option<u64>,
}

impl Backpressure {
    pub(super) fn new(timeout: Duration) -> Backpressure {
        let state = BackpressureState { progress: Instant::now(), since: None, removed: None };
        Backpressure { timeout, state: Mutex::new(state), checking: tokio::sync::Mutex::default() }
    }

    pub(super) fn note_progress(&self) {
        self.state.lock().progress = Instant::now();
    }

    /// A batch was stored.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        state.progress = Instant::now();
        (state.since, state.removed) = (None, None);
    }

    /// Whether the queue has not been full before.
    fn mark_full(&self) -> bool {
        let mut state = self.state.lock();
        let is_new = state.since.is_none();
        state.since.get_or_insert_with(Instant::now);
        is_new
    }

    fn has_timed_out(&self) -> bool {
        let state = self.state.lock();
        state.since.is_some_and(|since| since.max(state.progress).elapsed() >= self.timeout)
    }

    /// Hears that the queue is full; whether there is no hope that this changes. There is while batches leave the queue,
    /// whoever's they are, and while a node has one: it may take its time.
    pub(super) async fn is_stuck(&self, session: &Session, queue: &Queue, jobs: &Stream) -> bool {
        let is_new = self.mark_full();
        if !is_new && !self.has_timed_out() {
            return false;
        }
        let _turn = self.checking.lock().await;
        if !is_new && !self.has_timed_out() {
            // Somebody else has looked meanwhile.
            return false;
        }
        let Ok(removed) = removed_messages(jobs).await else { return false };
        let has_progress = self.state.lock().removed.replace(removed) != Some(removed);
        if is_new || has_progress || has_busy_node(session, queue).await {
            self.note_progress();
            return false;
        }
        true
    }
}

/// How many messages have left the queue in its life.
async fn removed_messages(jobs: &Stream) -> Result<u64, Error> {
    let state = jobs.get_info().await.map_err(Error::server)?.state;
    Ok(state.last_sequence.saturating_sub(state.messages))
}

/// Whether a node has a batch of the queue.
async fn has_busy_node(session: &Session, queue: &Queue) -> bool {
    ask_nodes(session, queue).await.is_ok_and(|nodes| nodes.iter().any(|node| node.batches_held > 0))
}
