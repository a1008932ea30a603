//! Counts the attempts at messages, and isolates suspects, so that a message that kills its nodes is
//! identified and no other one is blamed for it.
//!
//! All messages in flight to a node that dies are redelivered: the one that caused it, and all others that
//! ran beside it. So a message that has been started twice does not run beside another such message, and its
//! last attempt runs only after everything else on the node has finished: if the node dies then, that message
//! is the cause.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_nats::{HeaderMap, jetstream::stream::Stream};
use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::{
    sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::timeout,
};

use super::{delivery::Delivery, settings::NodeSettings};
use crate::{Error, Queue, connect::Session, publish::StoreResult};

/// How long a suspect waits for the one before it; then it is handed back, and another node may get it.
const TURN_TIMEOUT: Duration = Duration::from_millis(250);

/// Timeout of deleting an attempt record.
const DELETE_TIMEOUT: Duration = Duration::from_secs(1);

/// Counts the attempts at the messages of a queue.
pub(super) struct Attempts {
    session: Session,
    queue: Queue,
    max: u64,
    isolation: Isolation,
}

/// Locks that decide which messages may run at the same time.
#[derive(Default)]
struct Isolation {
    /// Read-locked by every running message; write-locked by one that has to run alone.
    running: RwLock<()>,
    suspects: Mutex<()>,
}

/// Locks of a running message; held until it is dropped.
enum IsolationGuard<'a> {
    Shared { _guard: RwLockReadGuard<'a, ()>, _suspect: Option<MutexGuard<'a, ()>> },
    Exclusive { _guard: RwLockWriteGuard<'a, ()>, _suspect: MutexGuard<'a, ()> },
}

/// A started attempt.
pub(super) struct Attempt<'a> {
    _guard: IsolationGuard<'a>,
    /// Sequence number of the attempt's record, if there is one.
    record: Option<u64>,
}

/// Result of starting an attempt.
pub(super) enum AttemptStart<'a> {
    Start(Attempt<'a>),
    /// Another message has to finish first.
    Busy,
    /// The server did not store the attempt's record.
    Unavailable(String),
    /// The node is leaving; nothing is started any more.
    Leaving,
}

impl Isolation {
    /// Locks for a message that has been started `before` times, of at most `max`; `None` after
    /// [`TURN_TIMEOUT`].
    async fn acquire(&self, before: u64, max: u64) -> Option<IsolationGuard<'_>> {
        // Most deaths are not caused by a message: after the first one all messages still run side by side.
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

impl Attempts {
    pub(super) fn new(session: Session, settings: &NodeSettings) -> Attempts {
        let (queue, max) = (settings.queue.clone(), settings.max_deliveries.max(1));
        Attempts { session, queue, max, isolation: Isolation::default() }
    }

    /// Maximum number of attempts at a message.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// Returns whether the first attempt is recorded: only where it is the only one, because a record costs a
    /// message.
    pub(super) fn records_first(&self) -> bool {
        self.max == 1
    }

    /// Returns how often a message has been started, by the records that nodes have stored.
    ///
    /// The server's delivery count is not used: version 2.9 also counts deliveries without a waiting node,
    /// and does not count messages that were handed back. A queue without nodes for a while would lose its
    /// messages.
    pub(super) async fn before(&self, delivery: &Delivery) -> Result<u64, Error> {
        if !delivery.redelivered {
            return Ok(0);
        }
        let subject = self.queue.attempts(&delivery.run, delivery.span);
        let recorded = count(&delivery.streams.quarantine, &subject).await?;
        Ok(recorded + u64::from(!self.records_first()))
    }

    /// Waits until a message may run, and records the attempt, unless the node is leaving by then.
    pub(super) async fn begin(
        &self,
        delivery: &Delivery,
        before: u64,
        is_leaving: &AtomicBool,
    ) -> AttemptStart<'_> {
        let Some(guard) = self.isolation.acquire(before, self.max).await else {
            return AttemptStart::Busy;
        };
        if is_leaving.load(Ordering::Acquire) {
            return AttemptStart::Leaving;
        }
        if !delivery.redelivered && !self.records_first() {
            return AttemptStart::Start(Attempt { _guard: guard, record: None });
        }
        let subject = self.queue.attempts(&delivery.run, delivery.span);
        match self.session.store(&subject, HeaderMap::new(), Bytes::new()).await {
            StoreResult::Stored(record) => {
                AttemptStart::Start(Attempt { _guard: guard, record: Some(record) })
            }
            StoreResult::AlreadyExists => AttemptStart::Unavailable(
                "cannot record the attempt: its subject has an unexpected message".to_owned(),
            ),
            StoreResult::Full(cause) | StoreResult::Unknown(cause) => AttemptStart::Unavailable(cause),
        }
    }

    /// Deletes the record of an attempt that ended because the node is leaving: it does not count against the
    /// message.
    pub(super) async fn retract(&self, delivery: &Delivery, attempt: Attempt<'_>) {
        if let Some(record) = attempt.record {
            // If the server does not answer, the record stays. It is one of several.
            let _ = timeout(DELETE_TIMEOUT, delivery.streams.quarantine.delete_message(record)).await;
        }
    }
}

/// Returns the number of messages of a subject.
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

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn suspects_run_one_at_a_time_and_the_last_attempt_runs_alone() {
        block_on(async {
            let isolation = Isolation::default();
            let [fresh, second, third] = [0, 1, 2].map(|before| now(isolation.acquire(before, 5)).flatten());
            assert!(fresh.is_some() && second.is_some() && third.is_some(), "side by side");
            assert!(isolation.acquire(3, 5).await.is_none(), "another suspect runs");
            drop(third);
            assert!(now(isolation.acquire(4, 5)).is_none(), "others still run");
            drop((fresh, second));
            let last = now(isolation.acquire(4, 5)).flatten();
            assert!(last.is_some());
            assert!(now(isolation.acquire(0, 5)).is_none(), "it runs alone");
        });
    }

    #[test]
    fn of_two_attempts_the_second_runs_alone_and_a_single_one_does_not() {
        block_on(async {
            let isolation = Isolation::default();
            let one = now(isolation.acquire(0, 1)).flatten();
            assert!(now(isolation.acquire(0, 1)).flatten().is_some());
            assert!(now(isolation.acquire(1, 2)).is_none());
            drop(one);
            assert!(now(isolation.acquire(1, 2)).flatten().is_some());
        });
    }
}
