//! Consumer of a ring.

use std::{ops::Deref, os::fd::OwnedFd, sync::atomic::Ordering};

use sys::{doorbell::Woken, shared_page::SharedPage};

use super::{
    layout::{LENGTH_SIZE, Ring},
    sleep::{Ringer, full_fence, may_sleep, publish},
};
use crate::{Closed, PacketReceiver, message::MAX_PACKET_SIZE};

/// Receiving end of a ring.
pub(super) struct RingReceiver<P: Deref<Target = SharedPage>> {
    page: P,
    ring: Ring,
    tail: u64,
    /// Number of the last sleep, as stored to `reader_asleep`.
    sleeps: u64,
    ringer: Ringer,
}

impl<P: Deref<Target = SharedPage>> RingReceiver<P> {
    pub(super) fn new(page: P, ring: Ring) -> RingReceiver<P> {
        // An earlier receiver on the same memory may have slept. Its numbers must not be used again, because
        // the peer rings only once for each number.
        let sleeps = ring.of(&page).reader_asleep.load(Ordering::Relaxed);
        RingReceiver { page, ring, tail: 0, sleeps, ringer: Ringer::default() }
    }

    /// Removes and returns the next packet, or returns `None` if there is none.
    fn pop(&mut self) -> Result<Option<Vec<u8>>, Closed> {
        let ring = self.ring.of(&self.page);
        let head = ring.head.load(Ordering::Acquire);
        if head == self.tail {
            return Ok(None);
        }
        let unread = head.checked_sub(self.tail).and_then(|unread| usize::try_from(unread).ok());
        let Some(unread) = unread.filter(|unread| (LENGTH_SIZE..=ring.capacity()).contains(unread)) else {
            return Err(Closed::Malformed("an invalid position in a ring"));
        };
        let mut length = Vec::with_capacity(LENGTH_SIZE);
        ring.copy_out(self.tail, LENGTH_SIZE, &mut length);
        let length = <[u8; LENGTH_SIZE]>::try_from(&length[..]).map_or(0, u32::from_le_bytes) as usize;
        if length > MAX_PACKET_SIZE || length > unread - LENGTH_SIZE {
            return Err(Closed::Malformed("an invalid length in a ring"));
        }
        let mut packet = Vec::with_capacity(length);
        ring.copy_out(self.tail + LENGTH_SIZE as u64, length, &mut packet);
        self.tail += (LENGTH_SIZE + length) as u64;
        let asleep = publish(ring.tail, self.tail, ring.writer_asleep, full_fence);
        if self.ringer.must_ring(asleep) {
            self.page.doorbell().ring();
        }
        Ok(Some(packet))
    }

    /// Announces that this side sleeps. Returns `true` if it may sleep, because there is no packet and the
    /// ring is open.
    fn announce_sleep(&mut self) -> bool {
        let ring = self.ring.of(&self.page);
        self.sleeps += 1;
        may_sleep((ring.reader_asleep, self.sleeps), (ring.head, self.tail), full_fence) && !self.is_closed()
    }

    /// Withdraws the announcement that this side sleeps.
    fn clear_sleep(&self) {
        self.ring.of(&self.page).reader_asleep.store(0, Ordering::Relaxed);
    }

    /// Sleeps until there may be a packet.
    fn sleep(&mut self) -> Woken {
        let woken = if self.announce_sleep() { self.page.doorbell().wait() } else { Woken::Rung };
        self.clear_sleep();
        woken
    }

    /// Returns whether the producer has closed the ring. Only the ring of jobs can be closed.
    fn is_closed(&self) -> bool {
        self.ring == Ring::Requests && self.page.is_closed()
    }
}

impl<P: Deref<Target = SharedPage> + Send> PacketReceiver for RingReceiver<P> {
    fn receive(&mut self) -> Result<Vec<u8>, Closed> {
        let mut has_ended = false;
        loop {
            if let Some(packet) = self.pop()? {
                return Ok(packet);
            }
            if has_ended {
                return Err(Closed::Gone);
            }
            // Check for packets once more after the end: they may have been published before it.
            has_ended = self.is_closed() || self.sleep() == Woken::Ended;
        }
    }

    fn try_receive(&mut self) -> Result<Option<Vec<u8>>, Closed> {
        self.pop()
    }

    fn take_file(&mut self) -> Option<OwnedFd> {
        self.page.doorbell().take_descriptor()
    }

    fn request_ring(&mut self, wanted: bool) -> bool {
        if wanted {
            return !self.announce_sleep();
        }
        self.clear_sleep();
        false
    }
}
