//! Packets through memory that a parent and its worker share.
//!
//! # The ring
//!
//! A ring carries packets in one direction, each behind its length (`u32`, little-endian). There is one producer and one
//! consumer. Positions are counts of bytes since the ring's start and never wrap; a byte at position *p* lies at *p* modulo the
//! capacity. Four words belong to it, each written by one side only:
//!
//! | word | written by | meaning |
//! |---|---|---|
//! | `head` | producer | bytes before it are published: whole packets |
//! | `tail` | consumer | bytes before it are consumed: their room may be used again |
//! | `reader_asleep` | consumer | not 0: it sleeps until `head` moves |
//! | `writer_asleep` | producer | not 0: it sleeps until `tail` moves |
//!
//! Each side keeps its own position to itself as well and never reads it back. The other side's is a claim: it must not lie
//! beyond what is possible, `tail <= head <= tail + capacity`, and neither must any length in the ring. If a claim is
//! impossible the link is malformed and its worker is killed. The bytes of a packet are copied out before they are looked at,
//! so that what they say cannot change afterwards. A worker that overwrites all that it can write to therefore spoils its own
//! outcomes and nothing else.
//!
//! # Sleep
//!
//! Wake-ups cost a system call on each side, so that they are for sleepers only. Whoever publishes a position
//!
//! 1. stores the position,
//! 2. passes a sequentially consistent fence,
//! 3. reads the other side's `asleep` word, and rings the [doorbell](sys::doorbell) if it is not 0.
//!
//! Whoever finds nothing to do
//!
//! 1. stores a number other than 0 to its `asleep` word,
//! 2. passes a sequentially consistent fence,
//! 3. looks at the other side's position **again**, and waits for the doorbell only if it has not moved.
//!
//! No wake-up is lost: of the two fences one comes first in their common order. If it is that of the publisher, the sleeper's
//! second look sees the position; if it is that of the sleeper, the publisher sees that it sleeps. The doorbell is a socket,
//! which keeps a ring until it is waited for. The number in an `asleep` word is another one for each sleep, also of
//! receivers that follow each other on the same memory, so that the publisher, who cannot clear the word because it may not
//! write to it, rings once for each sleep. Both fences are needed: a model check in this module finds the lost wake-up that
//! comes of leaving out either.
//!
//! # No deadlock
//!
//! The worker waits for jobs, or for room for an outcome. The parent waits for outcomes only: it never sends more than there
//! is room for (see [`Outbox`](crate::Outbox)), and it takes outcomes whenever there are any. So whenever the worker waits for
//! room, the parent's wait is over; and whenever the parent waits, the worker either runs a job or waits for one that the
//! parent has not sent. The end of either process ends the other's wait, because the doorbell is closed with it; a parent that
//! has no more jobs closes the ring of jobs before.

mod receiver;
mod sender;
pub(crate) mod sleep;

use std::ops::Deref;

use sys::shared_page::{RingMemory, SharedPage};

use crate::Link;
use receiver::RingReceiver;
use sender::{Full, RingSender};

/// Size of the length before a packet, in bytes.
const LENGTH: usize = 4;

/// The two rings of a [`SharedPage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ring {
    Requests,
    Replies,
}

impl Ring {
    #[inline]
    fn of(self, page: &SharedPage) -> RingMemory<'_> {
        match self {
            Ring::Requests => page.requests(),
            Ring::Replies => page.replies(),
        }
    }
}

/// Returns the parent's link to the worker with which it shares this memory. Its sender never waits: a packet for which there
/// is no room is an error. Dropping the sender tells the worker that no more jobs will come.
pub fn parent_link<P>(page: P) -> Link
where
    P: Deref<Target = SharedPage> + Clone + Send + Sync + 'static,
{
    Link {
        sender: Box::new(RingSender::new(page.clone(), Ring::Requests, Full::IsAnError)),
        receiver: Box::new(RingReceiver::new(page, Ring::Replies)),
    }
}

/// Returns a worker's link to the parent with which it shares this memory.
pub fn worker_link<P>(page: P) -> Link
where
    P: Deref<Target = SharedPage> + Clone + Send + Sync + 'static,
{
    Link {
        sender: Box::new(RingSender::new(page.clone(), Ring::Replies, Full::Waits)),
        receiver: Box::new(RingReceiver::new(page, Ring::Requests)),
    }
}

#[cfg(test)]
mod tests;
