//! Checks the programs of user-defined ops before a run starts.

use std::{
    env,
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use nix::unistd::{AccessFlags, access};
use ops::ProgramDefinition;

use crate::error::RunError;

/// Checks that the programs can be executed.
///
/// # Errors
/// Returns an error for the first program that cannot.
pub(crate) fn check_programs(programs: &[ProgramDefinition]) -> Result<(), RunError> {
    programs.iter().filter_map(|program| program.argv.first()).try_for_each(|program| {
        find(program)
            .map_err(|error| RunError::Program { program: program.to_string_lossy().into_owned(), error })
    })
}

/// Looks a program up in `PATH`, as `execvp` does.
fn find(program: &OsStr) -> io::Result<()> {
    if program.as_bytes().contains(&b'/') {
        return is_executable(Path::new(program));
    }
    let path = env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let mut kind = io::ErrorKind::NotFound;
    for folder in env::split_paths(&path) {
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        match is_executable(&folder.join(program)) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => kind = error.kind(),
            Err(_) => {}
        }
    }
    Err(kind.into())
}

fn is_executable(path: &Path) -> io::Result<()> {
    if path.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(access(path, AccessFlags::X_OK)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_path() {
        assert!(find(OsStr::new("sh")).is_ok());
        assert!(find(OsStr::new("/bin/sh")).is_ok());
        assert_eq!(find(OsStr::new("no-such-program")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(find(OsStr::new("/etc/passwd")).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(find(OsStr::new("/etc")).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
