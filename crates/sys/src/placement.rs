//! The core that a process runs on, and its niceness.

use std::io::{self, Write};

use nix::{
    errno::Errno,
    sched::{CpuSet, sched_getaffinity},
    unistd::Pid,
};

/// Placement of a process to be started. The default is that of the thread that starts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The only core that the process may use.
    pub core: Option<usize>,
    /// Added to the niceness of the process. The sum is capped at the kernel's maximum of 19.
    pub nice: i32,
}

/// Returns the numbers of the cores that this thread may use, in ascending order.
///
/// # Errors
/// The system has more cores than a `CpuSet` can represent.
pub fn cores() -> io::Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false)).collect())
}

impl Placement {
    /// Returns the core as a CPU set; `None` if the process may use all cores.
    pub(crate) fn core_set(self) -> io::Result<Option<CpuSet>> {
        let only = |core| {
            let mut set = CpuSet::new();
            set.set(core).map(|()| set)
        };
        Ok(self.core.map(only).transpose()?)
    }
}

/// Adds to the niceness of this process. Only makes system calls.
pub(crate) fn add_niceness(by: i32) -> Result<(), Errno> {
    Errno::clear();
    // SAFETY: the call takes a number and touches no memory but errno.
    let niceness = unsafe { libc::nice(by) };
    // -1 is a valid niceness, so only errno shows an error.
    match Errno::last_raw() {
        error if niceness == -1 && error != 0 => Err(Errno::from_raw(error)),
        _ => {
            share_niceness(niceness);
            Ok(())
        }
    }
}

/// Sets the niceness of the session that this process leads. Where the scheduler divides time by sessions
/// (autogroup), the niceness of a process counts only within its session. Failure is ignored: without
/// privileges the kernel refuses more than one such call per 100 ms, and a kernel without autogroup has no
/// such file.
fn share_niceness(niceness: i32) {
    let this = nix::unistd::getpid();
    if nix::unistd::getsid(None) != Ok(this) {
        return;
    }
    let mut text = [0; 4];
    let mut rest = text.as_mut_slice();
    if write!(rest, "{niceness}").is_err() {
        return;
    }
    let length = 4 - rest.len();
    // SAFETY: the path is a C string, and the text outlives the call.
    unsafe {
        let file = libc::open(c"/proc/self/autogroup".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file >= 0 {
            libc::write(file, text.as_ptr().cast(), length);
            libc::close(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        os::fd::{AsFd, AsRawFd},
    };

    use super::*;
    use crate::spawn::{ProcessBuilder, SpawnError};

    fn output(script: &str, placement: Placement) -> io::Result<String> {
        let (mut reader, writer) = io::pipe()?;
        let script = format!("exec > /proc/self/fd/{}; {script}", writer.as_raw_fd());
        let mut builder = ProcessBuilder::new("/bin/sh");
        let spawned = builder.args(["-c", &script]).placement(placement).spawn(writer.as_fd());
        drop(writer);
        let process = spawned.map_err(|error| match error {
            SpawnError::Program(error) => error,
            SpawnError::Call(error) => panic!("{error}"),
        })?;
        let mut output = String::new();
        reader.read_to_string(&mut output)?;
        process.reap();
        Ok(output.trim().to_owned())
    }

    #[test]
    fn core_is_inherited_by_children_of_the_process() {
        for core in cores().unwrap() {
            let placement = Placement { core: Some(core), ..Placement::default() };
            let line = output("grep Cpus_allowed_list /proc/self/status", placement).unwrap();
            assert_eq!(line, format!("Cpus_allowed_list:\t{core}"));
        }
    }

    #[test]
    fn niceness_is_added_up_to_the_maximum() {
        let niceness = |nice| {
            let printed = output("nice", Placement { nice, ..Placement::default() }).unwrap();
            printed.parse::<i32>().unwrap()
        };
        let own = niceness(0);
        assert_eq!((niceness(1), niceness(19)), ((own + 1).min(19), (own + 19).min(19)));
    }

    #[test]
    fn reports_invalid_core() {
        let error = |placement| output("true", placement).unwrap_err().to_string();
        let nowhere = Placement { core: Some(CpuSet::count() - 1), ..Placement::default() };
        let expected =
            format!("cannot pin it to core {}: Invalid argument (os error 22)", CpuSet::count() - 1);
        assert_eq!(error(nowhere), expected);
        assert!(error(Placement { core: Some(CpuSet::count()), nice: 0 }).contains("Invalid argument"));
    }
}
