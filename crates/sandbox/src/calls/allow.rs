//! Calls that a strict sandbox allows. Any other kills the worker.
//!
//! The list was found by measuring: the calls of all ops, codecs and transports, of panics, aborts and
//! overflows, of the standard library and of the C libraries glibc and musl.

use libc::*;

use super::{
    numbers::*,
    rule::{Is, Rule, any, when, with_any_of},
};
use crate::Sandbox;

/// Calls that are allowed with any arguments.
const ALWAYS: &[i64] = &[
    // Descriptors. Landlock decides which files can be opened.
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_lseek,
    SYS_close,
    CALL_CLOSE_RANGE,
    SYS_fstat,
    SYS_statx,
    SYS_newfstatat,
    SYS_statfs,
    SYS_fstatfs,
    SYS_openat,
    CALL_OPENAT2,
    SYS_readlinkat,
    SYS_faccessat,
    CALL_FACCESSAT2,
    SYS_getcwd,
    SYS_getdents64,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    SYS_eventfd2,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    CALL_EPOLL_PWAIT2,
    SYS_ppoll,
    SYS_pselect6,
    SYS_ftruncate,
    SYS_fsync,
    SYS_fdatasync,
    // Memory.
    SYS_mmap,
    SYS_munmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_mincore,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,
    SYS_msync,
    SYS_membarrier,
    SYS_memfd_create,
    SYS_get_mempolicy,
    SYS_pkey_alloc,
    SYS_pkey_free,
    SYS_pkey_mprotect,
    CALL_MAP_SHADOW_STACK,
    // Threads.
    SYS_futex,
    CALL_FUTEX_WAITV,
    CALL_FUTEX_WAKE,
    CALL_FUTEX_WAIT,
    CALL_FUTEX_REQUEUE,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_rseq,
    SYS_set_tid_address,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_getcpu,
    SYS_exit,
    SYS_exit_group,
    // Signals of this process.
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend,
    SYS_sigaltstack,
    SYS_restart_syscall,
    // Identity and use of resources.
    SYS_getpid,
    SYS_getppid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getpgid,
    SYS_getsid,
    SYS_getpriority,
    SYS_getrusage,
    SYS_times,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrandom,
    // Time.
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_timer_create,
    SYS_timer_settime,
    SYS_timer_gettime,
    SYS_timer_getoverrun,
    SYS_timer_delete,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_setitimer,
    SYS_getitimer,
    // Sockets that are open.
    SYS_socketpair,
    SYS_sendto,
    SYS_sendmsg,
    SYS_sendmmsg,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_shutdown,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_getsockname,
    SYS_getpeername,
];

/// The same, on x86-64 only: older forms of calls, which musl and older programs use.
#[cfg(target_arch = "x86_64")]
const ALWAYS_HERE: &[i64] = &[
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_getdents,
    SYS_dup2,
    SYS_pipe,
    SYS_poll,
    SYS_select,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_eventfd,
    SYS_getpgrp,
    SYS_time,
    SYS_alarm,
    SYS_pause,
    SYS_arch_prctl,
];
#[cfg(target_arch = "riscv64")]
const ALWAYS_HERE: &[i64] = &[
    259, // riscv_flush_icache
    258, // riscv_hwprobe
];
#[cfg(target_arch = "aarch64")]
const ALWAYS_HERE: &[i64] = &[];

/// Calls that change files, where some may be written. Landlock decides which.
const WRITE: &[i64] = &[
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_linkat,
    SYS_symlinkat,
    SYS_renameat2,
    SYS_truncate,
    SYS_fallocate,
    SYS_fadvise64,
    SYS_sync_file_range,
    SYS_copy_file_range,
    SYS_sendfile,
    SYS_splice,
    SYS_flock,
    SYS_umask,
];

/// The same, on architectures that have the older forms.
#[cfg(target_arch = "x86_64")]
const WRITE_HERE: &[i64] =
    &[SYS_creat, SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_link, SYS_symlink, SYS_rename, SYS_renameat];
#[cfg(target_arch = "aarch64")]
const WRITE_HERE: &[i64] = &[SYS_renameat];
#[cfg(target_arch = "riscv64")]
const WRITE_HERE: &[i64] = &[];

/// Calls that create and connect sockets, where the network is allowed.
const NET: &[i64] = &[SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4];

/// Options of `prctl` that name threads and mappings, or read.
const THREAD_OPTIONS: &[u32] = &[
    PR_SET_NAME as u32,
    PR_GET_NAME as u32,
    PR_GET_DUMPABLE as u32,
    PR_GET_SECCOMP as u32,
    PR_GET_NO_NEW_PRIVS as u32,
    PR_SET_VMA,
];
const PR_SET_VMA: u32 = 0x53_56_4d_41;

/// Commands of `fcntl` without an effect on other processes, but for seals, which only apply to memory files.
const DESCRIPTOR_COMMANDS: &[u32] = &[
    F_DUPFD as u32,
    F_DUPFD_CLOEXEC as u32,
    F_GETFD as u32,
    F_SETFD as u32,
    F_GETFL as u32,
    F_SETFL as u32,
    F_ADD_SEALS as u32,
    F_GET_SEALS as u32,
    F_GETPIPE_SZ as u32,
    F_SETPIPE_SZ as u32,
];

/// Commands of `fcntl` that lock files, where some may be written.
const LOCK_COMMANDS: &[u32] =
    &[F_GETLK as u32, F_SETLK as u32, F_SETLKW as u32, F_OFD_GETLK as u32, F_OFD_SETLK as u32];

/// Requests of `ioctl` that read, or set how a descriptor blocks.
const DESCRIPTOR_REQUESTS: &[u32] =
    &[TCGETS as u32, TIOCGWINSZ as u32, FIONREAD as u32, FIONBIO as u32, FIOCLEX as u32, FIONCLEX as u32];

/// Returns the rules for a worker with this process ID.
pub(super) fn worker(sandbox: &Sandbox, pid: u32) -> Vec<Rule> {
    let write = if sandbox.allows_writing() { [WRITE, WRITE_HERE].concat() } else { Vec::new() };
    let net = if sandbox.allows_net() { NET } else { &[] };
    let locks = if sandbox.allows_writing() { LOCK_COMMANDS } else { &[] };
    let mut rules: Vec<Rule> = [ALWAYS, ALWAYS_HERE, &write, net].concat().into_iter().map(any).collect();
    rules.extend([
        when(SYS_clone, [(0, Is::With(CLONE_THREAD as u32))]),
        when(SYS_kill, [(0, Is::Number(pid))]),
        when(SYS_tgkill, [(0, Is::Number(pid))]),
        when(SYS_tkill, [(0, Is::Number(pid))]),
        when(SYS_prlimit64, [(0, Is::Number(0)), (2, Is::Null)]).or([(0, Is::Number(pid)), (2, Is::Null)]),
        when(SYS_sched_setaffinity, [(0, Is::Number(0))]),
        with_any_of(SYS_prctl, 0, THREAD_OPTIONS),
        with_any_of(SYS_fcntl, 1, &[DESCRIPTOR_COMMANDS, locks].concat()),
        with_any_of(SYS_ioctl, 1, DESCRIPTOR_REQUESTS),
    ]);
    // Reads a limit, but sets it where the architecture has no newer form.
    #[cfg(target_arch = "x86_64")]
    rules.push(any(SYS_getrlimit));
    rules
}
