//! A thread of the program that waits for an outcome takes messages itself for a while, as long as there are cores to spare.
//!
//! It would otherwise sleep until a keeper had woken up and woken it in turn, which takes longer than most short jobs.

use std::{sync::Arc, time::Duration};

use job::{Job, Stage};

use super::{
    handle::Handle,
    incoming::{Incoming, Time},
    shared::Shared,
};

impl<J: Job> Shared<J> {
    /// Takes messages of busy workers until `is_done`, for `time` at the most.
    pub(super) fn help(this: &Arc<Shared<J>>, time: Duration, is_done: &dyn Fn() -> bool) {
        if !this.is_calm() {
            return;
        }
        let callers = &this.ledger.callers;
        let (helper, begun) = (Helper::begin(this), callers.now());
        this.poller.poll(time, || {
            helper.take_messages();
            is_done() || !this.is_calm()
        });
        callers.note(Stage::Poll, callers.now().since(begun));
    }
}

/// A thread that takes messages of these workers.
struct Helper<'a, J: Job> {
    shared: &'a Arc<Shared<J>>,
    handles: Vec<Arc<Handle>>,
}

impl<'a, J: Job> Helper<'a, J> {
    fn begin(shared: &'a Arc<Shared<J>>) -> Helper<'a, J> {
        let handles = shared.busy_handles();
        handles.iter().filter_map(|handle| handle.mailbox.get()).for_each(|mailbox| mailbox.begin_helping());
        Helper { shared, handles }
    }

    /// Takes the messages that are there.
    fn take_messages(&self) {
        self.handles.iter().for_each(|handle| self.take_of(handle));
    }

    fn take_of(&self, handle: &Handle) {
        let Some(mailbox) = handle.mailbox.get() else { return };
        let Some(mut inbox) = mailbox.try_lock() else { return };
        while !mailbox.is_over()
            && let Some(received) = inbox.try_message().transpose()
        {
            handle.note_heard();
            let time = Time::of_caller(&self.shared.ledger.callers);
            if !(Incoming { shared: self.shared, handle, time }).take(received) {
                // The worker is being killed, which wakes its keeper.
                mailbox.end();
            }
        }
    }
}

impl<J: Job> Drop for Helper<'_, J> {
    fn drop(&mut self) {
        for handle in &self.handles {
            let Some(mailbox) = handle.mailbox.get() else { continue };
            mailbox.end_helping();
            while mailbox.settle().is_some() {
                self.take_of(handle);
            }
        }
    }
}
