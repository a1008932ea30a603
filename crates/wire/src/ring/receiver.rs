//! The consumer of a ring.

use std::{ops::Deref, os::fd::OwnedFd, sync::atomic::Ordering};

use sys::{doorbell::Woken, shared_page::SharedPage};

use super::{
    LENGTH, Ring,
    sleep::{Ringer, full_fence, may_sleep, publish},
};
use crate::{Closed, PacketReceiver, message::MAX_PACKET};

/// The end of a ring that packets come out of.
pub(super) struct RingReceiver<P: Deref<Target = SharedPage>> {
    page: P,
    ring: Ring,
    tail: u64,
    /// Number of the last sleep.
    sleeps: u64,
    ringer: Ringer,
}

impl<P: Deref<Target = SharedPage>> RingReceiver<P> {
    pub(super) fn new(page: P, ring: Ring) -> RingReceiver<P> {
        // An earlier receiver on the same memory may have slept. A number that it has used would be taken for its sleep, and
        // the peer does not ring twice for one.
        let sleeps = ring.of(&page).reader_asleep.load(Ordering::Relaxed);
        RingReceiver { page, ring, tail: 0, sleeps, ringer: Ringer::default() }
    }

    /// Takes the next packet; `None` if there is none.
    fn take(&mut self) -> Result<Option<Vec<u8>>, Closed> {
        let ring = self.ring.of(&self.page);
        let head = ring.head.load(Ordering::Acquire);
        if head == self.tail {
            return Ok(None);
        }
        let unread = head.checked_sub(self.tail).and_then(|unread| usize::try_from(unread).ok());
        let Some(unread) = unread.filter(|unread| (LENGTH..=ring.capacity()).contains(unread)) else {
            return Err(Closed::Malformed("an impossible position in a ring"));
        };
        let mut length = Vec::with_capacity(LENGTH);
        ring.copy_out(self.tail, LENGTH, &mut length);
        let length = <[u8; LENGTH]>::try_from(&length[..]).map_or(0, u32::from_le_bytes) as usize;
        if length > MAX_PACKET || length > unread - LENGTH {
            return Err(Closed::Malformed("an impossible length in a ring"));
        }
        let mut packet = Vec::with_capacity(length);
        ring.copy_out(self.tail + LENGTH as u64, length, &mut packet);
        self.tail += (LENGTH + length) as u64;
        let asleep = publish(ring.tail, self.tail, ring.writer_asleep, full_fence);
        if self.ringer.must_ring(asleep) {
            self.page.door().ring();
        }
        Ok(Some(packet))
    }

    /// Says that this side sleeps; returns whether it may, because there is nothing.
    fn fall_asleep(&mut self) -> bool {
        let ring = self.ring.of(&self.page);
        self.sleeps += 1;
        may_sleep((ring.reader_asleep, self.sleeps), (ring.head, self.tail), full_fence) && !self.is_closed()
    }

    fn wake_up(&self) {
        self.ring.of(&self.page).reader_asleep.store(0, Ordering::Relaxed);
    }

    /// Sleeps until there may be more.
    fn sleep(&mut self) -> Woken {
        let woken = if self.fall_asleep() { self.page.door().wait() } else { Woken::Rung };
        self.wake_up();
        woken
    }

    /// Whether the producer has said that nothing more will come.
    fn is_closed(&self) -> bool {
        self.ring == Ring::Requests && self.page.is_closed()
    }
}

impl<P: Deref<Target = SharedPage> + Send> PacketReceiver for RingReceiver<P> {
    fn receive(&mut self) -> Result<Vec<u8>, Closed> {
        let mut is_over = false;
        loop {
            if let Some(packet) = self.take()? {
                return Ok(packet);
            }
            if is_over {
                return Err(Closed::Gone);
            }
            // What was published before the end is there, if one looks after the end.
            is_over = self.is_closed() || self.sleep() == Woken::Ended;
        }
    }

    fn try_receive(&mut self) -> Result<Option<Vec<u8>>, Closed> {
        self.take()
    }

    fn take_file(&mut self) -> Option<OwnedFd> {
        self.page.door().take_descriptor()
    }

    fn ask_for_ring(&mut self, wanted: bool) -> bool {
        if wanted {
            return !self.fall_asleep();
        }
        self.wake_up();
        false
    }
}
