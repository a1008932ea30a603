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
const MOST_NEWS: usize = 64;

/// Stands for a request of another thread. No worker has this slot and generation.
const WAKE: u64 = u64::MAX;

/// What something has happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The worker has rung, or closed its end.
    Door,
    /// Its process has ended.
    Process,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) worker: WorkerId,
    pub(super) source: Source,
}

/// The descriptors that a supervisor waits for. They stay in the set until they are removed, since other owners may keep them
/// open.
pub(super) struct Watch {
    epoll: Epoll,
    wake: EventFd,
}

impl Watch {
    pub(super) fn new() -> io::Result<Watch> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        epoll.add(&wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        Ok(Watch { epoll, wake })
    }

    /// Ends the wait, or the next one.
    pub(super) fn wake(&self) {
        // A counter that is full wakes as well.
        let _ = self.wake.write(1);
    }

    pub(super) fn add(&self, worker: WorkerId, door: &Doorbell, process: &Process) -> io::Result<()> {
        let event = |source| EpollEvent::new(EpollFlags::EPOLLIN, encode(News { worker, source }));
        self.epoll.add(door, event(Source::Door))?;
        Ok(self.epoll.add(process, event(Source::Process))?)
    }

    pub(super) fn remove(&self, handle: &Handle) {
        self.remove_door(handle);
        if let Some(process) = handle.process.get() {
            let _ = self.epoll.delete(process);
        }
    }

    /// Does not wait for the worker's rings any more.
    pub(super) fn remove_door(&self, handle: &Handle) {
        if let Some(page) = handle.page.get() {
            // It may have been removed before.
            let _ = self.epoll.delete(page.door());
        }
    }

    /// Waits for news, for at most `time`, or without a limit. What a process has sent comes before its end.
    pub(super) fn wait(&self, time: Option<Duration>) -> Vec<News> {
        let mut events = [EpollEvent::empty(); MOST_NEWS];
        // Rounded up, so that what is due then is due when the wait ends.
        let time = time.map(|time| time + Duration::from_millis(1));
        let timeout =
            time.map_or(EpollTimeout::NONE, |time| EpollTimeout::try_from(time).unwrap_or(EpollTimeout::MAX));
        // An interruption is a wait without news.
        let count = self.epoll.wait(&mut events, timeout).unwrap_or(0);
        let mut news = Vec::with_capacity(count);
        for event in &events[..count] {
            if event.data() == WAKE {
                let _ = self.wake.read();
            } else {
                news.push(decode(event.data()));
            }
        }
        news.sort_by_key(|news| news.source == Source::Process);
        news
    }
}

/// A slot takes 20 bits, a generation the rest.
const SLOT_BITS: u32 = 20;

fn encode(News { worker, source }: News) -> u64 {
    let worker = (u64::from(worker.generation) << SLOT_BITS) | u64::from(worker.slot);
    (worker << 1) | u64::from(source == Source::Process)
}

fn decode(data: u64) -> News {
    let worker = data >> 1;
    let slot = u32::try_from(worker & ((1 << SLOT_BITS) - 1)).unwrap_or(u32::MAX);
    let generation = u32::try_from(worker >> SLOT_BITS).unwrap_or(u32::MAX);
    let source = if data & 1 == 1 { Source::Process } else { Source::Door };
    News { worker: WorkerId { slot, generation }, source }
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
                for source in [Source::Door, Source::Process] {
                    let news = News { worker: WorkerId { slot, generation }, source };
                    assert_eq!(decode(encode(news)), news);
                    assert_ne!(encode(news), WAKE);
                }
            }
        }
    }

    #[test]
    fn a_wake_up_before_the_wait_ends_it() {
        let watch = Watch::new().unwrap();
        watch.wake();
        assert!(watch.wait(None).is_empty());
        assert!(watch.wait(Some(Duration::ZERO)).is_empty());
    }
}
