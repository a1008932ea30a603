//! Detects a full queue without progress.

use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Stream;
use parking_lot::Mutex;

use crate::{Error, Queue, connect::Session, status::ask_nodes};

/// State of a queue that may be full.
pub(super) struct Backpressure {
    timeout: Duration,
    state: Mutex<BackpressureState>,
    /// Held while the queue is checked, so that one task checks at a time.
    checking: tokio::sync::Mutex<()>,
}

struct BackpressureState {
    /// Time of the last progress: a message was stored, a result came, or messages left the queue.
    progress: Instant,
    /// Time since which the queue has been full.
    full_since: Option<Instant>,
    /// Number of messages that had left the queue at the last check.
    removed: Option<u64>,
}

impl Backpressure {
    pub(super) fn new(timeout: Duration) -> Backpressure {
        let state = BackpressureState { progress: Instant::now(), full_since: None, removed: None };
        Backpressure { timeout, state: Mutex::new(state), checking: tokio::sync::Mutex::default() }
    }

    pub(super) fn note_progress(&self) {
        self.state.lock().progress = Instant::now();
    }

    /// Notes that a message was stored.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        state.progress = Instant::now();
        (state.full_since, state.removed) = (None, None);
    }

    /// Notes that the queue is full. Returns whether it was not before.
    fn mark_full(&self) -> bool {
        let mut state = self.state.lock();
        let is_new = state.full_since.is_none();
        state.full_since.get_or_insert_with(Instant::now);
        is_new
    }

    fn has_timed_out(&self) -> bool {
        let state = self.state.lock();
        state.full_since.is_some_and(|full_since| full_since.max(state.progress).elapsed() >= self.timeout)
    }

    /// Called when a message was rejected because the queue is full. Returns whether there has been no
    /// progress for the timeout. Messages of any run that leave the queue are progress, and so is a message
    /// in flight to a node, however long its jobs take.
    pub(super) async fn is_stuck(&self, session: &Session, queue: &Queue, jobs: &Stream) -> bool {
        let is_new = self.mark_full();
        if !is_new && !self.has_timed_out() {
            return false;
        }
        let _turn = self.checking.lock().await;
        if !is_new && !self.has_timed_out() {
            // Another task has checked meanwhile.
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

/// Returns how many messages have ever left the queue.
async fn removed_messages(jobs: &Stream) -> Result<u64, Error> {
    let state = jobs.get_info().await.map_err(Error::server)?.state;
    Ok(state.last_sequence.saturating_sub(state.messages))
}

/// Returns whether a message of the queue is in flight to a node.
async fn has_busy_node(session: &Session, queue: &Queue) -> bool {
    ask_nodes(session, queue).await.is_ok_and(|nodes| nodes.iter().any(|node| node.batches_held > 0))
}
