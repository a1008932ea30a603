//! Ring buffers that carry packets through memory shared by a parent and its worker.
//!
//! # The ring
//!
//! A ring carries packets in one direction, each preceded by its length (`u32`, little-endian). There is one
//! producer and one consumer. Positions count bytes since the creation of the ring and never wrap; the byte
//! at position *p* is stored at *p* modulo the capacity. The state of a ring consists of four words, each
//! written by one side only:
//!
//! | word | written by | meaning |
//! |---|---|---|
//! | `head` | producer | bytes before this position are published: whole packets |
//! | `tail` | consumer | bytes before this position are consumed: their space may be reused |
//! | `reader_asleep` | consumer | not 0: the consumer sleeps until `head` changes |
//! | `writer_asleep` | producer | not 0: the producer sleeps until `tail` changes |
//!
//! Each side also keeps its own position in private memory and never reads it back from the ring. The
//! position of the other side is untrusted input. It must satisfy `tail <= head <= tail + capacity`, and
//! every length must be within the published bytes. Otherwise the link is malformed and the worker is killed.
//! The bytes of a packet are copied out before they are parsed, so that they cannot change while they are
//! used. A worker that overwrites all memory that it can write to therefore corrupts only its own outcomes.
//!
//! # Sleep
//!
//! A wake-up costs a system call on each side, so a side is woken only if it sleeps. The side that publishes
//! a position
//!
//! 1. stores the position,
//! 2. executes a sequentially consistent fence,
//! 3. loads the other side's `asleep` word, and rings the [doorbell](sys::doorbell) if it is not 0.
//!
//! The side that has nothing to do
//!
//! 1. stores a number other than 0 to its `asleep` word,
//! 2. executes a sequentially consistent fence,
//! 3. loads the other side's position **again**, and waits for the doorbell only if the position has not
//!    changed.
//!
//! No wake-up is lost, because sequentially consistent fences have a single total order. If the publisher's
//! fence comes first, the sleeper's second load returns the new position. If the sleeper's fence comes first,
//! the publisher sees that the other side sleeps. The doorbell is a socket, which stores a ring until it is
//! waited for.
//!
//! The publisher cannot clear the `asleep` word, because only the other side writes to it. Therefore each
//! sleep has another number, also across successive receivers on the same memory, and the publisher rings
//! once for each number.
//!
//! Both fences are required: the model checks of this module find a lost wake-up if either is removed.
//!
//! # No deadlock
//!
//! The worker waits for jobs, or for room for an outcome. The parent waits only for outcomes: it never sends
//! more than there is room for (see [`Outbox`](crate::Outbox)), and it receives outcomes whenever there are
//! any. So if the worker waits for room, there are outcomes and the parent does not wait. If the parent
//! waits, the worker either runs a job or waits for a job that the parent has not sent. When a process exits,
//! its end of the doorbell is closed, which ends the wait of the other process. A parent that has no more
//! jobs closes the ring of jobs before that.

mod layout;
mod receiver;
mod sender;
pub(crate) mod sleep;

use std::ops::Deref;

use sys::shared_page::SharedPage;

use crate::Link;
use layout::Ring;
use receiver::RingReceiver;
use sender::{RingSender, WhenFull};

/// Returns the parent's link to the worker that shares this memory.
///
/// Its sender never blocks: sending a packet for which there is no room is an error. Dropping the sender
/// closes the ring of jobs.
pub fn parent_link<P>(page: P) -> Link
where
    P: Deref<Target = SharedPage> + Clone + Send + Sync + 'static,
{
    Link {
        sender: Box::new(RingSender::new(page.clone(), Ring::Requests, WhenFull::Fail)),
        receiver: Box::new(RingReceiver::new(page, Ring::Replies)),
    }
}

/// Returns the worker's link to the parent that shares this memory. Its sender blocks while the ring is full.
pub fn worker_link<P>(page: P) -> Link
where
    P: Deref<Target = SharedPage> + Clone + Send + Sync + 'static,
{
    Link {
        sender: Box::new(RingSender::new(page.clone(), Ring::Replies, WhenFull::Wait)),
        receiver: Box::new(RingReceiver::new(page, Ring::Requests)),
    }
}

#[cfg(test)]
mod tests;
