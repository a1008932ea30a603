//! The program, arguments and environment in the form that `execve` takes.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    ffi::{CStr, CString, OsStr, OsString, c_char},
    io,
    os::unix::ffi::OsStrExt,
    ptr,
};

use nix::errno::Errno;

/// Search path if there is no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A program, its arguments and its environment.
pub(super) struct Image {
    /// Paths to try, in this order.
    candidates: Vec<CString>,
    arguments: Strings,
    environment: Strings,
}

impl Image {
    pub(super) fn new(
        program: &OsStr,
        arguments: &[OsString],
        environment: &BTreeMap<OsString, OsString>,
    ) -> io::Result<Image> {
        let path = environment.get(OsStr::new("PATH")).map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str);
        let variables =
            environment.iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
        Ok(Image {
            candidates: candidates(program, path)?,
            arguments: Strings::new(arguments.iter().map(|argument| argument.as_bytes().to_vec()))?,
            environment: Strings::new(variables)?,
        })
    }

    /// Executes the program in place of this process. Only makes system calls.
    pub(super) fn execute(&self) -> Result<Infallible, Errno> {
        let mut error = Errno::ENOENT;
        for candidate in &self.candidates {
            error = self.execute_file(candidate, error);
            let try_next = matches!(
                error,
                Errno::EACCES
                    | Errno::ENOENT
                    | Errno::ENOTDIR
                    | Errno::ESTALE
                    | Errno::ENODEV
                    | Errno::ETIMEDOUT
            );
            if !try_next {
                break;
            }
        }
        Err(error)
    }

    /// Returns the error of this file, or `earlier` if that is EACCES and this file does not exist: the
    /// earlier file existed and could not be executed.
    fn execute_file(&self, file: &CStr, earlier: Errno) -> Errno {
        // SAFETY: the path and the strings are NUL-terminated, and both lists end with a null pointer.
        unsafe { libc::execve(file.as_ptr(), self.arguments.as_ptr(), self.environment.as_ptr()) };
        match Errno::last() {
            Errno::ENOENT | Errno::ENOTDIR if earlier == Errno::EACCES => Errno::EACCES,
            error => error,
        }
    }
}

/// Returns the paths to try for a program: the name itself if it contains a slash, else one for each
/// directory of `PATH`. An empty directory is the current one.
fn candidates(program: &OsStr, path: &OsStr) -> io::Result<Vec<CString>> {
    let name = program.as_bytes();
    if name.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    if name.contains(&b'/') {
        return Ok(vec![CString::new(name)?]);
    }
    let directories = path.as_bytes().split(|&byte| byte == b':');
    let files = directories.map(|directory| match directory {
        [] => name.to_vec(),
        _ => [directory, b"/", name].concat(),
    });
    Ok(files.map(CString::new).collect::<Result<_, _>>()?)
}

/// A list of C strings that ends with a null pointer.
struct Strings {
    pointers: Vec<*const c_char>,
    /// The strings that `pointers` points to; moving the list does not move them.
    _owned: Vec<CString>,
}

impl Strings {
    fn new(strings: impl Iterator<Item = Vec<u8>>) -> io::Result<Strings> {
        let owned: Vec<CString> = strings.map(CString::new).collect::<Result<_, _>>()?;
        let pointers = owned.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Ok(Strings { pointers, _owned: owned })
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_up_names_without_a_slash() {
        let found = |program: &str, path: &str| {
            let files = candidates(OsStr::new(program), OsStr::new(path)).unwrap();
            files.into_iter().map(|file| file.into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found("a", "/x:/y/z"), ["/x/a", "/y/z/a"]);
        assert_eq!(found("a", ":/x"), ["a", "/x/a"]);
        assert_eq!(found("./a", "/x"), ["./a"]);
    }

    #[test]
    fn rejects_empty_names_and_nul_bytes() {
        assert_eq!(candidates(OsStr::new(""), OsStr::new("/x")).unwrap_err().kind(), io::ErrorKind::NotFound);
        let error = Strings::new([b"nul\0".to_vec()].into_iter()).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
