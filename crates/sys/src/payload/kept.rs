//! Memory that this process keeps for the next data, so that the system need not allocate and clear it again.
//!
//! Memory is kept only while the process has a [`Keeper`], up to a limit, and until it was not used for a
//! second. The threads that wait for messages free it then.

use std::{
    collections::VecDeque,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use parking_lot::{Mutex, MutexGuard};

use super::{mapping::Mapping, reusable::ReusableFile};

/// Size in bytes up to which data is copied into memory that was used before, and such memory is kept.
/// Copying more takes longer than other work should wait, and pays less.
pub const MAX_REUSED: usize = 32 << 20;

/// Maximum size of all kept memory of a process with a pool, in bytes.
const MAX_KEPT_BY_POOL: usize = 64 << 20;

/// Maximum size of all kept memory of a worker, in bytes. It counts as memory of the job.
const MAX_KEPT_BY_WORKER: usize = 32 << 20;

/// Maximum number of kept files and pieces of private memory. Each file takes a descriptor.
const MAX_COUNT: usize = 32;

/// Time without use after which all kept memory is freed.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// Time to wait for the lock in a process that was forked, where it may never be released.
const LOCK_TIME: Duration = Duration::from_millis(20);

/// The process that keeps the memory; 0 before there is a keeper.
static OWNER: AtomicU32 = AtomicU32::new(0);

static KEPT: Mutex<Kept> = Mutex::new(Kept {
    keepers: Vec::new(),
    limit: 0,
    last_keeper: 0,
    memory: VecDeque::new(),
    size: 0,
    used: None,
});

/// Wakes a thread that is to free kept memory later.
type Waker = Box<dyn Fn() + Send>;

struct Kept {
    /// Those that exist, by their numbers.
    keepers: Vec<(u64, Option<Waker>)>,
    /// Maximum size of all memory, in bytes; the largest one of the keepers that have existed.
    limit: usize,
    last_keeper: u64,
    /// Oldest first.
    memory: VecDeque<Memory>,
    /// Size of all of it, in bytes.
    size: usize,
    /// Last time that memory was kept or taken.
    used: Option<Instant>,
}

enum Memory {
    File(ReusableFile),
    Private(Mapping),
}

impl Memory {
    fn size(&self) -> usize {
        match self {
            Memory::File(file) => file.size(),
            Memory::Private(mapping) => mapping.length(),
        }
    }
}

/// While one exists, this process keeps memory. For a pool or a worker, until it has no jobs any more.
pub struct Keeper(u64);

impl Keeper {
    /// Returns the keeper of a worker, which frees kept memory while it waits for jobs. Returns `None` if the
    /// address space of this process is limited: jobs may need all of it.
    #[must_use]
    pub fn of_worker() -> Option<Keeper> {
        Keeper::create(None, MAX_KEPT_BY_WORKER)
    }

    /// Returns the keeper of a pool, whose thread frees kept memory while it waits. It is woken by `waker`,
    /// which must not use kept memory, when others keep some meanwhile. Returns `None` as `of_worker` does.
    #[must_use]
    pub fn of_pool(waker: Box<dyn Fn() + Send>) -> Option<Keeper> {
        Keeper::create(Some(waker), MAX_KEPT_BY_POOL)
    }

    fn create(waker: Option<Waker>, limit: usize) -> Option<Keeper> {
        if getrlimit(Resource::RLIMIT_AS).ok()?.0 != RLIM_INFINITY {
            return None;
        }
        let mut kept = lock().or_else(|| KEPT.try_lock_for(LOCK_TIME))?;
        if !is_owner() {
            kept.forget_parents();
            OWNER.store(process::id(), Ordering::Release);
        }
        kept.limit = kept.limit.max(limit);
        kept.last_keeper += 1;
        let number = kept.last_keeper;
        kept.keepers.push((number, waker));
        Some(Keeper(number))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let Some(mut kept) = lock() else { return };
        kept.keepers.retain(|(number, _)| *number != self.0);
        if kept.keepers.is_empty() {
            free(kept);
        } else {
            // Another thread may have to free it.
            kept.wake();
        }
    }
}

/// Frees all kept memory, because there is none left for other uses, or no descriptor.
pub(super) fn free_all() {
    if let Some(kept) = lock_if_used() {
        free(kept);
    }
}

/// Whether the memory is that of this process, and not of one that it was forked from.
fn is_owner() -> bool {
    OWNER.load(Ordering::Acquire) == process::id()
}

/// Locks the memory if this process is its owner.
fn lock() -> Option<MutexGuard<'static, Kept>> {
    is_owner().then(|| KEPT.lock())
}

/// Locks the memory if this process keeps any.
fn lock_if_used() -> Option<MutexGuard<'static, Kept>> {
    lock().filter(|kept| !kept.keepers.is_empty())
}

/// Frees all kept memory, without holding the lock meanwhile.
fn free(mut kept: MutexGuard<'static, Kept>) {
    let memory = std::mem::take(&mut kept.memory);
    (kept.size, kept.used) = (0, None);
    drop(kept);
    drop(memory);
}

/// Whether files may be kept, and so should be created for that.
pub(super) fn is_enabled() -> bool {
    lock_if_used().is_some()
}

/// Removes and returns a file for data of this length that no other process has open.
pub(super) fn take_file(length: usize) -> Option<ReusableFile> {
    let mut kept = lock_if_used()?;
    let is_usable = |memory: &mut Memory| match memory {
        Memory::File(file) => file.fits(length) && file.take(),
        Memory::Private(_) => false,
    };
    match kept.take(is_usable)? {
        Memory::File(file) => Some(file),
        Memory::Private(_) => None,
    }
}

/// Removes and returns private memory for data of this length.
pub(super) fn take_private(length: usize) -> Option<Mapping> {
    let mut kept = lock_if_used()?;
    let is_usable = |memory: &mut Memory| match memory {
        Memory::Private(mapping) => (mapping.length() / 2..=mapping.length()).contains(&length),
        Memory::File(_) => false,
    };
    match kept.take(is_usable)? {
        Memory::Private(mapping) => Some(mapping),
        Memory::File(_) => None,
    }
}

/// Keeps a file, or drops it.
pub(super) fn keep_file(file: ReusableFile) {
    if file.may_be_kept() {
        keep(Memory::File(file));
    }
}

/// Keeps private memory, or frees it.
pub(super) fn keep_private(mapping: Mapping) {
    keep(Memory::Private(mapping));
}

fn keep(memory: Memory) {
    let size = memory.size();
    let Some(mut kept) = lock_if_used().filter(|kept| size <= kept.limit) else { return };
    let limit = kept.limit;
    let mut evicted = Vec::new();
    while kept.size + size > limit || kept.memory.len() >= MAX_COUNT {
        let Some(oldest) = kept.memory.pop_front() else { break };
        kept.size -= oldest.size();
        evicted.push(oldest);
    }
    kept.size += size;
    kept.used = Some(Instant::now());
    if kept.memory.is_empty() {
        kept.wake();
    }
    kept.memory.push_back(memory);
    drop(kept);
    drop(evicted);
}

impl Kept {
    /// Forgets the state of the process that this one was forked from. The wakers may have lost their
    /// threads.
    fn forget_parents(&mut self) {
        std::mem::take(&mut self.keepers).into_iter().for_each(std::mem::forget);
        self.memory.clear();
        (self.size, self.limit, self.used) = (0, 0, None);
    }

    fn wake(&self) {
        self.keepers.iter().filter_map(|(_, waker)| waker.as_ref()).for_each(|wake| wake());
    }

    fn take(&mut self, is_usable: impl FnMut(&mut Memory) -> bool) -> Option<Memory> {
        // The one that was used last is more likely to be in the caches of the processor.
        let index = self.memory.iter_mut().rev().position(is_usable)?;
        let taken = self.memory.remove(self.memory.len() - 1 - index)?;
        self.size -= taken.size();
        self.used = Some(Instant::now());
        Some(taken)
    }
}

/// Returns the time until kept memory is to be freed by [`free_unused`], if there is any.
#[must_use]
pub fn time_to_free() -> Option<Duration> {
    let kept = lock().filter(|kept| !kept.memory.is_empty())?;
    Some(kept.used.map_or(Duration::ZERO, |used| IDLE_TIME.saturating_sub(used.elapsed())))
}

/// Frees kept memory that has not been used for a while. To be called by threads that wait, after
/// [`time_to_free`].
pub fn free_unused() {
    if let Some(kept) =
        lock_if_used().filter(|kept| kept.used.is_some_and(|used| used.elapsed() >= IDLE_TIME))
    {
        free(kept);
    }
}
