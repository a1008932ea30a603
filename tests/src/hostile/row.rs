//! Rows of the table, what attempts are made on, and system calls.

use std::{ffi::CString, os::unix::ffi::OsStrExt, path::PathBuf, process};

use libc::c_long;
use serde::{Deserialize, Serialize};

/// What attempts are made on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scene {
    /// Folder with the file `data`.
    pub folder: PathBuf,
    /// Id of another worker.
    pub sibling: u32,
    /// Number of a descriptor that the parent has open, without close-on-exec.
    pub descriptor: i32,
    /// Port of this machine at which a process listens.
    pub port: u16,
}

impl Scene {
    /// Returns a path in the folder as a C string.
    pub(super) fn path(&self, name: &str) -> CString {
        CString::new(self.folder.join(name).as_os_str().as_bytes()).unwrap_or_default()
    }
}

/// Result of an attempt: the error number of the system call that failed.
pub(super) type Result<T = ()> = std::result::Result<T, i32>;

/// What the kernel says about an attempt without a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// It succeeds.
    Succeeds,
    /// It fails with this error.
    Fails(i32),
    /// That depends on privileges and on the kernel.
    Depends,
}

/// Part of the sandbox that forbids an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Seccomp.
    Seccomp,
    /// Landlock, of this version or a later one.
    Landlock(u32),
    /// It is impossible in every worker.
    Worker,
}

/// A row of the table.
pub struct Row {
    /// Name, as in the documentation.
    pub name: &'static str,
    /// Makes the attempt.
    pub(super) attempt: fn(&Scene) -> Result,
    /// What happens without a sandbox.
    pub free: Free,
    /// The error with best-effort.
    pub error: i32,
    /// Whether a strict sandbox kills the worker, instead of returning the error.
    pub is_deadly: bool,
    /// What forbids it.
    pub by: By,
}

/// A row about a call that seccomp forbids.
pub(super) const fn seccomp(name: &'static str, attempt: fn(&Scene) -> Result, free: Free) -> Row {
    Row { name, attempt, free, error: libc::EPERM, is_deadly: true, by: By::Seccomp }
}

/// A row about a file that Landlock does not allow to open. The call itself is allowed.
pub(super) const fn landlock(name: &'static str, attempt: fn(&Scene) -> Result, free: Free) -> Row {
    Row { name, attempt, free, error: libc::EACCES, is_deadly: false, by: By::Landlock(1) }
}

/// A row about a call that only a worker that may write needs: with best-effort, Landlock forbids it.
pub(super) const fn change(name: &'static str, attempt: fn(&Scene) -> Result, free: Free) -> Row {
    Row { is_deadly: true, ..landlock(name, attempt, free) }
}

/// Makes a system call, without the C library's own checks. Missing arguments are 0.
pub(super) fn call<const N: usize>(number: c_long, arguments: [i64; N]) -> Result<i64> {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    let [a, b, c, d, e, f] = all;
    // SAFETY: the rows pass numbers, null pointers, or pointers to values that outlive the call, of the types
    // that it expects.
    #[allow(unsafe_code)]
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result < 0 { Err(nix::errno::Errno::last_raw()) } else { Ok(result) }
}

/// Makes a system call whose result does not matter.
pub(super) fn done<const N: usize>(number: c_long, arguments: [i64; N]) -> Result {
    call(number, arguments).map(drop)
}

/// Address of a C string, as an argument.
pub(super) fn address(text: &CString) -> i64 {
    text.as_ptr() as i64
}

/// Id of the parent, as an argument.
pub(super) fn parent() -> i64 {
    std::os::unix::process::parent_id().into()
}

/// Id of this process, as an argument.
pub(super) fn own() -> i64 {
    process::id().into()
}
