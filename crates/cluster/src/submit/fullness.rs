//! Whether a queue that takes no more jobs is getting emptier.

use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Stream;
use parking_lot::Mutex;

use crate::{Error, Queue, connect::Session, status::ask_nodes};

/// What is known of it.
pub(super) struct Fullness {
    patience: Duration,
    state: Mutex<State>,
    /// One looks at a time.
    looking: tokio::sync::Mutex<()>,
}

struct State {
    /// When a batch was last stored or came back, or the queue was seen to get emptier.
    progress: Instant,
    /// Since when the queue has been full.
    since: Option<Instant>,
    /// How many messages had left the queue, at the last look.
    left: Option<u64>,
}

impl Fullness {
    pub(super) fn new(patience: Duration) -> Fullness {
        let state = State { progress: Instant::now(), since: None, left: None };
        Fullness { patience, state: Mutex::new(state), looking: tokio::sync::Mutex::default() }
    }

    pub(super) fn note_progress(&self) {
        self.state.lock().progress = Instant::now();
    }

    /// A batch was stored.
    pub(super) fn is_over(&self) {
        let mut state = self.state.lock();
        state.progress = Instant::now();
        (state.since, state.left) = (None, None);
    }

    /// Whether the queue has not been full before.
    fn begins(&self) -> bool {
        let mut state = self.state.lock();
        let begins = state.since.is_none();
        state.since.get_or_insert_with(Instant::now);
        begins
    }

    fn is_long(&self) -> bool {
        let state = self.state.lock();
        state.since.is_some_and(|since| since.max(state.progress).elapsed() >= self.patience)
    }

    /// Hears that the queue is full; whether there is no hope that this changes. There is while batches leave the queue,
    /// whoever's they are, and while a node has one: it may take its time.
    pub(super) async fn is_hopeless(&self, session: &Session, queue: &Queue, jobs: &Stream) -> bool {
        let begins = self.begins();
        if !begins && !self.is_long() {
            return false;
        }
        let _turn = self.looking.lock().await;
        if !begins && !self.is_long() {
            // Somebody else has looked meanwhile.
            return false;
        }
        let Ok(left) = left(jobs).await else { return false };
        let has_left = self.state.lock().left.replace(left) != Some(left);
        if begins || has_left || is_at_work(session, queue).await {
            self.note_progress();
            return false;
        }
        true
    }
}

/// How many messages have left the queue in its life.
async fn left(jobs: &Stream) -> Result<u64, Error> {
    let state = jobs.get_info().await.map_err(Error::server)?.state;
    Ok(state.last_sequence.saturating_sub(state.messages))
}

/// Whether a node has a batch of the queue.
async fn is_at_work(session: &Session, queue: &Queue) -> bool {
    ask_nodes(session, queue).await.is_ok_and(|nodes| nodes.iter().any(|node| node.batches_held > 0))
}
