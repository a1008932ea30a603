//! On which core a process runs, and how readily it lets others go first.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    process::Command,
};

use nix::{
    errno::Errno,
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// The place of a process that is to be started. By default it is that of the thread that starts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The only core that it may use.
    pub core: Option<usize>,
    /// What is added to its niceness. The sum goes no further than the system's 19.
    pub nice: i32,
}

/// The numbers of the cores that this thread may use, ascending.
///
/// # Errors
/// When the system has more cores than can be told.
pub fn cores() -> io::Result<Vec<usize>> {
    let allowed = sched_getaffinity(this_thread())?;
    Ok((0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false)).collect())
}

/// What the child was doing when it failed: marks beyond all numbers of the system's errors. The standard library passes on
/// a number and nothing else.
const PINNING: i32 = 1 << 16;
const YIELDING: i32 = 2 << 16;
const ERROR: i32 = PINNING - 1;

/// Has the process that `command` will start take its place before its program is executed, so that all that it starts has
/// the same.
pub(crate) fn place(command: &mut Command, placement: Placement) -> io::Result<()> {
    if let Some(core) = placement.core {
        pin(command, core)?;
    }
    if placement.nice != 0 {
        // SAFETY: the closure makes system calls only; it neither allocates nor locks.
        unsafe {
            command.pre_exec(move || add_niceness(placement.nice).map_err(|error| marked(YIELDING, error)));
        }
    }
    Ok(())
}

fn pin(command: &mut Command, core: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(core)?;
    // SAFETY: the closure makes one system call, with memory that it owns.
    unsafe {
        command.pre_exec(move || {
            sched_setaffinity(this_thread(), &only).map_err(|error| marked(PINNING, error))
        });
    }
    Ok(())
}

fn add_niceness(by: i32) -> Result<(), Errno> {
    Errno::clear();
    // SAFETY: it takes a number and touches no memory but errno.
    let niceness = unsafe { libc::nice(by) };
    // -1 is a niceness too, so only errno tells whether it is an error.
    match Errno::last_raw() {
        error if niceness == -1 && error != 0 => Err(Errno::from_raw(error)),
        _ => {
            share_niceness(niceness);
            Ok(())
        }
    }
}

/// Gives the niceness to the session that this process leads. Where the system shares out time by sessions (autogroup), that
/// of a process counts only within its session. Without privileges the system refuses more than one such call in 100 ms,
/// and a kernel without autogroup has no such file, so failure is no error.
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
    // SAFETY: the path is a string that ends, and the text outlives the call.
    unsafe {
        let file = libc::open(c"/proc/self/autogroup".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file >= 0 {
            libc::write(file, text.as_ptr().cast(), length);
            libc::close(file);
        }
    }
}

fn marked(step: i32, error: Errno) -> io::Error {
    io::Error::from_raw_os_error(step | error as i32)
}

/// Puts into words what a child that could not take its place has passed on; leaves any other error as it is.
pub(crate) fn explain(error: io::Error, placement: Placement) -> io::Error {
    let number = error.raw_os_error().unwrap_or(0);
    let cause = io::Error::from_raw_os_error(number & ERROR);
    let failed = match (number & !ERROR, placement.core) {
        (PINNING, Some(core)) => format!("it cannot be kept on core {core}: {cause}"),
        (YIELDING, _) => format!("{} cannot be added to its niceness: {cause}", placement.nice),
        _ => return error,
    };
    io::Error::new(cause.kind(), failed)
}

fn this_thread() -> Pid {
    Pid::from_raw(0)
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn output(script: &str, placement: Placement) -> io::Result<String> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        place(&mut command, placement)?;
        let child = command.spawn().map_err(|error| explain(error, placement))?;
        Ok(String::from_utf8(child.wait_with_output()?.stdout).unwrap().trim().to_owned())
    }

    #[test]
    fn a_child_is_kept_on_its_core_with_what_it_starts() {
        for core in cores().unwrap() {
            let placement = Placement { core: Some(core), ..Placement::default() };
            let line = output("grep Cpus_allowed_list /proc/self/status", placement).unwrap();
            assert_eq!(line, format!("Cpus_allowed_list:\t{core}"));
        }
    }

    #[test]
    fn niceness_is_added_up_to_the_systems_limit() {
        let niceness = |nice| {
            let told = output("nice", Placement { nice, ..Placement::default() }).unwrap();
            told.parse::<i32>().unwrap()
        };
        let own = niceness(0);
        assert_eq!((niceness(1), niceness(19)), ((own + 1).min(19), (own + 19).min(19)));
    }

    #[test]
    fn a_place_that_is_not_to_be_had_is_told() {
        let told = |placement| output("true", placement).unwrap_err().to_string();
        let nowhere = Placement { core: Some(CpuSet::count() - 1), ..Placement::default() };
        let expected =
            format!("it cannot be kept on core {}: Invalid argument (os error 22)", CpuSet::count() - 1);
        assert_eq!(told(nowhere), expected);
        assert!(told(Placement { core: Some(CpuSet::count()), nice: 0 }).contains("Invalid argument"));
    }

    #[test]
    fn other_errors_keep_their_words() {
        let placement = Placement { core: Some(0), nice: 1 };
        let mut command = Command::new("/no/such/program");
        place(&mut command, placement).unwrap();
        let error = explain(command.spawn().unwrap_err(), placement);
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let denied = explain(marked(YIELDING, Errno::EPERM), placement).to_string();
        assert_eq!(denied, "1 cannot be added to its niceness: Operation not permitted (os error 1)");
    }
}
