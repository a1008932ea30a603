//! Failing system calls: the message names the call, its object, and the system's error.

#![allow(clippy::unwrap_used, unsafe_code)]

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use end_to_end::{
    Call, Case,
    probe::{Probe, TIMEOUT, finish},
    rogue::{Misbehavior, RoguePlan, rogue_builder},
    runner,
};
use pool::Executor;

const JOB: &str = "{\"op\":\"sum\",\"n\":4}\n";
const RESULT: &str = "{\"id\":0,\"ok\":true,\"result\":10}\n";

/// Flags of the `clone` call that starts a worker; threads have other flags.
const STARTS_A_WORKER: u32 =
    (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD).cast_unsigned();

/// Makes a system call fail with EPERM in the program and in all that it starts; with `argument`, only calls
/// with that first argument.
fn refuse(command: &mut Command, call: libc::c_long, argument: Option<u32>) -> &mut Command {
    const NUMBER_AT: u32 = 0;
    const ARGUMENT_AT: u32 = 16;
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = |at: u32| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at);
    let skip_unless =
        |value: u32, skipped: u8| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, skipped, value);
    let answer = |value: u32| step(libc::BPF_RET | libc::BPF_K, 0, 0, value);
    let mut filter = vec![load(NUMBER_AT), skip_unless(call as u32, if argument.is_some() { 3 } else { 1 })];
    filter.extend(argument.into_iter().flat_map(|value| [load(ARGUMENT_AT), skip_unless(value, 1)]));
    filter.extend([answer(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32), answer(libc::SECCOMP_RET_ALLOW)]);
    // SAFETY: both are system calls, with memory that the closure owns.
    unsafe {
        command.pre_exec(move || {
            let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
            let done = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0;
            if done { Ok(()) } else { Err(io::Error::last_os_error()) }
        })
    }
}

#[test]
fn failed_system_call_is_named() {
    let refusals = [
        (libc::SYS_eventfd2, None, "eventfd failed"),
        (libc::SYS_memfd_create, None, "memfd_create failed"),
        (libc::SYS_socketpair, None, "socketpair failed"),
        (libc::SYS_socket, None, "socket failed"),
        (libc::SYS_bind, None, "/socket failed"),
        (libc::SYS_clone, Some(STARTS_A_WORKER), "clone failed"),
        (libc::SYS_setsid, None, "setsid failed"),
        (libc::SYS_prctl, Some(libc::PR_SET_PDEATHSIG as u32), "prctl(PR_SET_PDEATHSIG) failed"),
    ];
    #[cfg(target_arch = "x86_64")]
    let refusals = [&refusals[..], &[(libc::SYS_dup2, None, "dup2 failed")]].concat();
    for (call, argument, words) in refusals {
        let output = runner(["-w", "2"]).stdin(JOB).with(|c| refuse(c, call, argument)).run();
        assert_eq!(output.code(), 4, "{words}: {}", output.stderr);
        let stderr = &output.stderr;
        assert!(
            stderr.contains(&format!("{words}: Operation not permitted (os error 1)")),
            "{words}: {stderr}"
        );
        assert!(!stderr.contains("descriptors") && !stderr.contains("/proc/self/exe"), "{words}: {stderr}");
    }
}

/// Mounts an empty file system over `at`, in a mount namespace of the program.
fn cover(command: &mut Command, at: &Path, options: &'static std::ffi::CStr) {
    let at = std::ffi::CString::new(at.to_str().unwrap()).unwrap();
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: these are system calls, with strings that the closure owns or that are static.
    unsafe {
        command.pre_exec(move || {
            let (nothing, tmpfs) = (std::ptr::null(), c"tmpfs".as_ptr());
            let done = libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(nothing, c"/".as_ptr(), nothing, private, nothing.cast()) == 0
                && libc::mount(tmpfs, at.as_ptr(), tmpfs, 0, options.as_ptr().cast()) == 0;
            if done { Ok(()) } else { Err(io::Error::last_os_error()) }
        });
    }
}

/// Returns whether this process may mount file systems.
fn may_mount() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("true");
    cover(&mut command, folder.path(), c"");
    let may = command.status().is_ok();
    if !may {
        eprintln!("NOT RUN: file systems cannot be mounted here");
    }
    may
}

#[test]
fn full_file_system_is_reported_with_the_path() {
    if !may_mount() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let covered = |at: &Path, options: &'static std::ffi::CStr| {
        let call = runner(["-w", "2"]).stdin(JOB).with(|c| c.env("TMPDIR", folder.path()));
        let output = call
            .with(|c| {
                cover(c, at, options);
                c
            })
            .run();
        assert_eq!(output.code(), 4, "{}", output.stderr);
        assert!(!output.stderr.contains("descriptors"), "{}", output.stderr);
        output.stderr
    };
    // One inode suffices for the root only; two for the root and the directory, but not for the socket.
    let stderr = covered(folder.path(), c"nr_inodes=1");
    assert!(stderr.contains("mkdir failed: No space left on device (os error 28) at path"), "{stderr}");
    let stderr = covered(folder.path(), c"nr_inodes=2");
    assert!(
        stderr.contains("bind of ") && stderr.contains("/socket failed: No space left on device"),
        "{stderr}"
    );
    let stderr = covered(Path::new("/dev"), c"");
    assert!(stderr.contains("open of /dev/null failed: No such file or directory (os error 2)"), "{stderr}");
}

/// Runs two jobs, each on a new worker, and changes the directory for temporary files after the first result.
fn with_changing_folder(change: impl FnOnce(&Path)) -> (String, end_to_end::Output) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("session/tmp");
    fs::create_dir_all(&folder).unwrap();
    let call: Call =
        runner(["-w", "1", "-q", "--max-jobs-per-worker", "1"]).with(|c| c.env("TMPDIR", &folder));
    let mut run = call.with(|c| c.stdin(Stdio::piped())).start_raw();
    let mut input = run.child.stdin.take().unwrap();
    let mut results = BufReader::new(run.child.stdout.take().unwrap());
    let mut errors = run.child.stderr.take().unwrap();
    let mut line = String::new();
    input.write_all(JOB.as_bytes()).unwrap();
    results.read_line(&mut line).unwrap();
    assert_eq!(line, RESULT);
    change(&folder);
    input.write_all(JOB.as_bytes()).unwrap();
    drop(input);
    line.clear();
    results.read_line(&mut line).unwrap();
    let output = run.wait();
    let mut stderr = String::new();
    io::Read::read_to_string(&mut errors, &mut stderr).unwrap();
    (format!("{line}{stderr}"), output)
}

#[test]
fn removed_directory_is_created_again() {
    let (stderr, output) =
        with_changing_folder(|folder| fs::remove_dir_all(folder.parent().unwrap()).unwrap());
    assert_eq!(output.code(), 0);
    assert_eq!(stderr.as_str(), "{\"id\":1,\"ok\":true,\"result\":10}\n");
}

#[test]
fn directory_that_cannot_be_created_is_named() {
    let (stderr, output) = with_changing_folder(|folder| {
        fs::remove_dir(folder).unwrap();
        fs::write(folder, "").unwrap();
    });
    assert_eq!(output.code(), 4, "{stderr}");
    assert!(stderr.contains("session/tmp") && stderr.contains("Not a directory (os error 20)"), "{stderr}");
    assert!(!stderr.contains("descriptors"), "{stderr}");
}

#[test]
fn panicked_start_is_retried() {
    let _case = Case::begin();
    let folder = tempfile::tempdir().unwrap();
    let plan =
        RoguePlan { once: Some(folder.path().join("once")), ..RoguePlan::new(Misbehavior::OversizedHello) };
    let pool = rogue_builder(1, &plan).build().unwrap();
    assert_eq!(pool.submit(Probe::Double(4)).unwrap().result_timeout(TIMEOUT).unwrap(), 8);
    finish(&pool);
}
