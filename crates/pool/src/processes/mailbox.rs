//! Receiving end of one worker's link, shared by all threads that may take messages from it.
//!
//! The worker's keeper sleeps until the worker rings, and takes what has come. A thread that waits for an outcome can take
//! messages itself, which spares two wake-ups: while there is such a *helper* the worker is asked not to ring. The last helper
//! asks it to ring again, or leaves that to the keeper:
//!
//! - A helper counts itself out first and then tries the lock. If it gets it, it asks for rings.
//! - The keeper, which asks for rings only while there is no helper, looks at their number once more after it has let the lock
//!   go. If the last helper has left meanwhile, it starts over.
//!
//! If a helper does not get the lock from the keeper, the keeper has yet to take its second look, and sees that the helper is
//! gone. If it does not get it from another helper, that one is still counted and will ask for rings itself. So whenever the
//! keeper sleeps and there are no helpers, the worker rings.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};
use wire::Inbox;

/// The receiving end of a worker's link.
pub(super) struct Mailbox {
    inbox: Mutex<Inbox>,
    helpers: AtomicUsize,
    /// Nothing more is taken from the worker, which is being killed. Written under the lock.
    is_over: AtomicBool,
}

impl Mailbox {
    pub(super) fn new(inbox: Inbox) -> Mailbox {
        Mailbox { inbox: Mutex::new(inbox), helpers: AtomicUsize::new(0), is_over: AtomicBool::new(false) }
    }

    /// Waits for the lock; for the keeper.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock()
    }

    /// Tries to take the lock; for helpers, which must not wait while another thread handles a message.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, Inbox>> {
        self.inbox.try_lock()
    }

    /// Takes no more messages, because the worker has violated the protocol.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    pub(super) fn has_helpers(&self) -> bool {
        self.helpers.load(Ordering::SeqCst) > 0
    }

    /// Counts the caller as a helper and asks the worker not to ring.
    pub(super) fn begin_helping(&self) {
        self.helpers.fetch_add(1, Ordering::SeqCst);
        if let Some(mut inbox) = self.try_lock() {
            inbox.ask_for_ring(false);
        }
    }

    /// Counts the caller out; afterwards it has to [settle](Mailbox::settle).
    pub(super) fn end_helping(&self) {
        self.helpers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Asks the worker to ring, unless another thread holds the lock or helps. Returns the lock if a message has come meanwhile.
    pub(super) fn settle(&self) -> Option<MutexGuard<'_, Inbox>> {
        let mut inbox = self.try_lock()?;
        let has_come = !self.is_over() && !self.has_helpers() && inbox.ask_for_ring(true);
        has_come.then_some(inbox)
    }
}
