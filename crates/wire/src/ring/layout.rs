//! Places of the rings and of packets in shared memory.

use sys::shared_page::{RingMemory, SharedPage};

/// Size in bytes of the length before a packet.
pub(super) const LENGTH_SIZE: usize = 4;

/// One of the two rings of a [`SharedPage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ring {
    /// From the parent to the worker.
    Requests,
    /// From the worker to the parent.
    Replies,
}

impl Ring {
    #[inline]
    pub(super) fn of(self, page: &SharedPage) -> RingMemory<'_> {
        match self {
            Ring::Requests => page.requests(),
            Ring::Replies => page.replies(),
        }
    }
}
