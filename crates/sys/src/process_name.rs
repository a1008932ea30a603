//! Names of worker processes, as shown by `ps` and `top`.
//!
//! `argv[0]` is a worker's full name, which is that of its program and its place in the pool. The kernel's
//! short name of a process has at most 15 bytes, and is the name of the executed file unless it is set:
//! `exe` in a process that was started as `/proc/self/exe`.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use nix::sys::prctl;

/// Maximum length of a short name, in bytes.
const MAX_SHORT: usize = 15;

/// Appended by the kernel to the path of a program whose file has been removed.
const DELETED: &[u8] = b" (deleted)";

/// Returns the file name of this program, also if the file has been removed; `runner` if it is unknown.
///
/// ```
/// assert!(!sys::process_name::of_this_program().is_empty());
/// ```
#[must_use]
pub fn of_this_program() -> OsString {
    let path = env::current_exe().unwrap_or_default();
    let name = path.file_name().unwrap_or(OsStr::new("runner")).as_bytes();
    let exists = Path::new(&path).exists();
    let name = name.strip_suffix(DELETED).filter(|_| !exists).unwrap_or(name);
    OsString::from_vec(name.to_vec())
}

/// Returns the name of a worker, to be passed to it as `argv[0]`.
///
/// ```
/// use std::ffi::OsStr;
///
/// assert_eq!(sys::process_name::of_worker(OsStr::new("thumbnails"), 3), "thumbnails worker 3");
/// ```
#[must_use]
pub fn of_worker(program: &OsStr, slot: u32) -> OsString {
    let mut name = program.to_owned();
    name.push(format!(" worker {slot}"));
    name
}

/// Sets this worker's short name: its full name with hyphens, and with the program's part shortened, such as
/// `thumbn-worker-3`. Does nothing if `argv[0]` is not the name of a worker.
pub fn shorten_own() {
    // The library's list of arguments is empty before `main` with musl.
    let line = fs::read("/proc/self/cmdline").unwrap_or_default();
    let argument = line.split(|&byte| byte == 0).next().unwrap_or_default();
    if let Some(name) = short(&String::from_utf8_lossy(argument)) {
        // Fails only for a name that contains NUL.
        let _ = prctl::set_name(&std::ffi::CString::new(name).unwrap_or_default());
    }
}

/// Returns the short form of a worker's name, without spaces and parentheses: many scripts that read
/// `/proc/PID/stat` expect the name to be one word in parentheses.
fn short(name: &str) -> Option<String> {
    let (program, _) = name.rsplit_once(" worker ")?;
    let (program, rest) = name.split_at(program.len());
    let end = program.floor_char_boundary(MAX_SHORT.saturating_sub(rest.len()));
    let is_separator = |char: char| char.is_whitespace() || char == '(' || char == ')';
    Some(format!("{}{rest}", &program[..end]).replace(is_separator, "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_keep_the_slot() {
        assert_eq!(short("thumbnails worker 3").as_deref(), Some("thumbn-worker-3"));
        assert_eq!(short("thumbnails worker 1023").as_deref(), Some("thu-worker-1023"));
        assert_eq!(short("gcd worker 3").as_deref(), Some("gcd-worker-3"));
        assert_eq!(short("größe worker 3").as_deref(), Some("größ-worker-3"));
        assert_eq!(short("a worker 7 worker 12").as_deref(), Some("a-wor-worker-12"));
        assert_eq!(short("a (b) worker 1").as_deref(), Some("a--b--worker-1"));
        assert_eq!(short("thumbnails"), None);
    }
}
