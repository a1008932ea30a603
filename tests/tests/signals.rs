//! Runs that are ended by signals or by their reader.

use std::{
    io::{Read, Write},
    os::unix::process::CommandExt,
    process::Stdio,
    time::{Duration, Instant},
};

use end_to_end::{
    gcd_jobs,
    pipe::{Pipe, read_to_end},
    runner, shell_jobs,
};
use nix::sys::signal::Signal;

const SLEEPERS: &str = "{\"op\":\"sum\",\"n\":4}\n\
                        {\"op\":\"sleep\",\"seconds\":1000}\n\
                        {\"op\":\"sleep\",\"seconds\":0.8}\n\
                        {\"op\":\"sleep\",\"seconds\":1000}\n\
                        {\"op\":\"sum\",\"n\":4}\n";

/// Starts a run and sends it a signal as soon as two workers are busy.
fn signalled(executor: &str, signal: Signal) -> end_to_end::Output {
    let call = runner(["-w", "2", "--executor", executor]).stdin(SLEEPERS);
    let mut run = call.start();
    if executor == "processes" {
        run.wait_until("two workers have started", |run| run.workers().len() == 2);
    }
    // All jobs that can complete have completed then.
    run.wait_until_idle();
    run.signal(signal);
    run.wait()
}

#[test]
fn first_signal_starts_the_grace_period_and_every_job_has_a_record() {
    for (signal, number) in [(Signal::SIGINT, 2), (Signal::SIGTERM, 15), (Signal::SIGHUP, 1)] {
        let output = signalled("processes", signal);
        assert_eq!(output.signal(), number, "{}", output.stderr);
        assert_eq!(output.kinds(), ["ok", "cancelled", "ok", "cancelled", "cancelled"]);
        assert!(output.elapsed < Duration::from_secs(4), "{:?}", output.elapsed);
    }
}

#[test]
fn threads_and_serial_end_by_a_signal() {
    let output = signalled("threads", Signal::SIGINT);
    assert_eq!(output.signal(), 2);
    assert_eq!(output.kinds().len(), 5);
    assert!(output.elapsed < Duration::from_secs(4), "{:?}", output.elapsed);
    let output = signalled("serial", Signal::SIGINT);
    assert_eq!(output.signal(), 2);
    assert_eq!(output.kinds()[0].as_str(), "ok");
    assert!(output.elapsed < Duration::from_secs(4), "{:?}", output.elapsed);
}

#[test]
fn second_signal_ends_the_run_immediately() {
    let mut run = runner(["-w", "2"]).stdin(SLEEPERS).start();
    run.wait_until("two workers have started", |run| run.workers().len() == 2);
    run.signal(Signal::SIGINT);
    run.wait_until("the signal is handled", |run| !run.has_pending_signals());
    run.signal(Signal::SIGTERM);
    let output = run.wait();
    assert_eq!(output.signal(), 2, "not ended by the first signal");
    assert_eq!(output.kinds().len(), 5);
    assert!(output.elapsed < Duration::from_secs(1), "{:?}", output.elapsed);
}

#[test]
fn run_waiting_for_input_can_be_interrupted() {
    for executor in ["processes", "threads", "serial"] {
        let mut run =
            runner(["-w", "2", "--executor", executor]).with(|c| c.stdin(Stdio::piped())).start_raw();
        let mut input = run.child.stdin.take().unwrap();
        input.write_all(b"{\"op\":\"sum\",\"n\":4}\n").unwrap();
        let mut line = [0; 30];
        run.child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
        run.signal(Signal::SIGINT);
        let output = run.wait();
        assert_eq!(output.signal(), 2);
        assert!(output.elapsed < Duration::from_secs(2));
        drop(input);
    }
}

#[test]
fn inherited_ignored_signal_stays_ignored() {
    let ignore = |command: &mut std::process::Command| {
        // SAFETY: setting a disposition is safe between fork and exec.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                Ok(())
            });
        }
    };
    let call = runner(["-w", "1"]).stdin("{\"op\":\"sleep\",\"seconds\":0.5}").with(|c| {
        ignore(c);
        c
    });
    let mut run = call.start();
    run.wait_until("the worker has started", |run| run.workers().len() == 1);
    run.signal(Signal::SIGHUP);
    let output = run.wait();
    assert_eq!(output.code(), 0);
    assert_eq!(output.kinds(), ["ok"]);
}

#[test]
fn workers_ignore_an_interrupt_of_the_process_group() {
    let mut run = runner(["-w", "2"]).stdin(SLEEPERS).start();
    run.wait_until("two workers have started", |run| run.workers().len() == 2);
    run.wait_until_idle();
    for worker in run.workers() {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(worker), Signal::SIGINT).unwrap();
    }
    run.signal(Signal::SIGINT);
    let output = run.wait();
    assert_eq!(output.kinds(), ["ok", "cancelled", "ok", "cancelled", "cancelled"]);
}

#[test]
fn closed_output_ends_the_run_quietly() {
    let (jobs, _) = gcd_jobs(200_000);
    for executor in ["processes", "threads", "serial"] {
        let folder = tempfile::tempdir().unwrap();
        let stderr = std::fs::File::create(folder.path().join("stderr")).unwrap();
        let call = runner(["-w", "2", "--executor", executor]).stdin(jobs.clone());
        let mut run = call.start_with_input_and_stderr(stderr.into());
        let mut line = [0; 25];
        let mut stdout = run.child.stdout.take().unwrap();
        stdout.read_exact(&mut line).unwrap();
        drop(stdout);
        let output = run.wait();
        assert_eq!(output.signal(), 13, "{executor}");
        assert_eq!(std::fs::read_to_string(folder.path().join("stderr")).unwrap(), "");
    }
}

#[test]
fn programs_end_with_an_interrupted_run() {
    let mut run = runner(["-w", "2", "--allow-command"]).stdin(shell_jobs(&["sleep 1000 & wait"; 2])).start();
    run.wait_until("two workers have started", |run| run.workers().len() == 2);
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGINT);
    assert_eq!(run.wait().kinds().len(), 2);
}

#[test]
fn run_waiting_to_open_a_fifo_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for arguments in [vec![pipe.as_os_str()], vec!["-o".as_ref(), pipe.as_os_str()]] {
        let mut run = runner(arguments).start();
        run.wait_until_idle();
        run.signal(Signal::SIGINT);
        assert_eq!(run.wait().signal(), 2);
    }
}

#[test]
fn second_signal_ends_a_run_blocked_on_its_output() {
    let (jobs, _) = gcd_jobs(100_000);
    let mut run = runner(["-w", "2"]).stdin(jobs).start_with_input();
    run.wait_until_idle();
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGTERM);
    let output = run.wait();
    assert_eq!(output.signal(), 2);
    assert!(output.elapsed < Duration::from_secs(10), "{:?}", output.elapsed);
}

/// Starts a program whose standard error is not read, and waits until it blocks on writing to it, near its
/// end.
fn start_blocked(call: end_to_end::Call) -> (end_to_end::Running, Pipe) {
    let Pipe { reader, writer } = Pipe::new().filled();
    let kept = writer.try_clone().unwrap();
    let mut run = call.with(|c| c.stderr(writer)).start();
    run.wait_until("it is blocked on the pipe", |run| run.is_writing_to_a_pipe());
    (run, Pipe { reader, writer: kept })
}

#[test]
fn first_signal_waits_for_the_reader_of_the_summary() {
    let (mut run, Pipe { reader, writer }) =
        start_blocked(runner(["-w", "1"]).stdin("{\"op\":\"sum\",\"n\":4}"));
    run.signal(Signal::SIGTERM);
    run.wait_until("the signal is handled", |run| !run.has_pending_signals());
    run.wait_until_idle();
    assert!(run.child.try_wait().unwrap().is_none(), "exited before the summary was read");
    drop(writer);
    let stderr = read_to_end(reader);
    assert!(stderr.contains("1 job in "), "{stderr}");
    let output = run.wait();
    assert_eq!(output.signal(), 15);
    assert_eq!(output.kinds(), ["ok"]);
}

#[test]
fn second_signal_does_not_wait_for_the_reader_of_messages() {
    let sum = "{\"op\":\"sum\",\"n\":4}\n";
    for (arguments, input) in [
        (&["-w", "1"][..], sum.to_owned()),
        (&["--executor", "threads"], sum.to_owned()),
        (&["-q", "--stats", "--executor", "serial"], sum.to_owned()),
        // While input is read, and while jobs run.
        (&["-v", "-w", "1"], format!("{sum}wrong\n")),
        (&["-w", "2", "--time-limit", "0.1"], SLEEPERS.to_owned()),
        (&["-w", "2", "--fail-fast"], format!("wrong\n{SLEEPERS}")),
        (&["-w", "2", "--progress", "always"], SLEEPERS.to_owned()),
        (&["--dry-run"], sum.to_owned()),
        (&["advise", "-w", "1"], "wrong\n".to_owned()),
        (&["missing"], String::new()),
        (&["--unknown"], String::new()),
        (&["factor"], "wrong\n".to_owned()),
        (&["factor", "--unknown"], String::new()),
        (&["gcd"], "wrong\n".to_owned()),
        (&["bench", "--unknown"], String::new()),
        (&["bench", "--json", "/missing/file"], String::new()),
    ] {
        let (mut run, _pipe) = start_blocked(runner(arguments).stdin(input));
        run.signal_twice();
        let start = Instant::now();
        assert_eq!(run.wait().signal(), 2, "{arguments:?}");
        assert!(start.elapsed() < Duration::from_secs(10), "{arguments:?}");
    }
}

#[test]
fn two_signals_end_a_run_blocked_on_its_statistics() {
    for option in ["--stats-file", "--trace"] {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let call = runner(["-w", "1", "-q", "--stats", option]).stdin("{\"op\":\"sum\",\"n\":4}");
        let mut run = call.with(|c| c.arg(&pipe)).start();
        run.wait_until_idle();
        run.signal_twice();
        assert_eq!(run.wait().signal(), 2, "{option}");
    }
}

#[test]
fn two_signals_end_commands_blocked_on_their_output() {
    let jobs = gcd_jobs(100_000).0;
    let numbers: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    for (arguments, input) in [
        (&["-w", "2"][..], &jobs),
        (&["--executor", "threads"], &jobs),
        (&["--executor", "serial"], &jobs),
        (&["factor"], &numbers),
        (&["gcd"], &numbers),
        (&["completions", "bash"], &String::new()),
        (&["advise", "-w", "1"], &"{\"op\":\"sum\",\"n\":4}\n".to_owned()),
    ] {
        let Pipe { reader, writer } = Pipe::new().filled();
        // Standard error is not read either.
        let Pipe { reader: stderr_reader, writer: stderr } = Pipe::new().filled();
        let call = runner(arguments).stdin(input.clone()).with(|c| c.stdout(writer).stderr(stderr));
        let mut run = call.start();
        run.wait_until("it is blocked on the pipe", |run| run.is_writing_to_a_pipe());
        run.signal_twice();
        let start = Instant::now();
        assert_eq!(run.wait().signal(), 2, "{arguments:?}");
        assert!(start.elapsed() < Duration::from_secs(10), "{arguments:?}");
        drop((reader, stderr_reader));
    }
}

#[test]
fn run_blocked_on_its_summary_can_be_suspended() {
    let (mut run, Pipe { reader, writer }) =
        start_blocked(runner(["-w", "1"]).stdin("{\"op\":\"sum\",\"n\":4}"));
    run.signal(Signal::SIGTSTP);
    run.wait_until("it is stopped", |run| run.state(run.pid()) == Some('T'));
    run.signal(Signal::SIGCONT);
    run.wait_until("it is continued", |run| run.state(run.pid()) != Some('T'));
    drop(writer);
    assert!(read_to_end(reader).contains("1 job in "));
    assert_eq!(run.wait().code(), 0);
}
