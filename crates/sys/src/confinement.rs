//! Restrictions that a process puts on itself and cannot remove: `no_new_privs`, resource limits, a Landlock
//! ruleset and seccomp filters.
//!
//! Everything is prepared beforehand, so that applying it makes system calls only. It can therefore be done
//! between fork and exec.

use std::{
    ffi::{c_int, c_long, c_uint, c_ulong},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
    sync::Arc,
};

use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit, setrlimit},
};

/// `LANDLOCK_CREATE_RULESET_VERSION`.
const QUERY_VERSION: c_uint = 1;

/// `LANDLOCK_RESTRICT_SELF_TSYNC`, from version 8 on.
const ALL_THREADS: c_uint = 1 << 3;

/// Landlock version that can restrict all threads of a process.
const VERSION_WITH_ALL_THREADS: u32 = 8;

/// An instruction of a seccomp filter, in the kernel's format.
pub type Instruction = libc::sock_filter;

/// A part of a confinement, in the order in which the parts are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `no_new_privs`: programs that are executed gain no privileges.
    Privileges,
    /// Resource limits.
    Limits,
    /// The Landlock ruleset.
    Landlock,
    /// The seccomp filters.
    Seccomp,
}

/// Returns the version of the kernel's Landlock interface; 0 if there is none or it is disabled.
#[must_use]
pub fn landlock_version() -> u32 {
    // SAFETY: with this flag, the call reads no memory.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, QUERY_VERSION)
    };
    u32::try_from(version).unwrap_or(0)
}

/// Returns true if a Landlock ruleset restricts all threads of a process on this kernel, and not only the
/// thread that applies it.
#[must_use]
pub fn landlock_covers_threads() -> bool {
    landlock_version() >= VERSION_WITH_ALL_THREADS
}

/// Checks that the kernel supports seccomp filters that kill the process.
///
/// # Errors
/// The kernel's error.
pub fn check_seccomp() -> io::Result<()> {
    let action: u32 = libc::SECCOMP_RET_KILL_PROCESS;
    // SAFETY: the call reads the action only.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    Ok(Errno::result(result).map(drop)?)
}

/// Parts that could not be applied, with the kernel's errors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failures([Option<Errno>; 4]);

impl Failures {
    const PARTS: [Part; 4] = [Part::Privileges, Part::Limits, Part::Landlock, Part::Seccomp];

    fn note(&mut self, part: Part, result: Result<(), Errno>) {
        if let Err(errno) = result {
            self.0[part as usize] = Some(errno);
        }
    }

    fn first(&self) -> Option<Errno> {
        self.0.iter().copied().flatten().next()
    }

    /// Returns the parts and errors, in the order in which the parts are applied.
    pub fn iter(&self) -> impl Iterator<Item = (Part, io::Error)> {
        Failures::PARTS.into_iter().zip(self.0).filter_map(|(part, errno)| Some((part, errno?.into())))
    }
}

/// Restrictions that are ready to be applied.
#[derive(Debug, Default)]
pub struct Confinement {
    /// Landlock ruleset; `None` applies none.
    ruleset: Option<OwnedFd>,
    /// Seccomp filters, applied in order; each takes effect for the calls after it.
    filters: Vec<Vec<Instruction>>,
    /// Ruleset and filters apply to all threads, where the kernel supports it, and not only to the caller.
    all_threads: bool,
    /// The hard limit of open files becomes the soft limit, so that the process cannot raise it.
    fixes_open_files: bool,
    /// A program is not executed unless all parts were applied.
    is_required: bool,
}

impl Confinement {
    /// Creates a confinement without limits for open files, for the calling thread only.
    #[must_use]
    pub fn new(ruleset: Option<OwnedFd>, filters: Vec<Vec<Instruction>>) -> Confinement {
        Confinement { ruleset, filters, all_threads: false, fixes_open_files: false, is_required: false }
    }

    /// Makes this the confinement of a whole process that computes: it applies to all threads, and the limit
    /// of open files can no longer be raised.
    #[must_use]
    pub fn of_process(self) -> Confinement {
        Confinement { all_threads: true, fixes_open_files: true, ..self }
    }

    /// Makes all parts necessary: a program is not executed if one of them cannot be applied.
    #[must_use]
    pub fn required(self) -> Confinement {
        Confinement { is_required: true, ..self }
    }

    /// Applies all parts in the process that `command` will start, after the calls that were registered
    /// before.
    pub(crate) fn apply_before_exec(self: Arc<Self>, command: &mut Command) {
        // SAFETY: the closure makes system calls only; it neither allocates nor locks.
        unsafe {
            command.pre_exec(move || match self.apply().first() {
                Some(errno) if self.is_required => Err(errno.into()),
                _ => Ok(()),
            });
        }
    }

    /// Applies all parts that the kernel accepts, and returns those that it does not. Makes system calls
    /// only. No part can be removed afterwards, and programs that are executed inherit all of them.
    pub fn apply(&self) -> Failures {
        let mut failures = Failures::default();
        failures.note(Part::Privileges, forbid_new_privileges());
        failures.note(Part::Limits, self.limit_resources());
        failures.note(Part::Landlock, self.apply_ruleset());
        failures.note(Part::Seccomp, self.apply_filters());
        failures
    }

    fn limit_resources(&self) -> Result<(), Errno> {
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        if self.fixes_open_files {
            let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
            setrlimit(Resource::RLIMIT_NOFILE, soft, soft)?;
        }
        Ok(())
    }

    fn apply_ruleset(&self) -> Result<(), Errno> {
        let Some(ruleset) = &self.ruleset else { return Ok(()) };
        let flags: c_uint = if self.all_threads && landlock_covers_threads() { ALL_THREADS } else { 0 };
        // SAFETY: the call takes plain numbers; the descriptor is open.
        let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), flags) };
        Errno::result(result).map(drop)
    }

    fn apply_filters(&self) -> Result<(), Errno> {
        self.filters.iter().try_for_each(|filter| self.apply_filter(filter))
    }

    fn apply_filter(&self, filter: &[Instruction]) -> Result<(), Errno> {
        let len = u16::try_from(filter.len()).map_err(|_| Errno::EINVAL)?;
        let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
        let flags: c_ulong = if self.all_threads { libc::SECCOMP_FILTER_FLAG_TSYNC } else { 0 };
        // SAFETY: the kernel copies the instructions, which outlive the call, and checks them.
        let result: c_long = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
        };
        match Errno::result(result)? {
            0 => Ok(()),
            // The ID of a thread that has a filter of its own.
            _ => Err(Errno::ESRCH),
        }
    }
}

fn forbid_new_privileges() -> Result<(), Errno> {
    let (on, unused): (c_ulong, c_ulong) = (1, 0);
    // SAFETY: the call takes plain numbers.
    let result: c_int = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, unused, unused, unused) };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_part_and_error() {
        let mut failures = Failures::default();
        assert_eq!(failures.iter().count(), 0);
        failures.note(Part::Seccomp, Err(Errno::EINVAL));
        failures.note(Part::Landlock, Ok(()));
        let (part, error) = failures.iter().next().unwrap();
        assert_eq!((part, error.raw_os_error()), (Part::Seccomp, Some(libc::EINVAL)));
    }

    #[test]
    fn a_confined_thread_cannot_gain_privileges() {
        let confined = std::thread::spawn(|| {
            // A filter that allows everything.
            let allow = Instruction { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
            let failures = Confinement::new(None, vec![vec![allow]]).apply();
            (failures.iter().count(), std::fs::read_to_string("/proc/thread-self/status").unwrap())
        });
        let (failures, status) = confined.join().unwrap();
        assert_eq!(failures, 0);
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), (Some("1"), Some("2")));
    }
}
