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

use super::handle::{Delivery, Shared};
use crate::{Error, publish::Stored};

/// A suspect waits so long for the one before it; then another node may have it.
const TURN_WITHIN: Duration = Duration::from_millis(250);

/// How long the server may take to forget an attempt.
const FORGET_WITHIN: Duration = Duration::from_secs(1);

/// Where batches run, side by side or not.
#[derive(Default)]
pub(super) struct Floor {
    /// Written by who wants to be alone.
    all: RwLock<()>,
    suspects: Mutex<()>,
}

/// A batch's place while it runs; held, not looked at.
enum Place<'a> {
    Shared { _place: RwLockReadGuard<'a, ()>, _suspect: Option<MutexGuard<'a, ()>> },
    Alone { _place: RwLockWriteGuard<'a, ()>, _suspect: MutexGuard<'a, ()> },
}

/// A batch's leave to run.
pub(super) struct Attempt<'a> {
    _place: Place<'a>,
    /// Where it is noted that the batch has been begun.
    note: Option<u64>,
}

/// Whether a batch may be begun.
pub(super) enum Begun<'a> {
    Yes(Attempt<'a>),
    /// Another one has to end first.
    NotYet,
    /// The server could not be asked.
    NotNow(String),
    /// Nothing is begun any more.
    Never,
}

impl Floor {
    /// A place for a batch that has been begun so often before; nothing if that takes too long.
    async fn place(&self, before: u64, most: u64) -> Option<Place<'_>> {
        // Most deaths are no batch's fault: after the first one everybody goes on side by side.
        if before == 0 || before == 1 && most > 2 {
            return Some(Place::Shared { _place: self.all.read().await, _suspect: None });
        }
        let suspect = timeout(TURN_WITHIN, self.suspects.lock()).await.ok()?;
        Some(match before + 1 < most {
            true => Place::Shared { _place: self.all.read().await, _suspect: Some(suspect) },
            false => Place::Alone { _place: self.all.write().await, _suspect: suspect },
        })
    }
}

impl<J: Job> Shared<J> {
    /// How often a batch may be begun.
    pub(super) fn most_attempts(&self) -> u64 {
        self.settings.max_deliveries.max(1)
    }

    /// Whether the very first attempt is noted: only where it is the only one, because it costs a message.
    pub(super) fn notes_the_first(&self) -> bool {
        self.most_attempts() == 1
    }

    /// How often a batch has been begun, by the notes of those who did.
    ///
    /// The server counts deliveries too, but version 2.9 also those that nobody was there to take, and not those that
    /// were handed back: a queue without nodes for a while would lose its batches.
    pub(super) async fn attempts_before(&self, batch: &Delivery) -> Result<u64, Error> {
        if !batch.again {
            return Ok(0);
        }
        let subject = self.settings.queue.attempts(&batch.run, batch.span);
        let noted = count(&batch.streams.quarantine, &subject).await?;
        Ok(noted + u64::from(!self.notes_the_first()))
    }

    /// Waits for a batch's turn, and notes that it is begun.
    pub(super) async fn begin(&self, batch: &Delivery, before: u64) -> Begun<'_> {
        let Some(place) = self.floor.place(before, self.most_attempts()).await else { return Begun::NotYet };
        if self.is_leaving() {
            return Begun::Never;
        }
        if !batch.again && !self.notes_the_first() {
            return Begun::Yes(Attempt { _place: place, note: None });
        }
        let subject = self.settings.queue.attempts(&batch.run, batch.span);
        match self.session.store(&subject, HeaderMap::new(), Bytes::new()).await {
            Stored::Here(note) => Begun::Yes(Attempt { _place: place, note: Some(note) }),
            Stored::Before => Begun::NotNow("an attempt could not be noted".to_owned()),
            Stored::Full(cause) | Stored::Unknown(cause) => Begun::NotNow(cause),
        }
    }

    /// An attempt that was ended by the node's leaving says nothing against the batch.
    pub(super) async fn take_back(&self, batch: &Delivery, attempt: Attempt<'_>) {
        if let Some(note) = attempt.note {
            // If the server is away, the note stays: it is one of several.
            let _ = timeout(FORGET_WITHIN, batch.streams.quarantine.delete_message(note)).await;
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
            let floor = Floor::default();
            let [fresh, second, third] = [0, 1, 2].map(|before| now(floor.place(before, 5)).flatten());
            assert!(fresh.is_some() && second.is_some() && third.is_some(), "side by side");
            assert!(floor.place(3, 5).await.is_none(), "there is a suspect");
            drop(third);
            assert!(now(floor.place(4, 5)).is_none(), "not alone yet");
            drop((fresh, second));
            let last = now(floor.place(4, 5)).flatten();
            assert!(last.is_some());
            assert!(now(floor.place(0, 5)).is_none(), "it is alone");
        });
    }

    #[test]
    fn with_two_attempts_the_second_is_alone_and_with_one_none_is() {
        paused(async {
            let floor = Floor::default();
            let one = now(floor.place(0, 1)).flatten();
            assert!(now(floor.place(0, 1)).flatten().is_some());
            assert!(now(floor.place(1, 2)).is_none());
            drop(one);
            assert!(now(floor.place(1, 2)).flatten().is_some());
        });
    }
}
