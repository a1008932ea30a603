//! Calls that fail with EPERM: those with an effect outside the process, or on its supervision.

use libc::*;

use super::{
    numbers::*,
    rule::{Is, Rule, any, when, with_any_of},
};
use crate::Sandbox;

/// Calls that no sandboxed process may make.
const ALWAYS: &[i64] = &[
    // Memory and control of other processes.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_migrate_pages,
    SYS_move_pages,
    CALL_PIDFD_OPEN,
    CALL_PIDFD_GETFD,
    CALL_PIDFD_SEND_SIGNAL,
    CALL_PROCESS_MADVISE,
    CALL_PROCESS_MRELEASE,
    // Large interfaces of the kernel with a history of vulnerabilities.
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    // Among others because it makes system calls that a filter does not see.
    CALL_IO_URING_SETUP,
    CALL_IO_URING_ENTER,
    CALL_IO_URING_REGISTER,
    // Mounts and namespaces.
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    CALL_OPEN_TREE,
    CALL_OPEN_TREE_ATTR,
    CALL_MOVE_MOUNT,
    CALL_FSOPEN,
    CALL_FSCONFIG,
    CALL_FSMOUNT,
    CALL_FSPICK,
    CALL_MOUNT_SETATTR,
    // Users, groups and capabilities.
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_capset,
    // Files, where Landlock has no rule: attributes, and files by handle instead of by path.
    SYS_fchmod,
    SYS_fchmodat,
    CALL_FCHMODAT2,
    SYS_fchown,
    SYS_fchownat,
    SYS_utimensat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    CALL_SETXATTRAT,
    CALL_REMOVEXATTRAT,
    CALL_FILE_SETATTR,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
    SYS_fanotify_mark,
    // Objects that outlive the process.
    SYS_shmget,
    SYS_shmat,
    SYS_shmctl,
    SYS_semget,
    SYS_semctl,
    SYS_semop,
    SYS_msgget,
    SYS_msgctl,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_mq_open,
    SYS_mq_unlink,
    // The machine.
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    CALL_QUOTACTL_FD,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_syslog,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_vhangup,
];

/// The same, on x86-64 only: older forms of calls.
#[cfg(target_arch = "x86_64")]
const ALWAYS_HERE: &[i64] = &[
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
    SYS_iopl,
    SYS_ioperm,
    SYS_uselib,
    SYS_kexec_file_load,
];
#[cfg(not(target_arch = "x86_64"))]
const ALWAYS_HERE: &[i64] = &[];

/// Calls that create sockets or connect them. Sockets that are open can be used, and pairs can be created.
const NET: &[i64] = &[SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4];

/// Calls that a worker must not make, but a program may.
const WORKER: &[i64] = &[
    SYS_execve,
    SYS_execveat,
    SYS_setsid,
    SYS_setpgid,
    SYS_setpriority,
    SYS_setrlimit,
    SYS_sched_setparam,
    SYS_sched_setscheduler,
    SYS_sched_setattr,
    SYS_ioprio_set,
    SYS_rt_sigqueueinfo,
    SYS_inotify_init1,
    SYS_inotify_add_watch,
    SYS_chdir,
    SYS_fchdir,
];

#[cfg(target_arch = "x86_64")]
const WORKER_HERE: &[i64] = &[SYS_fork, SYS_vfork, SYS_inotify_init];
#[cfg(not(target_arch = "x86_64"))]
const WORKER_HERE: &[i64] = &[];

/// Options of `prctl` that change how a process is supervised: its death with the parent, and whether its
/// parent may open its files.
const SUPERVISION: &[u32] = &[
    PR_SET_PDEATHSIG as u32,
    PR_SET_DUMPABLE as u32,
    PR_SET_MM as u32,
    PR_SET_PTRACER as u32,
    PR_SET_CHILD_SUBREAPER as u32,
];

/// Commands of `fcntl` with which the kernel sends signals to another process.
const SIGNAL_OWNER: &[u32] = &[F_SETOWN as u32, F_SETOWN_EX, F_SETSIG];
const F_SETOWN_EX: u32 = 15;
const F_SETSIG: u32 = 10;

/// Requests of `ioctl` that put characters into the input of a terminal.
const TERMINAL_INPUT: &[u32] = &[TIOCSTI as u32, TIOCLINUX_REQUEST];
const TIOCLINUX_REQUEST: u32 = 0x541c;

/// Flags of `clone` that create a namespace.
const NAMESPACES: [c_int; 8] = [
    CLONE_NEWNS,
    CLONE_NEWCGROUP,
    CLONE_NEWUTS,
    CLONE_NEWIPC,
    CLONE_NEWUSER,
    CLONE_NEWPID,
    CLONE_NEWNET,
    0x80, // CLONE_NEWTIME
];

/// Returns the rules for a worker with this process ID.
pub(super) fn worker(sandbox: &Sandbox, pid: u32) -> Vec<Rule> {
    let mut rules = common(sandbox);
    rules.extend([WORKER, WORKER_HERE].concat().into_iter().map(any));
    rules.extend([
        // Threads are allowed, processes are not.
        when(SYS_clone, [(0, Is::Without(CLONE_THREAD as u32))]),
        // Signals to itself, as by `abort`, are allowed.
        when(SYS_kill, [(0, Is::OtherThan(pid))]),
        when(SYS_tgkill, [(0, Is::OtherThan(pid))]),
        when(SYS_rt_tgsigqueueinfo, [(0, Is::OtherThan(pid))]),
        // Its argument may be any thread of the system. The main thread is the worker's.
        when(SYS_tkill, [(0, Is::OtherThan(pid))]),
        // Limits can be read.
        when(SYS_prlimit64, [(2, Is::Address)]).or([(0, Is::OtherThan(0)), (0, Is::OtherThan(pid))]),
        when(SYS_sched_setaffinity, [(0, Is::OtherThan(0))]),
        with_any_of(SYS_prctl, 0, SUPERVISION),
        with_any_of(SYS_fcntl, 1, SIGNAL_OWNER),
    ]);
    rules
}

/// Returns the rules for a program.
pub(super) fn program(sandbox: &Sandbox) -> Vec<Rule> {
    let mut rules = common(sandbox);
    let namespaces = NAMESPACES
        .into_iter()
        .fold(Rule { call: SYS_clone, when: Vec::new() }, |rule, flag| rule.or([(0, Is::With(flag as u32))]));
    rules.push(namespaces);
    rules
}

fn common(sandbox: &Sandbox) -> Vec<Rule> {
    let net = if sandbox.allows_net() { &[] } else { NET };
    let mut rules: Vec<Rule> = [ALWAYS, ALWAYS_HERE, net].concat().into_iter().map(any).collect();
    rules.push(with_any_of(SYS_ioctl, 1, TERMINAL_INPUT));
    rules
}
