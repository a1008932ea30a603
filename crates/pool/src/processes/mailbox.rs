//! Receiving end of one worker's link, shared by all threads that may take messages from it.
//!
//! The [supervisor](super::supervisor) sleeps until a worker rings, and takes what has come. A thread that waits for an
//! outcome can take messages itself, which spares two wake-ups: while there is such a *helper* the worker is asked not to
//! ring. The last helper asks it to ring again, or leaves that to the supervisor:
//!
//! - No other thread takes the lock.
//! - A helper counts itself out first and then tries the lock. If it gets it, it asks for rings.
//! - The supervisor, which asks for rings only while there is no helper, looks at their number once more after it has let the
//!   lock go. If the last helper has left meanwhile, it starts over.
//!
//! If a helper does not get the lock from the supervisor, the supervisor has yet to take its second look, and sees that the
//! helper is gone. If it does not get it from another helper, that one is still counted and will ask for rings itself. So
//! whenever the supervisor sleeps and there are no helpers, the worker rings.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};
use wire::{Closed, Inbox, Message};

/// The receiving end of a worker's link.
pub(super) struct Mailbox {
    inbox: Mutex<Inbox>,
    helpers: AtomicUsize,
    /// Nothing more is taken from the worker, which is being killed. Written under the lock.
    is_closed: AtomicBool,
    /// A message is being received, which a worker that has spoilt its link can draw out.
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

    /// Takes all messages until there is none and the worker will ring for the next, or a helper takes them. For the
    /// supervisor.
    ///
    /// `take` is given each message, or what is wrong with it, and returns whether more will come.
    pub(super) fn drain(&self, mut handle: impl FnMut(Result<Message, Closed>) -> bool) {
        loop {
            let mut inbox = self.inbox.lock();
            self.drain_locked(&mut inbox, &mut handle);
            if self.is_closed() {
                return;
            }
            let has_helpers = self.has_helpers();
            if !has_helpers && inbox.ask_for_ring(true) {
                continue;
            }
            drop(inbox);
            // The last of them may have left the worker unasked.
            if !has_helpers || self.has_helpers() {
                return;
            }
        }
    }

    /// Takes the messages that are there, unless another thread does; returns whether there were any. For helpers.
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
            inbox.ask_for_ring(false);
        }
    }

    /// Counts the caller out, and asks the worker to ring again unless another thread holds the lock or helps. Takes what has
    /// come meanwhile.
    pub(super) fn end_helping(&self, mut handle: impl FnMut(Result<Message, Closed>) -> bool) {
        self.helpers.fetch_sub(1, Ordering::SeqCst);
        while let Some(mut inbox) = self.inbox.try_lock()
            && !self.is_closed()
            && !self.has_helpers()
            && inbox.ask_for_ring(true)
        {
            self.drain_locked(&mut inbox, &mut handle);
        }
    }

    /// Whether a message is being received.
    pub(super) fn is_receiving(&self) -> bool {
        self.is_receiving.load(Ordering::Relaxed)
    }

    /// Whether a message that has come is being handled. Does not take the lock, which only the supervisor and helpers may.
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
