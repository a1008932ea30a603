//! The running executable: its identity, and constants in it that other processes of it can find.

use std::{
    any::TypeId,
    ffi::{c_int, c_void},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    os::unix::fs::MetadataExt,
    process, ptr,
    sync::OnceLock,
    time::SystemTime,
};

/// Returns a number that is equal in two processes only if they run the same file: device, inode, size and
/// time of the last change. Without `/proc` it is different in each process.
///
/// ```
/// assert_eq!(sys::executable::identity(), sys::executable::identity());
/// ```
#[must_use]
pub fn identity() -> u64 {
    static IDENTITY: OnceLock<u64> = OnceLock::new();
    *IDENTITY.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        match fs::metadata("/proc/self/exe") {
            Ok(file) => {
                (file.dev(), file.ino(), file.size()).hash(&mut hasher);
                (file.mtime(), file.mtime_nsec()).hash(&mut hasher);
            }
            Err(_) => (process::id(), SystemTime::now()).hash(&mut hasher),
        }
        hasher.finish()
    })
}

/// First bytes of every [`Portable`], in the order of the machine.
const MAGIC: [u64; 2] = [0x9d3c_51f0_7ab6_2e84, 0x46e8_0b1d_f25a_c397];

/// A constant that other processes of the same executable can find by its offset in the executable: the
/// system loads an executable at another address in each process, but in one piece.
///
/// A function's own address would do as well, but a wrong one could not be detected before it is called.
///
/// ```
/// use sys::executable::Portable;
///
/// type Function = fn(u64) -> u64;
/// let square = const { &Portable::new((|n| n * n) as Function) };
/// let offset = square.offset().expect("it is part of this executable");
/// // In another process:
/// let found = Portable::<Function>::find(offset).expect("the executable is the same");
/// assert_eq!(found(7), 49);
/// assert!(Portable::<fn()>::find(offset).is_none(), "it has another type");
/// assert!(Portable::<Function>::find(offset + 8).is_none());
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct Portable<T> {
    magic: [u64; 2],
    kind: TypeId,
    value: T,
}

impl<T: Copy + Send + Sync + 'static> Portable<T> {
    /// Creates a constant with this value.
    pub const fn new(value: T) -> Portable<T> {
        Portable { magic: MAGIC, kind: TypeId::of::<T>(), value }
    }

    /// Returns the offset of the constant in the executable; `None` if it is in a shared library, or on the
    /// heap.
    #[must_use]
    pub fn offset(&'static self) -> Option<u64> {
        let address = ptr::from_ref(self).addr();
        let image = Image::of_executable()?;
        image.has(address, size_of::<Self>()).then(|| (address - image.base) as u64)
    }

    /// Returns the value of the constant at this offset; `None` if there is none of this type. Detects an
    /// offset from another executable, unless that has a constant of the same type at this place.
    #[must_use]
    pub fn find(offset: u64) -> Option<T> {
        let image = Image::of_executable()?;
        let address = image.base.checked_add(usize::try_from(offset).ok()?)?;
        if !image.has(address, size_of::<Self>()) || !address.is_multiple_of(align_of::<Self>()) {
            return None;
        }
        let found = ptr::with_exposed_provenance::<Self>(address);
        // SAFETY: the address is aligned for the type and the whole of it is in a readable segment of the
        // executable, which stays mapped. The fields before the value are plain numbers. Only a constant that
        // `new` has created begins with the private `MAGIC`, and `kind` proves that the value is a `T`.
        unsafe {
            let is_constant =
                (*found).magic == MAGIC && (&raw const (*found).kind).read() == TypeId::of::<T>();
            is_constant.then(|| (*found).value)
        }
    }
}

/// Where the executable is in memory.
struct Image {
    /// Difference between addresses in memory and in the file.
    base: usize,
    /// Its readable segments, as addresses in memory.
    segments: Vec<Range<usize>>,
}

impl Image {
    fn of_executable() -> Option<&'static Image> {
        static IMAGE: OnceLock<Option<Image>> = OnceLock::new();
        IMAGE
            .get_or_init(|| {
                let mut found: Option<Image> = None;
                // SAFETY: the callback has the required signature, and is passed a pointer to an option that
                // outlives the call.
                unsafe { libc::dl_iterate_phdr(Some(take_first), (&raw mut found).cast()) };
                found
            })
            .as_ref()
    }

    fn has(&self, address: usize, size: usize) -> bool {
        let Some(end) = address.checked_add(size) else { return false };
        self.segments.iter().any(|segment| segment.start <= address && end <= segment.end)
    }
}

/// Called for the executable first. Returns a number other than 0, which ends the iteration.
extern "C" fn take_first(info: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
    // SAFETY: the C library passes valid information with this number of program headers, and the pointer
    // that it was passed in `of_executable`.
    let (info, headers, found) = unsafe {
        let info = &*info;
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        (info, headers, &mut *found.cast::<Option<Image>>())
    };
    let base = info.dlpi_addr as usize;
    let is_readable =
        |header: &&libc::Elf64_Phdr| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_R != 0;
    let range = |header: &libc::Elf64_Phdr| {
        let start = base.wrapping_add(header.p_vaddr as usize);
        start..start.saturating_add(header.p_memsz as usize)
    };
    *found = Some(Image { base, segments: headers.iter().filter(is_readable).map(range).collect() });
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    type Function = fn() -> u32;

    #[test]
    fn finds_nothing_at_other_offsets() {
        let constant = const { &Portable::new((|| 5) as Function) };
        let offset = constant.offset().unwrap();
        assert_eq!(Portable::<Function>::find(offset).unwrap()(), 5);
        for other in [0, 1, offset - 8, offset + 1, offset + 8, offset << 20, u64::MAX] {
            assert!(Portable::<Function>::find(other).is_none(), "{other}");
        }
    }

    #[test]
    fn constant_on_the_heap_has_no_offset() {
        assert_eq!(Box::leak(Box::new(Portable::new(1u8))).offset(), None);
    }
}
