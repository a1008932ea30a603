//! Attempts on files.

use std::ffi::CString;

use super::row::{By, Free, Result, Row, Scene, address, call, change, done, landlock, own, parent, seccomp};

pub(super) const ROWS: &[Row] = &[
    landlock("read a file", |scene| open(&scene.path("data"), libc::O_RDONLY), Free::Succeeds),
    landlock("read a system file", |_| open(&text("/etc/passwd"), libc::O_RDONLY), Free::Succeeds),
    landlock("list a directory", |_| open(&text("/"), libc::O_RDONLY | libc::O_DIRECTORY), Free::Succeeds),
    landlock("write a file", |scene| open(&scene.path("data"), libc::O_WRONLY), Free::Succeeds),
    landlock("truncate a file", truncating, Free::Succeeds),
    landlock("create a file", creating, Free::Succeeds),
    landlock("write to a device", |_| open(&text("/dev/null"), libc::O_WRONLY), Free::Succeeds),
    landlock(
        "write to its own memory by file",
        |_| open(&of_proc(own(), "mem"), libc::O_RDWR),
        Free::Succeeds,
    ),
    landlock("read the status of its parent", |_| open(&of_proc(parent(), "status"), 0), Free::Succeeds),
    landlock("read the environment of its parent", |_| open(&of_proc(parent(), "environ"), 0), Free::Depends),
    landlock("open a file of its parent", |_| open(&of_proc(parent(), "fd/0"), 0), Free::Depends),
    landlock("read the status of another process", |_| open(&of_proc(1, "status"), 0), Free::Succeeds),
    change("create a directory", |scene| at_path(libc::SYS_mkdirat, scene, "folder"), Free::Succeeds),
    change("remove a file", removing, Free::Succeeds),
    change("rename a file", renaming, Free::Succeeds),
    change("create a symbolic link", linking, Free::Succeeds),
    change("create a named pipe", piping, Free::Succeeds),
    seccomp("change permissions", |scene| at_path(libc::SYS_fchmodat, scene, "data"), Free::Succeeds),
    seccomp("change the owner", owning, Free::Succeeds),
    seccomp("change times", |scene| at_path(libc::SYS_utimensat, scene, "data"), Free::Succeeds),
    seccomp("set an extended attribute", attribute, Free::Depends),
    seccomp("open a file by its handle", |_| done(libc::SYS_open_by_handle_at, [-1]), Free::Depends),
    seccomp("change the working directory", |scene| path(libc::SYS_chdir, scene, "."), Free::Succeeds),
    seccomp("watch files", |_| done(libc::SYS_inotify_init1, [0]), Free::Succeeds),
    Row {
        error: libc::EBADF,
        is_deadly: false,
        by: By::Worker,
        ..seccomp("write to a descriptor of its parent", writing, Free::Fails(libc::EBADF))
    },
];

const HERE: i64 = libc::AT_FDCWD as i64;

fn text(path: &str) -> CString {
    CString::new(path).unwrap_or_default()
}

fn of_proc(process: i64, file: &str) -> CString {
    text(&format!("/proc/{process}/{file}"))
}

fn open(path: &CString, flags: i32) -> Result {
    let opened = call(libc::SYS_openat, [HERE, address(path), flags.into(), 0o600])?;
    done(libc::SYS_close, [opened])
}

fn truncating(scene: &Scene) -> Result {
    open(&scene.path("data"), libc::O_WRONLY | libc::O_TRUNC)
}

fn creating(scene: &Scene) -> Result {
    open(&scene.path("new"), libc::O_WRONLY | libc::O_CREAT)
}

/// Makes a call with the working directory, a path, and a mode or nothing.
fn at_path(number: i64, scene: &Scene, name: &str) -> Result {
    let mode = if number == libc::SYS_utimensat { 0 } else { 0o700 };
    done(number, [HERE, address(&scene.path(name)), mode])
}

fn path(number: i64, scene: &Scene, name: &str) -> Result {
    done(number, [address(&scene.path(name))])
}

fn removing(scene: &Scene) -> Result {
    done(libc::SYS_unlinkat, [HERE, address(&scene.path("to-remove"))])
}

fn renaming(scene: &Scene) -> Result {
    let (from, to) = (scene.path("to-rename"), scene.path("renamed"));
    done(libc::SYS_renameat2, [HERE, address(&from), HERE, address(&to), 0])
}

fn linking(scene: &Scene) -> Result {
    done(libc::SYS_symlinkat, [address(&text("data")), HERE, address(&scene.path("link"))])
}

fn piping(scene: &Scene) -> Result {
    let mode = i64::from(libc::S_IFIFO | 0o600);
    done(libc::SYS_mknodat, [HERE, address(&scene.path("pipe")), mode, 0])
}

fn owning(scene: &Scene) -> Result {
    // To the present owner.
    done(libc::SYS_fchownat, [HERE, address(&scene.path("data")), -1, -1, 0])
}

fn attribute(scene: &Scene) -> Result {
    let (path, name) = (scene.path("data"), text("user.test"));
    done(libc::SYS_setxattr, [address(&path), address(&name), address(&name), 1, 0])
}

fn writing(scene: &Scene) -> Result {
    done(libc::SYS_write, [scene.descriptor.into(), address(&text("x")), 1])
}
