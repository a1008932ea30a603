//! Receiving messages without sleeping, while there are idle cores.
//!
//! A thread of the program that waits for an outcome receives messages itself for a while. Otherwise it would
//! sleep until the supervisor had woken up and woken it in turn, which takes longer than most short jobs. The
//! supervisor does the same before it sleeps.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use job::{Job, Stage};

use super::{
    handle::Handle,
    incoming::{CallerTime, Incoming, TimeAccount},
    shared::ProcessShared,
};

/// Receives messages of busy workers until `is_done`, for at most `time`. Called by threads of the program.
pub(super) fn help<J: Job>(shared: &Arc<ProcessShared<J>>, time: Duration, is_done: &dyn Fn() -> bool) {
    if !shared.flush_flags.may_spin() {
        return;
    }
    let account = TimeAccount::Caller(CallerTime::begin(&shared.accounting.callers, Stage::Poll));
    let helper = Helper::begin(shared, &account);
    shared.poller.poll(time, || {
        helper.receive_messages();
        is_done() || !shared.flush_flags.may_spin()
    });
}

/// Thread that receives messages of the workers that had jobs when it began.
pub(super) struct Helper<'a, J: Job> {
    shared: &'a Arc<ProcessShared<J>>,
    handles: Vec<Arc<Handle>>,
    time: &'a TimeAccount<'a>,
}

impl<'a, J: Job> Helper<'a, J> {
    pub(super) fn begin(shared: &'a Arc<ProcessShared<J>>, time: &'a TimeAccount<'a>) -> Helper<'a, J> {
        let handles = shared.busy_handles();
        handles.iter().filter_map(|handle| handle.mailbox.get()).for_each(|mailbox| mailbox.begin_helping());
        if matches!(time, TimeAccount::Caller(_)) {
            shared.helping_callers.fetch_add(1, Ordering::Relaxed);
        }
        time.enter(Stage::Poll);
        Helper { shared, handles, time }
    }

    pub(super) fn has_workers(&self) -> bool {
        !self.handles.is_empty()
    }

    /// Handles the messages that have arrived; returns whether there were any.
    pub(super) fn receive_messages(&self) -> bool {
        let mut any = false;
        for handle in &self.handles {
            let Some(mailbox) = handle.mailbox.get() else { continue };
            if mailbox.try_drain(|received| self.incoming(handle).handle_received(received)) {
                any = true;
                self.time.enter(Stage::Poll);
            }
        }
        any
    }

    /// Collects the outcomes of the workers for which the clock has requested it. Called by deputies.
    pub(super) fn collect_if_requested(&self) {
        self.handles.iter().for_each(|handle| self.incoming(handle).collect_if_requested());
    }

    fn incoming<'h>(&'h self, handle: &'h Handle) -> Incoming<'h, J> {
        Incoming { shared: self.shared, handle, time: self.time }
    }
}

impl<J: Job> Drop for Helper<'_, J> {
    fn drop(&mut self) {
        for handle in &self.handles {
            let Some(mailbox) = handle.mailbox.get() else { continue };
            mailbox.end_helping(|received| self.incoming(handle).handle_received(received));
        }
        if matches!(self.time, TimeAccount::Caller(_)) {
            self.shared.helping_callers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
