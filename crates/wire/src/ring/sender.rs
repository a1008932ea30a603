//! Producer of a ring.

use std::{
    ops::Deref,
    os::fd::AsFd,
    sync::{Mutex, PoisonError, atomic::Ordering},
};

use sys::{
    doorbell::Woken,
    payload::Payload,
    shared_page::{RingMemory, SharedPage},
};

use super::{
    layout::{LENGTH_SIZE, Ring},
    sleep::{Ringer, full_fence, may_sleep, publish},
};
use crate::{Closed, PacketSender, message::file_packet};

/// Behavior of a producer if there is no room for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// Wait until there is room.
    Wait,
    /// Return an error: the consumer must have published a position that it has not reached.
    Fail,
}

/// Sending end of a ring.
pub(super) struct RingSender<P: Deref<Target = SharedPage>> {
    page: P,
    ring: Ring,
    when_full: WhenFull,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    head: u64,
    /// Number of sleeps so far, as stored to `writer_asleep`.
    sleeps: u64,
    ringer: Ringer,
}

impl<P: Deref<Target = SharedPage>> RingSender<P> {
    pub(super) fn new(page: P, ring: Ring, when_full: WhenFull) -> RingSender<P> {
        RingSender { page, ring, when_full, state: Mutex::default() }
    }

    /// Waits until there is room for `bytes` bytes after `head`.
    fn wait_for_room(&self, state: &mut State, bytes: usize) -> Result<(), Closed> {
        let ring = self.ring.of(&self.page);
        loop {
            let tail = ring.tail.load(Ordering::Acquire);
            if has_room(&ring, state.head, tail, bytes)? {
                return Ok(());
            }
            if self.when_full == WhenFull::Fail {
                return Err(Closed::Malformed("an invalid position in the ring of jobs"));
            }
            state.sleeps += 1;
            let woken = if may_sleep((ring.writer_asleep, state.sleeps), (ring.tail, tail), full_fence) {
                self.page.doorbell().wait()
            } else {
                Woken::Rung
            };
            ring.writer_asleep.store(0, Ordering::Relaxed);
            if woken == Woken::Ended {
                return Err(Closed::Gone);
            }
        }
    }
}

/// Returns whether there is room for `bytes` bytes after `head` if the consumer is at `tail`.
fn has_room(ring: &RingMemory<'_>, head: u64, tail: u64, bytes: usize) -> Result<bool, Closed> {
    let capacity = ring.capacity() as u64;
    let unread = head.checked_sub(tail).filter(|&unread| unread <= capacity);
    let unread = unread.ok_or(Closed::Malformed("an invalid position in a ring"))?;
    Ok(capacity - unread >= bytes as u64)
}

impl<P: Deref<Target = SharedPage> + Send + Sync> PacketSender for RingSender<P> {
    fn send(&self, packet: &[u8]) -> Result<(), Closed> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = self.ring.of(&self.page);
        let bytes = packet.len() + LENGTH_SIZE;
        let length = u32::try_from(packet.len()).ok().filter(|_| bytes <= ring.capacity());
        let length = length.ok_or(Closed::Malformed("a packet that is larger than a ring"))?;
        self.wait_for_room(&mut state, bytes)?;
        ring.copy_in(state.head, &length.to_le_bytes());
        ring.copy_in(state.head + LENGTH_SIZE as u64, packet);
        state.head += bytes as u64;
        let asleep = publish(ring.head, state.head, ring.reader_asleep, full_fence);
        if state.ringer.must_ring(asleep) {
            self.page.doorbell().ring();
        }
        Ok(())
    }

    fn supports_files(&self) -> bool {
        true
    }

    fn send_file(&self, file: &Payload) -> Result<bool, Closed> {
        // The file is sent before the packet, so that it is available when the packet is read.
        if self.page.doorbell().send(&[file.as_fd()]).is_err() {
            return Ok(false);
        }
        self.send(&file_packet(file.bytes().len())).map(|()| true)
    }
}

impl<P: Deref<Target = SharedPage>> Drop for RingSender<P> {
    fn drop(&mut self) {
        // The ring of outcomes needs no close: it ends with the worker's process.
        if self.ring == Ring::Requests {
            self.page.close();
        }
    }
}
