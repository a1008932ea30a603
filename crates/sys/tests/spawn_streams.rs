//! Standard output and standard error of started processes.

#![allow(clippy::unwrap_used)]

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd},
    process::Command,
};

use job::DeathCause;
use sys::spawn::ProcessBuilder;

fn shell(script: &str) -> ProcessBuilder {
    let mut builder = ProcessBuilder::new("/bin/sh");
    builder.args(["-c", script]);
    builder
}

/// Runs the process and drops the builder, so that this process has no copies of its streams.
fn run(builder: ProcessBuilder) {
    run_with(builder, &File::open("/dev/null").unwrap());
}

fn run_with(builder: ProcessBuilder, keep: &File) {
    let process = builder.spawn(keep.as_fd()).unwrap();
    assert_eq!(process.reap().unwrap().cause, DeathCause::Exited(0));
}

fn read(mut pipe: io::PipeReader) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn each_stream_is_replaced() {
    let (output, to_output) = io::pipe().unwrap();
    let (error, to_error) = io::pipe().unwrap();
    let mut builder = shell("echo out; echo err >&2");
    builder.stdout(to_output).unwrap().stderr(to_error).unwrap();
    run(builder);
    assert_eq!((read(output), read(error)), ("out\n".to_owned(), "err\n".to_owned()));
}

#[test]
fn both_streams_may_be_one_pipe() {
    let (output, to_output) = io::pipe().unwrap();
    let mut builder = shell("echo out; echo err >&2");
    builder.stdout(to_output.try_clone().unwrap()).unwrap().stderr(to_output).unwrap();
    run(builder);
    assert_eq!(read(output), "out\nerr\n");
}

#[test]
fn only_the_standard_streams_are_inherited() {
    let (output, to_output) = io::pipe().unwrap();
    let copy = to_output.as_raw_fd();
    let mut builder =
        shell(&format!("if [ -e /proc/self/fd/{copy} ]; then echo inherited; else echo not; fi"));
    builder.stdout(to_output).unwrap();
    run(builder);
    assert_eq!(read(output), "not\n");
}

/// Runs this test binary again with closed standard streams; there, pipes get their numbers.
#[test]
fn descriptors_with_the_numbers_of_standard_streams_are_moved() {
    const MARK: &str = "CLOSED_STREAMS";
    if std::env::var_os(MARK).is_none() {
        let name = "descriptors_with_the_numbers_of_standard_streams_are_moved";
        let mut again = Command::new(std::env::current_exe().unwrap());
        assert!(again.args(["--exact", name, "--nocapture"]).env(MARK, "1").status().unwrap().success());
        return;
    }
    let keep = File::open("/dev/null").unwrap();
    // The first pipe gets the numbers of standard input and output.
    nix::unistd::close(0).unwrap();
    nix::unistd::close(1).unwrap();
    let (output, to_output) = io::pipe().unwrap();
    assert_eq!(to_output.as_raw_fd(), 1);
    let mut builder = shell("echo out");
    builder.stdout(to_output).unwrap();
    run_with(builder, &keep);
    assert_eq!(read(output), "out\n");
}
