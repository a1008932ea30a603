//! Attempts on the machine, and on interfaces of the kernel that a worker does not need.

use super::row::{Free, Result, Row, done, seccomp};

pub(super) const ROWS: &[Row] = &[
    seccomp("use io_uring", |_| done(libc::SYS_io_uring_setup, [0]), Free::Depends),
    seccomp("load a BPF program", |_| done(libc::SYS_bpf, [-1]), Free::Depends),
    seccomp("handle its own page faults", |_| done(libc::SYS_userfaultfd, [-1]), Free::Depends),
    seccomp("measure performance events", |_| done(libc::SYS_perf_event_open, [0]), Free::Depends),
    seccomp("mount a file system", |_| done(libc::SYS_mount, [0]), Free::Depends),
    seccomp("unmount a file system", |_| done(libc::SYS_umount2, [0]), Free::Depends),
    seccomp("change its root directory", |_| done(libc::SYS_chroot, [0]), Free::Depends),
    seccomp("create a namespace", |_| done(libc::SYS_unshare, [0]), Free::Succeeds),
    seccomp("enter a namespace", |_| done(libc::SYS_setns, [-1]), Free::Depends),
    seccomp("change its user", |_| done(libc::SYS_setuid, [-1]), Free::Fails(libc::EINVAL)),
    seccomp("change its capabilities", |_| done(libc::SYS_capset, [0]), Free::Depends),
    seccomp("use the kernel's keys", |_| done(libc::SYS_keyctl, [-1]), Free::Depends),
    seccomp("create shared memory by key", |_| done(libc::SYS_shmget, [0]), Free::Depends),
    seccomp("type into its terminal", |_| typing(), Free::Fails(libc::EBADF)),
    seccomp("set the clock", |_| done(libc::SYS_clock_settime, [-1]), Free::Depends),
    seccomp("restart the machine", |_| done(libc::SYS_reboot, [0]), Free::Depends),
    seccomp("load a kernel module", |_| done(libc::SYS_finit_module, [-1]), Free::Depends),
];

fn typing() -> Result {
    let request = i64::try_from(libc::TIOCSTI).unwrap_or_default();
    done(libc::SYS_ioctl, [-1, request, 0])
}
