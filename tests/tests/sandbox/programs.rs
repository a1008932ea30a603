//! Programs in the sandbox: those of `command` jobs and of user-defined ops.

use std::fs;

use end_to_end::{Output, runner, shell_jobs};

const LEVELS: [&str; 2] = ["best-effort", "strict"];

/// Runs shell scripts as `command` jobs.
fn scripts(level: &str, more: &[&str], scripts: &[&str]) -> Output {
    let arguments = [&["-w", "1", "--allow-command", "--retries", "0", "--sandbox", level], more].concat();
    let output = runner(arguments).stdin(shell_jobs(scripts)).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    output
}

/// Returns the exit codes of the scripts.
fn codes(output: &Output) -> Vec<i64> {
    output.records().iter().map(|record| record["result"]["exit_code"].as_i64().unwrap_or(-1)).collect()
}

#[test]
fn programs_read_and_execute_everywhere_and_write_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file").display().to_string();
    fs::write(&file, "data").unwrap();
    let (read, write) = (format!("cat {file} | grep -q data"), format!("echo x > {file}"));
    let (create, remove) = (format!("echo x > {file}.new"), format!("rm -f {file}"));
    let chmod = format!("chmod 700 {file}");
    let allowed =
        [read.as_str(), "ls / > /dev/null", "echo x > /dev/null", "sh -c 'sh -c true'", "sleep 0.01 & wait"];
    let forbidden = [&write, &create, &remove, &chmod];
    for level in LEVELS {
        assert_eq!(codes(&scripts(level, &[], &allowed)), [0; 5], "{level}");
        let failed = codes(&scripts(level, &[], &forbidden.map(String::as_str)));
        assert!(failed.iter().all(|&code| code > 0), "{level}: {failed:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "data");
    }
    assert_eq!(codes(&scripts("off", &[], &[&create])), [0]);
}

#[test]
fn paths_can_be_made_writable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    for level in LEVELS {
        let script = format!(
            "mkdir {path}/{level} && echo x > {path}/{level}/file && mv {path}/{level} {path}/moved-{level}"
        );
        let output = scripts(level, &["--sandbox-write", &path], &[&script]);
        assert_eq!(codes(&output), [0], "{}", output.text());
    }
}

#[test]
fn programs_have_no_network_unless_it_is_allowed() {
    // Python's `socket` is the plainest way to make the call.
    let script = "python3 -c 'import socket; socket.socket().close()'";
    for level in LEVELS {
        let output = scripts(level, &[], &[script]);
        assert_eq!(codes(&output), [1], "{level}");
        assert!(output.text().contains("PermissionError"), "{}", output.text());
        assert_eq!(codes(&scripts(level, &["--sandbox-net"], &[script])), [0], "{level}");
    }
}

#[test]
fn programs_cannot_signal_processes_outside() {
    if sys::confinement::landlock_version() < 6 {
        println!("not tested: this kernel cannot restrict signals");
        return;
    }
    for level in LEVELS {
        // The worker is the parent of the guard; the program's own child may be signalled.
        let output = scripts(level, &[], &["kill -0 $PPID", "sleep 100 & kill $!", "kill -0 1"]);
        assert_eq!(codes(&output), [1, 0, 1], "{level}: {}", output.text());
    }
}

#[test]
fn programs_get_no_privileges_and_no_descriptors() {
    let descriptors = "for fd in /proc/self/fd/*; do [ -e $fd ] && echo ${fd##*/}; done";
    for level in LEVELS {
        let output = scripts(level, &[], &["grep NoNewPrivs /proc/self/status", descriptors, "ulimit -c"]);
        let records = output.records();
        let stdout = |place: usize| records[place]["result"]["stdout"].as_str().unwrap().to_owned();
        assert_eq!(stdout(0).split_whitespace().nth(1), Some("1"));
        assert_eq!(stdout(1).split_whitespace().collect::<Vec<_>>(), ["0", "1", "2"], "{level}");
        assert_eq!(stdout(2).trim(), "0");
    }
}

#[test]
fn user_defined_ops_are_confined() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file").display().to_string();
    let script = format!("while read -r line; do echo $line >> {file} && echo wrote || echo refused; done");
    for level in LEVELS {
        let arguments = ["each", "-w", "1", "--sandbox", level, "--", "sh", "-c", &script];
        let output = runner(arguments).stdin("a\nb\n").run();
        assert_eq!((output.code(), output.text()), (0, "refused\nrefused\n"), "{}", output.stderr);
        let arguments =
            ["each", "-w", "1", "--sandbox", level, "--sandbox-write", folder.path().to_str().unwrap(), "--"];
        let arguments = [&arguments[..], &["sh", "-c", &script]].concat();
        let output = runner(arguments).stdin("a\nb\n").run();
        assert_eq!((output.code(), output.text()), (0, "wrote\nwrote\n"), "{}", output.stderr);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "a\nb\na\nb\n");
}

#[test]
fn replies_on_another_descriptor_work() {
    let script = "while read -r line; do echo $((line * 2)) >&3; done";
    for level in LEVELS {
        let arguments = ["each", "-w", "1", "--reply-fd", "3", "--sandbox", level, "--", "sh", "-c", script];
        let output = runner(arguments).stdin("1\n2\n").run();
        assert_eq!((output.code(), output.text()), (0, "2\n4\n"), "{}", output.stderr);
    }
}
