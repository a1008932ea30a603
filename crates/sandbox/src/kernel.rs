//! Which parts of a sandbox a kernel lacks.

use std::{fmt, io};

use sys::confinement;

use crate::{Sandbox, Subject, calls};

/// First Landlock version that restricts truncating files, of Linux 6.2.
const TRUNCATION: u32 = 3;

/// First Landlock version that restricts signals to other processes, of Linux 6.12.
const SIGNALS: u32 = 6;

/// A part of a sandbox that is missing, and what it would have restricted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    part: &'static str,
    reason: String,
}

impl Gap {
    pub(crate) fn new(part: &'static str, reason: impl Into<String>) -> Gap {
        Gap { part, reason: reason.into() }
    }

    /// Returns the name of the part: `Landlock`, `seccomp`, `no_new_privs` or `limits`.
    #[must_use]
    pub fn part(&self) -> &'static str {
        self.part
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.reason)
    }
}

/// What a kernel supports.
#[derive(Debug)]
struct Kernel {
    /// Version of the Landlock interface; 0 if there is none.
    landlock: u32,
    seccomp: io::Result<()>,
}

/// Returns the parts of a sandbox that the running kernel lacks; none for a sandbox that is off.
#[must_use]
pub fn gaps(subject: Subject, sandbox: &Sandbox) -> Vec<Gap> {
    if sandbox.is_off() {
        return Vec::new();
    }
    let kernel = Kernel { landlock: confinement::landlock_version(), seccomp: confinement::check_seccomp() };
    gaps_of(&kernel, subject)
}

fn gaps_of(kernel: &Kernel, subject: Subject) -> Vec<Gap> {
    let landlock = match (kernel.landlock, subject) {
        (0, _) => Some("the kernel lacks it, or it is not enabled; files are not restricted".to_owned()),
        (version, _) if version < TRUNCATION => {
            Some(format!("version {version} does not restrict truncating files"))
        }
        // Seccomp restricts the signals of a worker, but not those of a program, which has children.
        (version, Subject::Program) if version < SIGNALS => {
            Some(format!("version {version} does not restrict signals to other processes"))
        }
        _ => None,
    };
    let seccomp = match &kernel.seccomp {
        _ if !calls::ARE_KNOWN => {
            Some("not available on this architecture; system calls are not restricted".to_owned())
        }
        Err(error) => {
            Some(format!("the kernel does not support filters ({error}); system calls are not restricted"))
        }
        Ok(()) => None,
    };
    let landlock = landlock.map(|reason| Gap::new("Landlock", reason));
    landlock.into_iter().chain(seccomp.map(|reason| Gap::new("seccomp", reason))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(landlock: u32, has_seccomp: bool, subject: Subject) -> Vec<&'static str> {
        let seccomp = if has_seccomp { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) };
        gaps_of(&Kernel { landlock, seccomp }, subject).iter().map(Gap::part).collect()
    }

    #[test]
    fn each_missing_part_is_named() {
        assert_eq!(parts(7, true, Subject::Worker), [""; 0]);
        assert_eq!(parts(0, true, Subject::Worker), ["Landlock"]);
        assert_eq!(parts(2, true, Subject::Worker), ["Landlock"]);
        assert_eq!(parts(7, false, Subject::Worker), ["seccomp"]);
        assert_eq!(parts(0, false, Subject::Program), ["Landlock", "seccomp"]);
    }

    #[test]
    fn programs_need_landlock_for_signals() {
        assert_eq!(parts(5, true, Subject::Program), ["Landlock"]);
        assert_eq!(parts(5, true, Subject::Worker), [""; 0]);
        assert_eq!(parts(6, true, Subject::Program), [""; 0]);
    }

    #[test]
    fn a_sandbox_that_is_off_lacks_nothing() {
        assert_eq!(gaps(Subject::Worker, &Sandbox::off()), []);
    }
}
