//! Runs at a terminal whose programs would like to have it.

#![allow(clippy::unwrap_used)]

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

/// The call in a session of its own with a new controlling terminal, and the terminal's other end.
fn at_terminal(call: Call) -> (Call, File) {
    // A terminal hangs up when no process holds its other end.
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let other_end = posix_openpt(flags).unwrap();
    grantpt(&other_end).unwrap();
    unlockpt(&other_end).unwrap();
    let path = ptsname_r(&other_end).unwrap();
    let terminal = File::from(open(path.as_str(), flags, Mode::empty()).unwrap());
    let call = call.with(|command| {
        // SAFETY: both are system calls, which are safe between fork and exec; the closure owns the descriptor.
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
fn programs_cannot_open_the_terminal_and_go_on() {
    let scripts = [
        // Reads, writes, changes settings, wants to be in the foreground.
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

/// A run at a terminal whose two programs, one in a process group of its own, are running.
fn two_programs() -> (Running, File) {
    let jobs = shell_jobs(&["exec sleep 1000", "timeout 2000 sleep 1000"]);
    let (call, terminal) = at_terminal(runner(["-w", "2", "--allow-command"]).stdin(jobs));
    let mut run = call.start();
    run.until("both programs run", |run| run.programs("sleep").len() == 2);
    (run, terminal)
}

#[test]
fn an_interrupt_from_the_keyboard_is_the_runs_to_decide_on() {
    let (mut run, mut terminal) = two_programs();
    let programs = run.programs("sleep");
    terminal.write_all(b"\x03").unwrap();
    run.until("the interrupt has been taken", |run| !run.has_pending_signals());
    assert_eq!(run.programs("sleep"), programs, "they have two seconds");
    let output = run.wait();
    assert_eq!(output.signal(), 2, "{}", output.stderr);
    assert_eq!(output.kinds(), ["cancelled"; 2]);
    assert!(output.elapsed < Duration::from_secs(10), "{:?}", output.elapsed);
}

#[test]
fn a_second_interrupt_from_the_keyboard_ends_the_run() {
    let (run, mut terminal) = two_programs();
    terminal.write_all(b"\x03\x03").unwrap();
    let output = run.wait();
    assert_eq!((output.signal(), output.kinds()), (2, vec!["cancelled".to_owned(); 2]));
}

#[test]
fn a_terminal_that_hangs_up_ends_the_run() {
    let (run, terminal) = two_programs();
    drop(terminal);
    let output = run.wait();
    assert_eq!((output.signal(), output.kinds()), (1, vec!["cancelled".to_owned(); 2]));
}

#[test]
fn a_suspension_from_the_keyboard_stops_programs_too() {
    let (mut run, mut terminal) = two_programs();
    let stops = |run: &Running, letter: char| {
        let all = [run.workers(), run.programs("sleep"), run.programs("timeout"), vec![run.pid()]].concat();
        all.len() == 6 && all.iter().all(|&pid| (run.state(pid) == Some('T')) == (letter == 'T'))
    };
    terminal.write_all(b"\x1a").unwrap();
    run.until("all of it stands", |run| stops(run, 'T'));
    run.signal(Signal::SIGCONT);
    run.until("all of it goes on", |run| stops(run, 'R'));
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGINT);
    assert_eq!(run.wait().kinds(), ["cancelled"; 2]);
}

#[test]
fn a_suspended_run_that_is_killed_takes_everything_with_it() {
    let (mut run, mut terminal) = two_programs();
    terminal.write_all(b"\x1a").unwrap();
    run.until("the programs stand", |run| {
        run.programs("sleep").iter().all(|&pid| run.state(pid) == Some('T'))
    });
    run.signal(Signal::SIGKILL);
    // That nothing is left a second later is proven by the harness.
    assert_eq!(run.wait().signal(), 9);
}

#[test]
fn as_the_first_process_of_a_namespace_an_interrupt_from_the_keyboard_comes_once() {
    let jobs = shell_jobs(&["exec sleep 1", "exec sleep 1000"]);
    let Some(call) = runner_as_init(&["-w", "2", "--allow-command"]) else { return };
    let (call, mut terminal) = at_terminal(call.stdin(jobs));
    let mut run = call.start();
    run.until("both programs run", |run| run.programs("sleep").len() == 2);
    terminal.write_all(b"\x03").unwrap();
    let output = run.wait();
    assert_eq!((output.kinds(), output.code()), (vec!["ok".to_owned(), "cancelled".to_owned()], 128 + 2));
}
