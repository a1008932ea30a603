//! Attempts on this process, and on others.

use std::{ffi::CString, process::Command};

use nix::{
    sys::wait::waitpid,
    unistd::{ForkResult, fork},
};

use super::row::{Free, Result, Row, Scene, address, call, done, own, parent, seccomp};

pub(super) const ROWS: &[Row] = &[
    seccomp("execute a program in its place", executing, Free::Fails(libc::ENOENT)),
    seccomp("execute a program from memory", |_| executing_memory(), Free::Fails(libc::ENOEXEC)),
    seccomp("start a program", |_| starting(), Free::Succeeds),
    seccomp("fork", |_| forking(), Free::Succeeds),
    Row {
        error: libc::ENOSYS,
        is_deadly: false,
        ..seccomp("create a process by clone3", |_| done(libc::SYS_clone3, [0, 0]), Free::Fails(libc::EINVAL))
    },
    seccomp("signal its parent", |_| done(libc::SYS_kill, [parent(), 0]), Free::Succeeds),
    seccomp("signal another worker", |scene| done(libc::SYS_kill, [scene.sibling.into(), 0]), Free::Succeeds),
    seccomp("signal its process group", |_| done(libc::SYS_kill, [0, 0]), Free::Succeeds),
    seccomp("signal every process", |_| done(libc::SYS_kill, [-1, 0]), Free::Succeeds),
    seccomp(
        "signal a thread of its parent",
        |_| done(libc::SYS_tgkill, [parent(), parent(), 0]),
        Free::Succeeds,
    ),
    seccomp("have the kernel signal its parent", |_| owner(), Free::Succeeds),
    seccomp("open its parent as a descriptor", |_| done(libc::SYS_pidfd_open, [parent(), 0]), Free::Succeeds),
    seccomp("trace its parent", |_| peeking(parent()), Free::Depends),
    seccomp("trace another worker", |scene| peeking(scene.sibling.into()), Free::Depends),
    seccomp("read its parent's memory", |_| done(libc::SYS_process_vm_readv, [parent()]), Free::Depends),
    seccomp("write to its parent's memory", |_| done(libc::SYS_process_vm_writev, [parent()]), Free::Depends),
    seccomp("move its parent to another core", |_| affinity(), Free::Depends),
    seccomp("outlive its parent", |_| option(libc::PR_SET_PDEATHSIG, libc::SIGKILL), Free::Succeeds),
    seccomp("hide its files from its parent", |_| option(libc::PR_SET_DUMPABLE, 1), Free::Succeeds),
    seccomp("leave its process group", |_| done(libc::SYS_setpgid, [own(), 0]), Free::Fails(libc::EPERM)),
    seccomp("raise its limits", |_| limits(), Free::Depends),
    seccomp("change its priority", |_| done(libc::SYS_setpriority, [0, 0, 0]), Free::Depends),
];

fn executing(scene: &Scene) -> Result {
    let none: [*const u8; 1] = [std::ptr::null()];
    let none = none.as_ptr() as i64;
    done(libc::SYS_execve, [address(&scene.path("no-program")), none, none])
}

fn executing_memory() -> Result {
    let (name, path) = (CString::from(c"program"), CString::from(c""));
    let file = call(libc::SYS_memfd_create, [address(&name), 0])?;
    let none: [*const u8; 1] = [std::ptr::null()];
    let none = none.as_ptr() as i64;
    let executed = done(libc::SYS_execveat, [file, address(&path), none, none, libc::AT_EMPTY_PATH.into()]);
    done(libc::SYS_close, [file])?;
    executed
}

fn starting() -> Result {
    let status = Command::new("/bin/true").status();
    status.map(drop).map_err(|error| error.raw_os_error().unwrap_or(0))
}

fn forking() -> Result {
    // SAFETY: the child makes one call, which ends it.
    #[allow(unsafe_code)]
    match unsafe { fork() }.map_err(|error| error as i32)? {
        // SAFETY: the call ends the process, whose exit handlers are left to the parent.
        #[allow(unsafe_code)]
        ForkResult::Child => unsafe { libc::_exit(0) },
        ForkResult::Parent { child } => waitpid(child, None).map(drop).map_err(|error| error as i32),
    }
}

fn owner() -> Result {
    // On standard input, for which no signal will be due.
    done(libc::SYS_fcntl, [0, libc::F_SETOWN.into(), parent()])
}

fn peeking(process: i64) -> Result {
    done(libc::SYS_ptrace, [libc::PTRACE_PEEKDATA.into(), process])
}

fn affinity() -> Result {
    // An empty set is invalid.
    done(libc::SYS_sched_setaffinity, [parent(), 0, 0])
}

fn option(option: i32, value: i32) -> Result {
    // To the present value.
    done(libc::SYS_prctl, [option.into(), value.into()])
}

fn limits() -> Result {
    let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
    let limit = &raw const limit as i64;
    done(libc::SYS_prlimit64, [0, i64::from(libc::RLIMIT_NOFILE), limit, 0])
}
