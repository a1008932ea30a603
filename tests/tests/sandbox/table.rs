//! What a hostile worker can do at each level, compared with the table in the documentation.

use std::{fs, net::TcpListener, os::unix::net::UnixListener};

use end_to_end::{
    Case,
    hostile::{Attempt, By, Free, Row, Scene, rows},
    probe::{TIMEOUT, finish, transport},
    program,
};
use nix::fcntl::{FcntlArg, fcntl};
use pool::{
    Executor, JobError, ProcessPool,
    error::DeathCause,
    settings::{Sandbox, SandboxLevel},
};

/// Outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Succeeded,
    Failed(i32),
    Killed,
}

/// What attempts are made on, for as long as it exists.
struct Stage {
    scene: Scene,
    _folder: tempfile::TempDir,
    _tcp: TcpListener,
    _unix: UnixListener,
}

impl Stage {
    fn new(sibling: u32) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data", "to-remove", "to-rename"] {
            fs::write(folder.path().join(name), "data").unwrap();
        }
        let inherited = fs::File::create(folder.path().join("inherited")).unwrap();
        // So high that the worker has no descriptor of its own with this number; without close-on-exec.
        let descriptor = fcntl(&inherited, FcntlArg::F_DUPFD(300)).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let unix = UnixListener::bind(folder.path().join("socket")).unwrap();
        let scene = Scene {
            folder: folder.path().to_owned(),
            sibling,
            descriptor,
            port: tcp.local_addr().unwrap().port(),
        };
        Stage { scene, _folder: folder, _tcp: tcp, _unix: unix }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        nix::unistd::close(self.scene.descriptor).unwrap();
    }
}

fn pool(sandbox: Sandbox) -> ProcessPool<Attempt> {
    let builder = ProcessPool::builder().workers(1).worker_program(program("hostile-worker"));
    builder.transport(transport()).retries(3).sandbox(sandbox).build().unwrap()
}

/// Makes all attempts at this level.
fn attempts(level: SandboxLevel) -> Vec<(&'static Row, Seen)> {
    let sibling = end_to_end::probe::processes(1);
    let pid = sibling.submit(end_to_end::probe::Probe::Pid).unwrap().result_timeout(TIMEOUT).unwrap();
    let pool = pool(Sandbox::off().with_level(level));
    let seen = rows().map(|row| {
        let stage = Stage::new(u32::try_from(pid).unwrap());
        let attempt = Attempt { name: row.name.to_owned(), scene: stage.scene.clone() };
        let seen = match pool.submit(attempt).unwrap().result_timeout(TIMEOUT) {
            Ok(None) => Seen::Succeeded,
            Ok(Some(error)) => Seen::Failed(error),
            Err(JobError::Denied(denied)) => {
                assert_eq!((denied.death.cause, denied.attempts), (DeathCause::Signalled(libc::SIGSYS), 1));
                Seen::Killed
            }
            Err(error) => panic!("{}: {error:?}", row.name),
        };
        (row, seen)
    });
    let seen = seen.collect();
    finish(&pool);
    finish(&sibling);
    seen
}

/// Whether this machine's kernel has what forbids the attempt. A row for which it has not is listed, and does
/// not count as passed.
fn is_testable(row: &Row) -> bool {
    match row.by {
        By::Seccomp | By::Worker => true,
        By::Landlock(version) => sys::confinement::landlock_version() >= version,
    }
}

/// Compares what was seen with the table.
fn check(level: SandboxLevel, expected: impl Fn(&Row) -> Option<Seen>) {
    let _case = Case::begin();
    let (mut wrong, mut untested) = (Vec::new(), Vec::new());
    for (row, seen) in attempts(level) {
        match expected(row) {
            Some(_) if level != SandboxLevel::Off && !is_testable(row) => untested.push(row.name),
            Some(expected) if expected != seen => wrong.push((row.name, seen, expected)),
            _ => {}
        }
    }
    if !untested.is_empty() {
        println!("{level}: not tested, because this kernel cannot forbid it: {untested:#?}");
    }
    assert!(wrong.is_empty(), "{level}: attempt, seen, expected: {wrong:#?}");
}

#[test]
fn without_a_sandbox_attempts_reach_the_kernel() {
    check(SandboxLevel::Off, |row| match row.free {
        Free::Succeeds => Some(Seen::Succeeded),
        Free::Fails(error) => Some(Seen::Failed(error)),
        Free::Depends => None,
    });
}

#[test]
fn best_effort_makes_attempts_fail() {
    check(SandboxLevel::BestEffort, |row| Some(Seen::Failed(row.error)));
}

#[test]
fn strict_kills_for_calls_that_are_not_needed() {
    check(SandboxLevel::Strict, |row| {
        Some(if row.is_deadly { Seen::Killed } else { Seen::Failed(row.error) })
    });
}

/// Returns the row of the documentation.
fn documented(row: &Row) -> String {
    let failed = format!("fails ({:?})", nix::errno::Errno::from_raw(row.error));
    let strict = if row.is_deadly { "is killed" } else { &failed };
    let by = match row.by {
        By::Seccomp => "seccomp",
        By::Landlock(_) => "Landlock",
        By::Worker => "closed descriptors",
    };
    // Seccomp kills for these; with best-effort, they depend on Landlock.
    let by = if row.is_deadly && by == "Landlock" { "Landlock; seccomp" } else { by };
    format!("| {} | {failed} | {strict} | {by} |", row.name)
}

#[test]
fn the_documentation_has_the_table() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/untrusted-input.md");
    let page = fs::read_to_string(page).unwrap();
    let expected: Vec<String> = rows().map(documented).collect();
    let lines: Vec<&str> = page.lines().collect();
    assert!(expected.len() >= 40);
    let first = lines.iter().position(|line| *line == expected[0]);
    let first = first.unwrap_or_else(|| panic!("the table is missing:\n{}", expected.join("\n")));
    assert_eq!(lines[first..first + expected.len()], expected);
}
