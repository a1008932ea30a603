//! State of the supervisor, as used by other threads: requests to it, and its progress.

use std::{
    io, mem,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use job::WorkerId;
use parking_lot::Mutex;
use wire::{Link, RendezvousError};

use super::epoll_set::EpollSet;
use crate::processes::handle::Handle;

/// State of the supervisor, as used by other threads.
pub(in crate::processes) struct SupervisorHandle {
    state: Mutex<SupervisorState>,
    /// Whether the supervisor is waiting, after it has received all messages, or has ended.
    is_waiting: AtomicBool,
    /// Number of messages received, plus the number of polls for messages.
    progress: AtomicU64,
}

#[derive(Default)]
struct SupervisorState {
    requests: Vec<Request>,
    /// Wakes the supervisor; `None` while there is none.
    epoll_set: Option<Arc<EpollSet>>,
}

/// Request of another thread to the supervisor.
pub(in crate::processes) enum Request {
    Start(Arc<Handle>),
    /// The connection of a worker was accepted, or accepting it failed.
    Accepted(WorkerId, Result<Link, RendezvousError>),
    /// The saved outcomes of some workers are to be collected.
    Collect,
}

impl Default for SupervisorHandle {
    fn default() -> SupervisorHandle {
        SupervisorHandle {
            state: Mutex::default(),
            is_waiting: AtomicBool::new(true),
            progress: AtomicU64::new(0),
        }
    }
}

impl SupervisorHandle {
    /// Records that a message was received or polled for.
    pub(in crate::processes) fn note_progress(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Returns whether the supervisor has nothing to do.
    pub(in crate::processes) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::Relaxed)
    }

    pub(super) fn set_waiting(&self, is_waiting: bool) {
        self.is_waiting.store(is_waiting, Ordering::Relaxed);
    }

    /// Returns all requests. Without requests and workers it returns `None`, and the supervisor has to end.
    pub(super) fn take_requests(&self, has_workers: bool) -> Option<Vec<Request>> {
        let mut state = self.state.lock();
        if state.requests.is_empty() && !has_workers {
            state.epoll_set = None;
            return None;
        }
        Some(mem::take(&mut state.requests))
    }

    /// Adds a request. If there is no supervisor, `spawn` has to start one, which waits with the given set.
    pub(in crate::processes) fn request(
        &self,
        request: Request,
        spawn: impl FnOnce(Arc<EpollSet>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        if let Some(epoll_set) = &state.epoll_set {
            epoll_set.wake();
        } else {
            let epoll_set = Arc::new(EpollSet::new()?);
            spawn(epoll_set.clone())?;
            state.epoll_set = Some(epoll_set);
        }
        state.requests.push(request);
        Ok(())
    }

    pub(super) fn has_requests(&self) -> bool {
        !self.state.lock().requests.is_empty()
    }
}
