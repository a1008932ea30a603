//! Runs at a terminal with programs that access the terminal.

use std::{
    fs::File,
    io::Write,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    time::Duration,
};

use end_to_end::{Call, Running, runner, runner_as_init, shell_jobs};
use nix::{
    fcntl::{OFlag, open},
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::{signal::Signal, stat::Mode},
};

/// Returns the invocation in a new session with a new controlling terminal, and the master side of the
/// terminal.
fn at_terminal(call: Call) -> (Call, File) {
    // A terminal hangs up when no process holds its master side.
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let other_end = posix_openpt(flags).unwrap();
    grantpt(&other_end).unwrap();
    unlockpt(&other_end).unwrap();
    let path = ptsname_r(&other_end).unwrap();
    let terminal = File::from(open(path.as_str(), flags, Mode::empty()).unwrap());
    let call = call.with(|command| {
        // SAFETY: both are system calls, which are safe between fork and exec; the closure owns the
        // descriptor.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(move || {
                nix::unistd::setsid()?;
                match libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            })
        }
    });
    (call, File::from(OwnedFd::from(other_end)))
}

fn exit_codes(output: &end_to_end::Output) -> Vec<Option<i64>> {
    output.records().iter().map(|record| record["result"]["exit_code"].as_i64()).collect()
}

#[test]
fn programs_of_workers_cannot_open_the_terminal() {
    let scripts = [
        // Reads, writes, changes settings, moves itself to the foreground.
        "read line </dev/tty || exit 11",
        "echo here >/dev/tty || exit 12",
        "stty -F /dev/tty -echo || exit 13",
        "bash -ic 'exit 14' 2>/dev/null",
        "timeout 60 sh -c 'read line </dev/tty || exit 15'",
    ];
    let (call, _terminal) = at_terminal(runner(["-w", "2", "--allow-command"]).stdin(shell_jobs(&scripts)));
    let output = call.run();
    assert_eq!(output.kinds(), ["ok"; 5], "{}", output.text());
    assert_eq!(exit_codes(&output), [11, 12, 13, 14, 15].map(Some), "{}", output.text());
    assert!(output.elapsed < Duration::from_secs(8), "{:?}", output.elapsed);
}

#[test]
fn programs_of_threads_are_in_the_foreground() {
    for executor in ["threads", "serial"] {
        let arguments = ["--executor", executor, "--allow-command"];
        let jobs = shell_jobs(&["stty -F /dev/tty -echo && echo fine", "exec 3</dev/tty && echo fine"]);
        let (call, _terminal) = at_terminal(runner(arguments).stdin(jobs));
        let output = call.run();
        assert_eq!(exit_codes(&output), [Some(0), Some(0)], "{}", output.text());
    }
}

/// Starts a run at a terminal with two programs, one of them in its own process group, and waits until both
/// run.
fn two_programs() -> (Running, File) {
    let jobs = shell_jobs(&["exec sleep 1000", "timeout 2000 sleep 1000"]);
    let (call, terminal) = at_terminal(runner(["-w", "2", "--allow-command"]).stdin(jobs));
    let mut run = call.start();
    run.wait_until("both programs run", |run| run.programs("sleep").len() == 2);
    (run, terminal)
}

#[test]
fn keyboard_interrupt_does_not_reach_programs_directly() {
    let (mut run, mut terminal) = two_programs();
    let programs = run.programs("sleep");
    terminal.write_all(b"\x03").unwrap();
    run.wait_until("the interrupt is handled", |run| !run.has_pending_signals());
    assert_eq!(run.programs("sleep"), programs, "the programs were ended before the grace period");
    let output = run.wait();
    assert_eq!(output.signal(), 2, "{}", output.stderr);
    assert_eq!(output.kinds(), ["cancelled"; 2]);
    assert!(output.elapsed < Duration::from_secs(10), "{:?}", output.elapsed);
}

#[test]
fn second_keyboard_interrupt_ends_the_run() {
    let (run, mut terminal) = two_programs();
    terminal.write_all(b"\x03\x03").unwrap();
    let output = run.wait();
    assert_eq!(output.signal(), 2);
    assert_eq!(output.kinds(), ["cancelled"; 2]);
}

#[test]
fn hangup_of_the_terminal_ends_the_run() {
    let (run, terminal) = two_programs();
    drop(terminal);
    let output = run.wait();
    assert_eq!(output.signal(), 1);
    assert_eq!(output.kinds(), ["cancelled"; 2]);
}

#[test]
fn keyboard_suspension_stops_programs() {
    let (mut run, mut terminal) = two_programs();
    let stops = |run: &Running, letter: char| {
        let all = [run.workers(), run.programs("sleep"), run.programs("timeout"), vec![run.pid()]].concat();
        all.len() == 6 && all.iter().all(|&pid| (run.state(pid) == Some('T')) == (letter == 'T'))
    };
    terminal.write_all(b"\x1a").unwrap();
    run.wait_until("all processes are stopped", |run| stops(run, 'T'));
    run.signal(Signal::SIGCONT);
    run.wait_until("all processes are continued", |run| stops(run, 'R'));
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGINT);
    assert_eq!(run.wait().kinds(), ["cancelled"; 2]);
}

#[test]
fn killed_suspended_run_leaves_no_process() {
    let (mut run, mut terminal) = two_programs();
    terminal.write_all(b"\x1a").unwrap();
    run.wait_until("the programs are stopped", |run| {
        run.programs("sleep").iter().all(|&pid| run.state(pid) == Some('T'))
    });
    run.signal(Signal::SIGKILL);
    // `wait` checks that no process is left after a second.
    assert_eq!(run.wait().signal(), 9);
}

#[test]
fn init_process_receives_a_keyboard_interrupt_once() {
    let jobs = shell_jobs(&["exec sleep 1", "exec sleep 1000"]);
    let Some(call) = runner_as_init(&["-w", "2", "--allow-command"]) else { return };
    let (call, mut terminal) = at_terminal(call.stdin(jobs));
    let mut run = call.start();
    run.wait_until("both programs run", |run| run.programs("sleep").len() == 2);
    terminal.write_all(b"\x03").unwrap();
    let output = run.wait();
    assert_eq!(output.kinds(), ["ok", "cancelled"]);
    assert_eq!(output.code(), 128 + 2);
}
