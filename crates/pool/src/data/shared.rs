//! The types of shared data.

use std::{
    fmt, io,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use bytemuck::{
    Pod,
    allocation::{pod_collect_to_vec, try_cast_vec, try_zeroed_vec},
};
use sys::{call::is_out_of_descriptors, payload::Payload};
use wire::transfer::{self, Copied, LargeData};

/// Size in bytes from which data is kept in a file of its own. Smaller data is copied with its job.
pub const MIN_SHARED_SIZE: usize = 64 * 1024;

/// Size in bytes up to which data is copied with its job if there is no descriptor for a file.
const MAX_SENT: usize = 1 << 30;

/// Bytes that processes share instead of copying them; see [`Shared`].
///
/// ```
/// use pool::data::Blob;
///
/// let blob = Blob::with_len(1_000_000, |bytes| bytes.fill(7))?;
/// assert_eq!(blob[999_999], 7);
/// # Ok::<(), std::io::Error>(())
/// ```
pub type Blob = Shared<u8>;

/// Items that processes share instead of copying them: immutable, and cheap to clone.
///
/// Dereferences to `[T]`. Any part of a job, of its output or error, or of the arguments of a worker's state
/// can be of this type. A process pool passes data of [`MIN_SHARED_SIZE`] bytes or more to a worker and back
/// as a reference to sealed memory, so that it is in memory once, however many processes use it. Data that
/// crosses no process boundary, as in a thread pool, is never copied either.
///
/// `T` is a plain number or a struct that implements [`bytemuck::Pod`](Pod). Elsewhere, as in a file or a
/// JSON document, serde encodes the bytes that the items have in memory, in the byte order of the machine.
///
/// # Limits
///
/// Each large value takes a file descriptor in each process that has it; clones take none. When half of those
/// that the process may have (`RLIMIT_NOFILE`, `ulimit -n`) are taken, or 16,384, further values up to 1 GiB
/// are copied with their jobs. A worker's mapping counts in full towards `max_memory`, and the pages that it
/// has accessed towards `max_rss`.
///
/// ```
/// use pool::data::Shared;
///
/// let roots = Shared::<f64>::with_len(1000, |roots| {
///     (0..).zip(roots).for_each(|(n, root)| *root = f64::from(n).sqrt());
/// })?;
/// assert_eq!(roots[144], 12.0);
/// let same = roots.clone();
/// assert_eq!(same.as_ptr(), roots.as_ptr());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Shared<T: Pod>(pub(super) Storage<T>);

pub(super) enum Storage<T> {
    Memory(Arc<Memory<T>>),
    /// A file whose length is a multiple of the size of `T`.
    File(Arc<Payload>),
    /// Of a worker's file; its length is a multiple of the size of `T` as well.
    Copy(Arc<Copied>),
}

/// Items in the private memory of the process.
pub(super) struct Memory<T> {
    items: Vec<T>,
    /// A copy, which is made when the items are first passed to another process.
    file: OnceLock<Arc<Payload>>,
}

impl<T> Memory<T> {
    pub(super) fn items(&self) -> &[T] {
        &self.items
    }

    pub(super) fn into_items(self) -> Vec<T> {
        self.items
    }
}

impl<T: Pod> Memory<T> {
    /// Returns the copy.
    fn file(&self) -> io::Result<Arc<Payload>> {
        if let Some(file) = self.file.get() {
            return Ok(file.clone());
        }
        let file = Payload::copy_of(bytemuck::cast_slice(&self.items))?;
        Ok(self.file.get_or_init(|| Arc::new(file)).clone())
    }
}

impl<T: Pod> Shared<T> {
    /// Without a size the number of items would be unknown, and a mapping is aligned to a page.
    const CHECKED: () = assert!(size_of::<T>() > 0 && align_of::<T>() <= 4096);

    /// Creates `length` items, which are zero until `fill` changes them. Large data is written directly into
    /// shared memory.
    ///
    /// ```
    /// use pool::data::Blob;
    ///
    /// let blob = Blob::with_len(3, |bytes| bytes[1] = 7)?;
    /// assert_eq!(*blob, [0, 7, 0]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The system is out of memory, or the size exceeds `RLIMIT_FSIZE`.
    pub fn with_len(length: usize, fill: impl FnOnce(&mut [T])) -> io::Result<Shared<T>> {
        let () = Self::CHECKED;
        let bytes = length.checked_mul(size_of::<T>()).ok_or(io::ErrorKind::OutOfMemory)?;
        if bytes < MIN_SHARED_SIZE {
            let mut items = vec![T::zeroed(); length];
            fill(&mut items);
            return Ok(items.into());
        }
        let mut fill = Some(fill);
        let file = Payload::with_length(bytes, |bytes| {
            if let Some(fill) = fill.take() {
                fill(bytemuck::cast_slice_mut(bytes));
            }
        });
        match (file, fill) {
            (Err(error), Some(fill)) if is_out_of_descriptors(&error) => {
                let mut items = try_zeroed_vec(length).map_err(|()| io::ErrorKind::OutOfMemory)?;
                fill(&mut items);
                Ok(items.into())
            }
            (file, _) => Ok(Shared(Storage::File(Arc::new(file.map_err(|error| creation_error(&error))?)))),
        }
    }

    /// Copies items, large ones directly into shared memory.
    ///
    /// ```
    /// use pool::data::Shared;
    ///
    /// assert_eq!(*Shared::from_slice(&[1, 2, 3])?, [1, 2, 3]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`with_len`](Shared::with_len).
    pub fn from_slice(items: &[T]) -> io::Result<Shared<T>> {
        let () = Self::CHECKED;
        if size_of_val(items) < MIN_SHARED_SIZE {
            return Ok(items.into());
        }
        match Payload::copy_of(bytemuck::cast_slice(items)) {
            Ok(file) => Ok(Shared(Storage::File(Arc::new(file)))),
            Err(error) if is_out_of_descriptors(&error) => Ok(items.into()),
            Err(error) => Err(creation_error(&error)),
        }
    }

    /// Returns the bytes of the items.
    ///
    /// ```
    /// use pool::data::Shared;
    ///
    /// let shared = Shared::from(vec![0x0101u16]);
    /// assert_eq!(shared.as_bytes(), [1, 1]);
    /// ```
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }

    /// Returns the items that have these bytes; `None` if they are not a whole number of items.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Option<Shared<T>> {
        let () = Self::CHECKED;
        if !bytes.len().is_multiple_of(size_of::<T>()) {
            return None;
        }
        Some(try_cast_vec(bytes).unwrap_or_else(|(_, bytes)| pod_collect_to_vec(&bytes)).into())
    }

    /// Returns the items in large data; `None` if its length is not a whole number of items.
    pub(super) fn from_large(data: LargeData) -> Option<Shared<T>> {
        let () = Self::CHECKED;
        let is_whole = data.bytes().len().is_multiple_of(size_of::<T>());
        is_whole.then_some(Shared(match data {
            LargeData::File(file) => Storage::File(file),
            LargeData::Copy(copy) => Storage::Copy(copy),
        }))
    }

    /// Returns the file with the items, which is created if necessary; `None` for data that is to be sent as
    /// it is, because it is small or there is no descriptor for a file.
    pub(super) fn file(&self) -> Result<Option<Arc<Payload>>, String> {
        let file = match &self.0 {
            Storage::File(file) => return Ok(Some(file.clone())),
            Storage::Memory(_) if size_of_val::<[T]>(self) < MIN_SHARED_SIZE => return Ok(None),
            Storage::Memory(memory) => memory.file(),
            Storage::Copy(copy) => copy.file(),
        };
        match file {
            Ok(file) => Ok(Some(file)),
            Err(error) if is_out_of_descriptors(&error) && size_of_val::<[T]>(self) <= MAX_SENT => Ok(None),
            Err(error) => Err(creation_error(&error).to_string()),
        }
    }
}

#[cold]
pub(super) fn creation_error(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot create shared memory: {}", transfer::explain(error)))
}

impl<T: Pod> Deref for Shared<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Storage::Memory(memory) => &memory.items,
            Storage::File(file) => bytemuck::cast_slice(file.bytes()),
            Storage::Copy(copy) => bytemuck::cast_slice(copy.bytes()),
        }
    }
}

impl<T: Pod> AsRef<[T]> for Shared<T> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

/// Keeps the items where they are. Large ones are copied once, when they are first passed to another process:
/// [`with_len`](Shared::with_len) saves that.
impl<T: Pod> From<Vec<T>> for Shared<T> {
    fn from(items: Vec<T>) -> Shared<T> {
        let () = Self::CHECKED;
        Shared(Storage::Memory(Arc::new(Memory { items, file: OnceLock::new() })))
    }
}

/// Copies the items into memory of this process; [`from_slice`](Shared::from_slice) copies them into shared
/// memory.
impl<T: Pod> From<&[T]> for Shared<T> {
    fn from(items: &[T]) -> Shared<T> {
        items.to_vec().into()
    }
}

impl<T: Pod> Default for Shared<T> {
    fn default() -> Shared<T> {
        Vec::new().into()
    }
}

impl<T: Pod> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared(match &self.0 {
            Storage::Memory(memory) => Storage::Memory(memory.clone()),
            Storage::File(file) => Storage::File(file.clone()),
            Storage::Copy(copy) => Storage::Copy(copy.clone()),
        })
    }
}

impl<T: Pod + PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Shared<T>) -> bool {
        **self == **other
    }
}

impl<T: Pod + Eq> Eq for Shared<T> {}

/// Shows the number of items only.
impl<T: Pod> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("len", &self.len()).finish_non_exhaustive()
    }
}
