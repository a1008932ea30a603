//! `worker!`: the state of a worker that serves before `main`, in a program that uses a pool through a
//! library.

use std::process::Stdio;

use end_to_end::{Call, Output, program};

fn entry_probe(arguments: &[&str]) -> Output {
    Call::new(&program("entry-probe"), arguments).run()
}

/// Returns the second of two lines; the first is printed by `main`, so it ran in no worker.
fn result(output: &Output) -> &str {
    assert_eq!(output.code(), 0, "{}{}", output.text(), output.stderr);
    let lines: Vec<&str> = output.text().lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "main"), "{lines:?}");
    lines[1]
}

#[test]
fn worker_of_a_library_runs_nothing_of_main() {
    assert_eq!(result(&entry_probe(&["threads"])), "1");
}

#[test]
fn worker_ignores_sigpipe() {
    let output = entry_probe(&["ignored-signals"]);
    let mask = u64::from_str_radix(result(&output), 16).unwrap();
    assert_ne!(mask & 1 << (libc::SIGPIPE - 1), 0, "{mask:x}");
}

#[test]
fn closed_standard_streams_are_the_null_device() {
    let script = "exec \"$0\" descriptor 2 2>&-";
    let probe = program("entry-probe");
    let call = Call::new("/bin/sh".as_ref(), ["-c".as_ref(), script.as_ref(), probe.as_os_str()]);
    assert_eq!(result(&call.with(|command| command.stderr(Stdio::null())).run()), "/dev/null");
}

#[test]
fn stack_overflow_is_a_crash_and_is_reported() {
    let output = entry_probe(&["recurse"]);
    let error = result(&output);
    assert!(error.starts_with("error: the worker died") && error.contains("killed by signal 11"), "{error}");
    assert!(output.stderr.starts_with("stack overflow: the main thread of this worker"), "{}", output.stderr);
}

#[test]
fn output_of_jobs_is_flushed() {
    let output = entry_probe(&["print"]);
    assert_eq!((output.text(), &*output.stderr), ("main\n\n", "printed by a job\n"));
}
