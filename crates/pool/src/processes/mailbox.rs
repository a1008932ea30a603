//! Receiving end of one worker's link, shared by all threads that may receive its messages.
//!
//! The [supervisor](super::supervisor) sleeps until a worker rings its doorbell, and then receives its
//! messages. A thread that waits for an outcome can receive messages itself, which saves two wake-ups. While
//! there is such a *helper*, the worker is asked not to ring. The last helper asks it to ring again, or
//! leaves that to the supervisor:
//!
//! - No threads but the supervisor and helpers take the lock.
//! - A helper first decrements the number of helpers and then tries to take the lock. If it succeeds, it asks
//!   for rings.
//! - The supervisor asks for rings only while there are no helpers. It reads the number of helpers once more
//!   after it has released the lock. If the last helper has left in the meantime, it starts over.
//!
//! If a helper fails to take the lock because the supervisor holds it, the supervisor has yet to read the
//! number for the second time and will see that the helper is gone. If another helper holds it, that one is
//! still counted and will ask for rings itself. So whenever the supervisor sleeps and there are no helpers,
//! the worker rings.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};
use wire::{Closed, Inbox, Message};

/// Receiving end of a worker's link.
pub(super) struct Mailbox {
    inbox: Mutex<Inbox>,
    helpers: AtomicUsize,
    /// Set when the worker is being killed, so that nothing more is received. Written under the lock.
    is_closed: AtomicBool,
    /// Whether a message is being received. A worker with a corrupt link can make that take arbitrarily long.
    is_receiving: AtomicBool,
}

impl Mailbox {
    pub(super) fn new(inbox: Inbox) -> Mailbox {
        Mailbox {
            inbox: Mutex::new(inbox),
            helpers: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
            is_receiving: AtomicBool::new(false),
        }
    }

    /// Receives messages until there are none and the worker will ring for the next one, or a helper receives
    /// them. Called by the supervisor.
    ///
    /// `handle` is called with each message, or with the error of receiving it, and returns whether more will
    /// come.
    pub(super) fn drain(&self, mut handle: impl FnMut(Result<Message, Closed>) -> bool) {
        loop {
            let mut inbox = self.inbox.lock();
            self.drain_locked(&mut inbox, &mut handle);
            if self.is_closed() {
                return;
            }
            let has_helpers = self.has_helpers();
            if !has_helpers && inbox.request_ring(true) {
                continue;
            }
            drop(inbox);
            // The last helper may have left without asking the worker to ring.
            if !has_helpers || self.has_helpers() {
                return;
            }
        }
    }

    /// Receives the messages that have arrived, unless another thread does; returns whether there were any.
    /// Called by helpers.
    pub(super) fn try_drain(&self, mut handle: impl FnMut(Result<Message, Closed>) -> bool) -> bool {
        self.inbox.try_lock().is_some_and(|mut inbox| self.drain_locked(&mut inbox, &mut handle))
    }

    fn drain_locked(
        &self,
        inbox: &mut MutexGuard<'_, Inbox>,
        handle: &mut impl FnMut(Result<Message, Closed>) -> bool,
    ) -> bool {
        let mut any = false;
        while !self.is_closed()
            && let Some(received) = self.receive(inbox)
        {
            any = true;
            if !handle(received) {
                // The worker has violated the protocol and is being killed.
                self.is_closed.store(true, Ordering::SeqCst);
            }
        }
        any
    }

    fn receive(&self, inbox: &mut MutexGuard<'_, Inbox>) -> Option<Result<Message, Closed>> {
        self.is_receiving.store(true, Ordering::Relaxed);
        let received = inbox.try_message().transpose();
        self.is_receiving.store(false, Ordering::Relaxed);
        received
    }

    /// Counts the caller as a helper and asks the worker not to ring.
    pub(super) fn begin_helping(&self) {
        self.helpers.fetch_add(1, Ordering::SeqCst);
        if let Some(mut inbox) = self.inbox.try_lock() {
            inbox.request_ring(false);
        }
    }

    /// Ends counting the caller as a helper, and asks the worker to ring again unless another thread holds
    /// the lock or helps. Handles messages that have arrived in the meantime.
    pub(super) fn end_helping(&self, mut handle: impl FnMut(Result<Message, Closed>) -> bool) {
        self.helpers.fetch_sub(1, Ordering::SeqCst);
        while let Some(mut inbox) = self.inbox.try_lock()
            && !self.is_closed()
            && !self.has_helpers()
            && inbox.request_ring(true)
        {
            self.drain_locked(&mut inbox, &mut handle);
        }
    }

    /// Returns whether a message is being received.
    pub(super) fn is_receiving(&self) -> bool {
        self.is_receiving.load(Ordering::Relaxed)
    }

    /// Returns whether a received message is being handled. Does not take the lock, which is reserved for the
    /// supervisor and helpers.
    pub(super) fn is_handling(&self) -> bool {
        self.inbox.is_locked() && !self.is_receiving()
    }

    pub(super) fn has_helpers(&self) -> bool {
        self.helpers.load(Ordering::SeqCst) > 0
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }
}
