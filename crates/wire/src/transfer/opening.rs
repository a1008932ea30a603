//! Opening of files of other processes.

use std::io;

/// Opens a file of a process with `open`, which is given the length as well.
pub(super) fn open_with<T>(
    pid: u32,
    length: u64,
    open: impl FnOnce(usize) -> io::Result<T>,
) -> Result<T, String> {
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::InvalidInput.into());
    let opened = length.and_then(open);
    opened.map_err(|error| format!("cannot open shared data of process {pid}: {}", explain(&error)))
}

/// Returns the message of an error, with advice if this process is out of descriptors.
#[must_use]
pub fn explain(error: &io::Error) -> String {
    if sys::call::is_out_of_descriptors(error) {
        format!("{error}; each large `Blob` or `Shared` takes a descriptor (see `ulimit -n`)")
    } else {
        error.to_string()
    }
}
