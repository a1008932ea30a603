//! Waiting for all workers at a time.

use std::{io, time::Duration};

use job::WorkerId;
use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    eventfd::{EfdFlags, EventFd},
};
use sys::{doorbell::Doorbell, process::Process};

use crate::processes::handle::Handle;

/// The most news that one wait returns.
const MAX_EVENTS: usize = 64;

/// Stands for a request of another thread. No worker has this slot and generation.
const WAKE: u64 = u64::MAX;

/// What something has happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The worker has rung, or closed its end.
    Doorbell,
    /// Its process has ended.
    Process,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WatchEvent {
    pub(super) worker: WorkerId,
    pub(super) source: Source,
}

/// The descriptors that a supervisor waits for. They stay in the set until they are removed, since other owners may keep them
/// open.
pub(super) struct EpollSet {
    epoll: Epoll,
    wake: EventFd,
}

impl EpollSet {
    pub(super) fn new() -> io::Result<EpollSet> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        epoll.add(&wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        Ok(EpollSet { epoll, wake })
    }

    /// Ends the wait, or the next one.
    pub(super) fn wake(&self) {
        // A counter that is full wakes as well.
        let _ = self.wake.write(1);
    }

    pub(super) fn add(&self, worker: WorkerId, doorbell: &Doorbell, process: &Process) -> io::Result<()> {
        let event = |source| EpollEvent::new(EpollFlags::EPOLLIN, encode(WatchEvent { worker, source }));
        self.epoll.add(doorbell, event(Source::Doorbell))?;
        Ok(self.epoll.add(process, event(Source::Process))?)
    }

    pub(super) fn remove(&self, handle: &Handle) {
        self.remove_doorbell(handle);
        if let Some(process) = handle.process.get() {
            let _ = self.epoll.delete(process);
        }
    }

    /// Does not wait for the worker's rings any more.
    pub(super) fn remove_doorbell(&self, handle: &Handle) {
        if let Some(page) = handle.page.get() {
            // It may have been removed before.
            let _ = self.epoll.delete(page.door());
        }
    }

    /// Waits for news, for at most `time`, or without a limit. What a process has sent comes before its end.
    pub(super) fn wait(&self, time: Option<Duration>) -> Vec<WatchEvent> {
        let mut events = [EpollEvent::empty(); MAX_EVENTS];
        // Rounded up, so that what is due then is due when the wait ends.
        let time = time.map(|time| time + Duration::from_millis(1));
        let timeout =
            time.map_or(EpollTimeout::NONE, |time| EpollTimeout::try_from(time).unwrap_or(EpollTimeout::MAX));
        // An interruption is a wait without news.
        let count = self.epoll.wait(&mut events, timeout).unwrap_or(0);
        let mut ready = Vec::with_capacity(count);
        for event in &events[..count] {
            if event.data() == WAKE {
                let _ = self.wake.read();
            } else {
                ready.push(decode(event.data()));
            }
        }
        ready.sort_by_key(|event| event.source == Source::Process);
        ready
    }
}

/// A slot takes 20 bits, a generation the rest.
const SLOT_BITS: u32 = 20;

fn encode(WatchEvent { worker, source }: WatchEvent) -> u64 {
    let worker = (u64::from(worker.generation) << SLOT_BITS) | u64::from(worker.slot);
    (worker << 1) | u64::from(source == Source::Process)
}

fn decode(data: u64) -> WatchEvent {
    let worker = data >> 1;
    let slot = u32::try_from(worker & ((1 << SLOT_BITS) - 1)).unwrap_or(u32::MAX);
    let generation = u32::try_from(worker >> SLOT_BITS).unwrap_or(u32::MAX);
    let source = if data & 1 == 1 { Source::Process } else { Source::Doorbell };
    WatchEvent { worker: WorkerId { slot, generation }, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_WORKERS;

    #[test]
    fn every_worker_and_source_comes_back_as_it_went_in() {
        let most = u32::try_from(MAX_WORKERS).unwrap();
        for slot in [0, 1, most - 1] {
            for generation in [0, 1, u32::MAX] {
                for source in [Source::Doorbell, Source::Process] {
                    let event = WatchEvent { worker: WorkerId { slot, generation }, source };
                    assert_eq!(decode(encode(event)), event);
                    assert_ne!(encode(event), WAKE);
                }
            }
        }
    }

    #[test]
    fn a_wake_up_before_the_wait_ends_it() {
        let set = EpollSet::new().unwrap();
        set.wake();
        assert!(set.wait(None).is_empty());
        assert!(set.wait(Some(Duration::ZERO)).is_empty());
    }
}
