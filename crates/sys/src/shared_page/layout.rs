//! Sizes of the files that a page consists of.

use std::{num::NonZeroUsize, os::fd::OwnedFd};

use crate::memory_file::{Layout, MemoryFile};

pub(super) const fn kib(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count << 10).expect("sizes are not zero")
}

/// Where the kept outcomes begin. They take up what is left of the fixed memory.
pub(super) const ARENA_START: usize = 8 << 10;

/// Sizes of the two files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layouts {
    /// The parent's.
    pub(super) requests: Layout,
    /// The worker's.
    pub(super) replies: Layout,
}

/// Each ring has room for two batches of the size that the scheduler aims at, or for one packet of the largest size. Only
/// what is used of the fixed memory takes up memory.
pub(super) const WITH_RINGS: Layouts = Layouts {
    requests: Layout { fixed: kib(64), ring: 128 << 10 },
    replies: Layout { fixed: kib(192), ring: 128 << 10 },
};

pub(super) const WITHOUT_RINGS: Layouts =
    Layouts { requests: Layout { fixed: kib(64), ring: 0 }, replies: Layout { fixed: kib(64), ring: 0 } };

/// The sizes that files of a page have, if they are that.
pub(super) fn layouts_of(requests: &OwnedFd, replies: &OwnedFd) -> Option<Layouts> {
    let fits = |layouts: &Layouts| {
        MemoryFile::check(requests, layouts.requests).is_ok()
            && MemoryFile::check(replies, layouts.replies).is_ok()
    };
    // The larger ones first: a file that is large enough for them is for the others as well.
    [WITH_RINGS, WITHOUT_RINGS].into_iter().find(fits)
}
