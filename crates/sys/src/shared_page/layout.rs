//! Sizes of a page's files.

use std::{num::NonZeroUsize, os::fd::OwnedFd};

use crate::memory_file::{Layout, MemoryFile};

pub(super) const fn kib(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count << 10).expect("size is not zero")
}

/// Offset of the saved outcomes in the worker's file, in bytes. They fill the rest of its fixed memory.
pub(super) const SAVED_START: usize = 8 << 10;

/// Sizes of a page's two files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layouts {
    /// The parent's file.
    pub(super) requests: Layout,
    /// The worker's file.
    pub(super) replies: Layout,
}

/// Each ring has room for two batches of the size that the scheduler aims at, or for one packet of the
/// largest size. Fixed memory that is never touched takes up no physical memory.
pub(super) const WITH_RINGS: Layouts = Layouts {
    requests: Layout { fixed: kib(64), ring: 128 << 10 },
    replies: Layout { fixed: kib(192), ring: 128 << 10 },
};

pub(super) const WITHOUT_RINGS: Layouts =
    Layouts { requests: Layout { fixed: kib(64), ring: 0 }, replies: Layout { fixed: kib(64), ring: 0 } };

/// Returns the layouts that both files fit, or `None` if they are not files of a page.
pub(super) fn layouts_of(requests: &OwnedFd, replies: &OwnedFd) -> Option<Layouts> {
    let fits = |layouts: &Layouts| {
        MemoryFile::check(requests, layouts.requests).is_ok()
            && MemoryFile::check(replies, layouts.replies).is_ok()
    };
    // The larger one first: files that are large enough for it fit the other one as well.
    [WITH_RINGS, WITHOUT_RINGS].into_iter().find(fits)
}
