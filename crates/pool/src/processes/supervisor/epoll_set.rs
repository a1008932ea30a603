//! Waiting for events of all workers at once.

use std::{io, time::Duration};

use job::WorkerId;
use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    eventfd::{EfdFlags, EventFd},
};
use sys::{doorbell::Doorbell, process::Process};

use crate::{
    output::OutputStream,
    processes::{capture::Capture, handle::Handle},
};

/// Maximum number of events that one wait returns.
const MAX_EVENTS: usize = 64;

/// Event data for a request of another thread. No worker has this slot and generation.
const WAKE: u64 = u64::MAX;

/// Source of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The worker has rung its doorbell, or closed its end.
    Doorbell,
    /// The worker's process has exited.
    Process,
    /// The worker has written to this captured stream, or closed it.
    Output(OutputStream),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WatchEvent {
    pub(super) worker: WorkerId,
    pub(super) source: Source,
}

/// Descriptors that a supervisor waits for. They are removed explicitly, since other owners may keep them
/// open.
pub(in crate::processes) struct EpollSet {
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

    /// Ends the current wait, or the next one.
    pub(super) fn wake(&self) {
        // If the counter is full, the wait ends as well.
        let _ = self.wake.write(1);
    }

    pub(super) fn add(&self, worker: WorkerId, doorbell: &Doorbell, process: &Process) -> io::Result<()> {
        self.epoll.add(doorbell, readable(worker, Source::Doorbell))?;
        Ok(self.epoll.add(process, readable(worker, Source::Process))?)
    }

    /// Adds the captured streams of a worker.
    pub(super) fn add_output(&self, worker: WorkerId, capture: &Capture) -> io::Result<()> {
        let mut result = Ok(());
        capture.for_each_pipe(|stream, pipe| {
            let added = self.epoll.add(pipe, readable(worker, Source::Output(stream)));
            result = result.and(added);
        });
        Ok(result?)
    }

    /// Stops waiting for captured streams: for one of them, or for all.
    pub(super) fn remove_output(&self, handle: &Handle, only: Option<OutputStream>) {
        let Some(capture) = handle.capture.get() else { return };
        capture.for_each_pipe(|stream, pipe| {
            if only.is_none_or(|only| only == stream) {
                // It may have been removed before.
                let _ = self.epoll.delete(pipe);
            }
        });
    }

    pub(super) fn remove(&self, handle: &Handle) {
        self.remove_doorbell(handle);
        if let Some(process) = handle.process.get() {
            let _ = self.epoll.delete(process);
        }
    }

    /// Stops waiting for the worker's doorbell.
    pub(super) fn remove_doorbell(&self, handle: &Handle) {
        if let Some(page) = handle.page.get() {
            // It may have been removed before.
            let _ = self.epoll.delete(page.doorbell());
        }
    }

    /// Waits for events, for at most `time` or without a limit. Events of doorbells come before those of
    /// processes, so that a worker's messages are received before its exit is handled.
    pub(super) fn wait(&self, time: Option<Duration>) -> Vec<WatchEvent> {
        let mut events = [EpollEvent::empty(); MAX_EVENTS];
        // Rounded up, so that a deadline has passed when the wait for it ends.
        let time = time.map(|time| time + Duration::from_millis(1));
        let timeout =
            time.map_or(EpollTimeout::NONE, |time| EpollTimeout::try_from(time).unwrap_or(EpollTimeout::MAX));
        // An interrupted wait returns no events.
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

/// Returns the event to wait for: that the source is readable.
fn readable(worker: WorkerId, source: Source) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN, encode(WatchEvent { worker, source }))
}

/// Sources, each at the index that stands for it in event data.
const SOURCES: [Source; 4] = [
    Source::Doorbell,
    Source::Process,
    Source::Output(OutputStream::Stdout),
    Source::Output(OutputStream::Stderr),
];

/// Numbers of bits for the source and the slot; the others hold the generation.
const SOURCE_BITS: u32 = 2;
const SLOT_BITS: u32 = 20;

fn encode(WatchEvent { worker, source }: WatchEvent) -> u64 {
    let worker = (u64::from(worker.generation) << SLOT_BITS) | u64::from(worker.slot);
    let source = SOURCES.iter().position(|one| *one == source).unwrap_or(0);
    (worker << SOURCE_BITS) | source as u64
}

fn decode(data: u64) -> WatchEvent {
    let worker = data >> SOURCE_BITS;
    let slot = u32::try_from(worker & ((1 << SLOT_BITS) - 1)).unwrap_or(u32::MAX);
    let generation = u32::try_from(worker >> SLOT_BITS).unwrap_or(u32::MAX);
    let source = SOURCES[(data & ((1 << SOURCE_BITS) - 1)) as usize];
    WatchEvent { worker: WorkerId { slot, generation }, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::MAX_WORKERS;

    #[test]
    fn event_data_round_trips() {
        let most = u32::try_from(MAX_WORKERS).unwrap();
        for slot in [0, 1, most - 1] {
            for generation in [0, 1, u32::MAX] {
                for source in SOURCES {
                    let event = WatchEvent { worker: WorkerId { slot, generation }, source };
                    assert_eq!(decode(encode(event)), event);
                    assert_ne!(encode(event), WAKE);
                }
            }
        }
    }

    #[test]
    fn wake_before_wait_ends_it() {
        let set = EpollSet::new().unwrap();
        set.wake();
        assert!(set.wait(None).is_empty());
        assert!(set.wait(Some(Duration::ZERO)).is_empty());
    }
}
