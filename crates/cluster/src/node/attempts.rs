//! How often batches have been begun, so that one that ends its nodes is found, and no other one is taken for it.
//!
//! What a node had when it died comes back: the batch that was the cause, and all that ran beside it. So a batch that has
//! been begun twice shares its node with no other such batch, and before its last attempt everything else on the node is let
//! end first: who dies of that attempt dies of itself.

use std::time::Duration;

use async_nats::{HeaderMap, jetstream::stream::Stream};
use bytes::Bytes;
use futures_util::TryStreamExt;
use pool::Job;
use tokio::{
    sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::timeout,
};

use super::handle::{Delivery, NodeContext};
use crate::{Error, publish::StoreResult};

/// A suspect waits so long for the one before it; then another node may have it.
const TURN_TIMEOUT: Duration = Duration::from_millis(250);

/// How long the server may take to forget an attempt.
const DELETE_TIMEOUT: Duration = Duration::from_secs(1);

/// Where batches run, side by side or not.
#[derive(Default)]
pub(super) struct Isolation {
    /// Written by who wants to be alone.
    running: RwLock<()>,
    suspects: Mutex<()>,
}

/// A batch's place while it runs; held, not looked at.
enum IsolationGuard<'a> {
    Shared { _guard: RwLockReadGuard<'a, ()>, _suspect: Option<MutexGuard<'a, ()>> },
    Exclusive { _guard: RwLockWriteGuard<'a, ()>, _suspect: MutexGuard<'a, ()> },
}

/// A batch's leave to run.
pub(super) struct Attempt<'a> {
    _guard: IsolationGuard<'a>,
    /// Where it is noted that the batch has been begun.
    record: Option<u64>,
}

/// Whether a batch may be begun.
pub(super) enum AttemptStart<'a> {
    Start(Attempt<'a>),
    /// Another one has to end first.
    Busy,
    /// The server could not be asked.
    Unavailable(String),
    /// Nothing is begun any more.
    Leaving,
}

impl Isolation {
    /// A place for a batch that has been begun so often before; nothing if that takes too long.
    async fn acquire(&self, before: u64, max: u64) -> Option<IsolationGuard<'_>> {
        // Most deaths are no batch's fault: after the first one everybody goes on side by side.
        if before == 0 || before == 1 && max > 2 {
            return Some(IsolationGuard::Shared { _guard: self.running.read().await, _suspect: None });
        }
        let suspect = timeout(TURN_TIMEOUT, self.suspects.lock()).await.ok()?;
        Some(match before + 1 < max {
            true => IsolationGuard::Shared { _guard: self.running.read().await, _suspect: Some(suspect) },
            false => IsolationGuard::Exclusive { _guard: self.running.write().await, _suspect: suspect },
        })
    }
}

impl<J: Job> NodeContext<J> {
    /// How often a batch may be begun.
    pub(super) fn max_attempts(&self) -> u64 {
        self.settings.max_deliveries.max(1)
    }

    /// Whether the very first attempt is noted: only where it is the only one, because it costs a message.
    pub(super) fn records_first_attempt(&self) -> bool {
        self.max_attempts() == 1
    }

    /// How often a batch has been begun, by the notes of those who did.
    ///
    /// The server counts deliveries too, but version 2.9 also those that nobody was there to take, and not those that
    /// were handed back: a queue without nodes for a while would lose its batches.
    pub(super) async fn attempts_before(&self, delivery: &Delivery) -> Result<u64, Error> {
        if !delivery.redelivered {
            return Ok(0);
        }
        let subject = self.settings.queue.attempts(&delivery.run, delivery.span);
        let recorded = count(&delivery.streams.quarantine, &subject).await?;
        Ok(recorded + u64::from(!self.records_first_attempt()))
    }

    /// Waits for a batch's turn, and notes that it is begun.
    pub(super) async fn begin(&self, delivery: &Delivery, before: u64) -> AttemptStart<'_> {
        let Some(guard) = self.isolation.acquire(before, self.max_attempts()).await else {
            return AttemptStart::Busy;
        };
        if self.is_leaving() {
            return AttemptStart::Leaving;
        }
        if !delivery.redelivered && !self.records_first_attempt() {
            return AttemptStart::Start(Attempt { _guard: guard, record: None });
        }
        let subject = self.settings.queue.attempts(&delivery.run, delivery.span);
        match self.session.store(&subject, HeaderMap::new(), Bytes::new()).await {
            StoreResult::Stored(record) => {
                AttemptStart::Start(Attempt { _guard: guard, record: Some(record) })
            }
            StoreResult::AlreadyExists => {
                AttemptStart::Unavailable("an attempt could not be noted".to_owned())
            }
            StoreResult::Full(cause) | StoreResult::Unknown(cause) => AttemptStart::Unavailable(cause),
        }
    }

    /// An attempt that was ended by the node's leaving says nothing against the batch.
    pub(super) async fn retract_attempt(&self, delivery: &Delivery, attempt: Attempt<'_>) {
        if let Some(record) = attempt.record {
            // If the server is away, the note stays: it is one of several.
            let _ = timeout(DELETE_TIMEOUT, delivery.streams.quarantine.delete_message(record)).await;
        }
    }
}

/// How many messages a subject has.
async fn count(stream: &Stream, subject: &str) -> Result<u64, Error> {
    let mut subjects = stream.info_with_subjects(subject).await.map_err(Error::server)?;
    let count = subjects.try_next().await.map_err(Error::server)?;
    Ok(count.map_or(0, |(_, count)| count as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        futures_util::FutureExt::now_or_never(future)
    }

    fn paused<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn suspects_go_one_by_one_and_the_last_attempt_alone() {
        paused(async {
            let isolation = Isolation::default();
            let [fresh, second, third] = [0, 1, 2].map(|before| now(isolation.acquire(before, 5)).flatten());
            assert!(fresh.is_some() && second.is_some() && third.is_some(), "side by side");
            assert!(isolation.acquire(3, 5).await.is_none(), "there is a suspect");
            drop(third);
            assert!(now(isolation.acquire(4, 5)).is_none(), "not alone yet");
            drop((fresh, second));
            let last = now(isolation.acquire(4, 5)).flatten();
            assert!(last.is_some());
            assert!(now(isolation.acquire(0, 5)).is_none(), "it is alone");
        });
    }

    #[test]
    fn with_two_attempts_the_second_is_alone_and_with_one_none_is() {
        paused(async {
            let isolation = Isolation::default();
            let one = now(isolation.acquire(0, 1)).flatten();
            assert!(now(isolation.acquire(0, 1)).flatten().is_some());
            assert!(now(isolation.acquire(1, 2)).is_none());
            drop(one);
            assert!(now(isolation.acquire(1, 2)).flatten().is_some());
        });
    }
}
