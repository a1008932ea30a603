use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use nix::{sys::signal::kill, unistd::Pid};

use super::*;

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn line(program: &mut Program) -> String {
    let (mut line, mut byte) = (String::new(), [0]);
    let stdout = program.stdout.as_mut().unwrap();
    loop {
        match stdout.read(&mut byte) {
            Ok(1) if byte[0] == b'\n' => return line,
            Ok(1) => line.push(char::from(byte[0])),
            Err(error) if is_temporary(&error) => {
                poll(&mut [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
            }
            other => panic!("{other:?} after {line:?}"),
        }
    }
}

fn until_gone(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let stat = Path::new("/proc").join(pid).join("stat");
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline, "process {pid} still exists");
        std::thread::yield_now();
    }
}

fn status(end: End) -> (Option<i32>, Option<i32>) {
    let End::Program(status) = end else { panic!("{end:?}") };
    (status.code(), status.signal())
}

#[test]
fn reports_exit_code_and_signal_of_the_program() {
    assert_eq!(status(Program::spawn(shell("exit 7")).unwrap().wait()), (Some(7), None));
    assert_eq!(status(Program::spawn(shell("kill -SEGV $$")).unwrap().wait()), (None, Some(11)));
}

#[test]
fn returns_error_of_program_that_cannot_be_started() {
    let error = Program::spawn(Command::new("/nonexistent")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(!is_resource_shortage(&error));
    assert!(is_resource_shortage(&Errno::EAGAIN.into()) && is_resource_shortage(&Errno::EMFILE.into()));
}

#[test]
fn end_does_not_wait_for_descendants() {
    let mut program = Program::spawn(shell("sleep 1000 & echo $!")).unwrap();
    let left = line(&mut program);
    assert_eq!(status(program.wait()), (Some(0), None));
    assert!(program.left_descendants());
    assert_eq!(status(program.kill()), (Some(0), None));
    until_gone(&left);
}

#[test]
fn kill_reaches_other_groups_and_sessions() {
    for wrapper in ["", "timeout 1000 ", "setsid ", "setsid setsid timeout 1000 "] {
        let script = format!("{wrapper}sh -c 'echo $$; sleep 1000 & wait' & wait");
        let mut program = Program::spawn(shell(&script)).unwrap();
        let deep = line(&mut program);
        program.kill();
        until_gone(&deep);
    }
}

#[test]
fn drop_kills_the_program() {
    let mut program = Program::spawn(shell("echo $$; sleep 1000")).unwrap();
    let pid = line(&mut program);
    drop(program);
    until_gone(&pid);
}

#[test]
fn stopped_guard_kills_the_program() {
    let mut program = Program::spawn(shell("echo $$; sleep 1000")).unwrap();
    let pid = line(&mut program);
    let guard = program.guard.as_ref().unwrap().id().cast_signed();
    kill(Pid::from_raw(guard), Signal::SIGSTOP).unwrap();
    program.kill();
    until_gone(&pid);
}

#[test]
fn killed_guard_is_distinguished_from_end_of_program() {
    let mut program = Program::spawn(shell("echo $$; exec sleep 1000")).unwrap();
    let pid = line(&mut program);
    let guard = program.guard.as_ref().unwrap().id().cast_signed();
    kill(Pid::from_raw(guard), Signal::SIGKILL).unwrap();
    assert!(matches!(program.wait(), End::Guard(status) if status.signal() == Some(9)));
    until_gone(&pid);
}

#[test]
fn lingering_guards_are_reaped_later() {
    let mut program = Program::spawn(shell("sleep 1000 & echo $!")).unwrap();
    let left = line(&mut program);
    program.wait();
    let guard = program.guard.as_ref().unwrap().id().to_string();
    drop(program);
    kill(Pid::from_raw(left.parse().unwrap()), Signal::SIGKILL).unwrap();
    until_gone(&guard);
    Program::spawn(shell("exit 0")).unwrap().wait();
    assert!(!Path::new("/proc").join(&guard).exists());
}

#[test]
fn program_is_in_callers_group_with_no_signal_blocked() {
    let mut command = shell("cut -d ' ' -f 5 /proc/$$/stat; grep SigBlk /proc/self/status");
    command.arg0("sh");
    let mut program = Program::spawn(command).unwrap();
    assert_eq!(line(&mut program), nix::unistd::getpgrp().to_string());
    assert_eq!(line(&mut program), "SigBlk:\t0000000000000000");
    program.wait();
}
