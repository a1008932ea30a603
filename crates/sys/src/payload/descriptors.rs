//! How many descriptors the files with data take.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit},
};

/// Maximum number of files. Each has a mapping, too, and by default a process can have 65,530
/// (`vm.max_map_count`).
const MAX_FILES: u64 = 16_384;

/// Number of files that this process has open.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Counts a file while this exists.
#[derive(Debug)]
pub(super) struct Counted(());

impl Counted {
    pub(super) fn new() -> Counted {
        COUNT.fetch_add(1, Ordering::Relaxed);
        Counted(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns whether files with data take half of the descriptors that this process may have, or as many
/// mappings as they should. Then data is copied instead: the other half is for the program, for new workers,
/// and for opening what they send.
///
/// ```
/// assert!(!sys::payload::are_descriptors_scarce());
/// ```
#[must_use]
pub fn are_descriptors_scarce() -> bool {
    // The call fails for unknown resources only.
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(MAX_FILES, |(soft, _)| MAX_FILES.min(soft / 2));
    COUNT.load(Ordering::Relaxed) >= limit
}

/// Fails as the system does without descriptors if they are scarce.
pub(super) fn check() -> io::Result<()> {
    if are_descriptors_scarce() { Err(Errno::EMFILE.into()) } else { Ok(()) }
}
