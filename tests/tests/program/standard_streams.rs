//! Standard streams that are shared with other processes: non-blocking descriptors, pipes with several
//! writers.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Stdio,
    thread,
};

use end_to_end::{
    Call, gcd_jobs,
    pipe::{Pipe, read_to_end, set_blocking},
    runner,
};

/// Maximum size in bytes of an atomic write to a pipe.
const PIPE_BUF: usize = libc::PIPE_BUF;

fn numbers(count: u32) -> String {
    (1..=count).map(|number| format!("{number}\n")).collect()
}

/// Starts a program with standard output to `writer`, waits until it is blocked on its reader, and reads
/// everything. Returns the output, the exit code and standard error.
fn read_late(call: Call, writer: impl Into<Stdio>, reader: impl Read + Send) -> (String, i32, String) {
    let mut run = call.with(|c| c.stdout(writer)).start();
    run.wait_until_idle();
    let output = read_to_end(reader);
    let ended = run.wait();
    (output, ended.code(), ended.stderr)
}

#[test]
fn non_blocking_output_is_complete() {
    let (jobs, records) = gcd_jobs(50_000);
    for executor in ["processes", "threads", "serial"] {
        let Pipe { reader, writer } = Pipe::new().with_nonblocking_writer();
        let call = runner(["-w", "2", "--executor", executor]).stdin(jobs.clone());
        let (output, code, stderr) = read_late(call, writer, reader);
        assert_eq!((output == records, code), (true, 0), "{executor}: {stderr}");
        assert!(stderr.contains("50000 jobs") && !stderr.contains("written"), "{stderr}");
    }
}

#[test]
fn output_to_a_non_blocking_socket_is_complete() {
    let (jobs, records) = gcd_jobs(50_000);
    let (reader, writer) = UnixStream::pair().unwrap();
    set_blocking(&writer, false);
    let (output, code, stderr) = read_late(runner(["-w", "2"]).stdin(jobs), OwnedFd::from(writer), reader);
    assert_eq!((output == records, code), (true, 0), "{stderr}");
}

#[test]
fn front_ends_wait_for_the_reader_of_a_non_blocking_pipe() {
    let pairs: String = (1..=50_000).map(|number| format!("{number} {}\n", 2 * number)).collect();
    for (front, input, lines) in [("factor", numbers(50_000), 50_000), ("gcd", pairs, 50_000)] {
        let Pipe { reader, writer } = Pipe::new().with_nonblocking_writer();
        let (output, code, stderr) = read_late(runner([front]).stdin(input), writer, reader);
        assert_eq!((output.lines().count(), code, stderr.as_str()), (lines, 0, ""), "{front}");
    }
}

#[test]
fn other_commands_wait_for_the_reader_of_a_non_blocking_pipe() {
    let bench = ["bench", "--quick", "--rounds", "1", "--run-time", "0.001", "-w", "1", "--only", "codec"];
    for (arguments, part) in [
        (&["completions", "bash"][..], "complete "),
        (&["man"], ".TH runner"),
        (&["--help"], "Exit codes:"),
        (&["factor", "--help"], "Usage: "),
        (&["--version"], "runner "),
        (&["advise"], "Run these jobs"),
        (&bench, "bincode"),
    ] {
        let Pipe { reader, writer } = Pipe::new().filled().with_nonblocking_writer();
        let call = runner(arguments).stdin(gcd_jobs(100).0);
        let (output, code, stderr) = read_late(call, writer, reader);
        assert_eq!((output.contains(part), code), (true, 0), "{arguments:?}: {stderr}");
    }
}

#[test]
fn messages_to_a_non_blocking_pipe_are_complete() {
    let wrong = "wrong\n".repeat(5_000);
    for (arguments, code, messages, last) in [
        (&["-v", "-w", "1"][..], 1, 5_001, "runner: 5000 jobs in "),
        (&["--dry-run", "-v"], 1, 5_001, "runner: 0 jobs, 5000 invalid"),
        (&["factor"], 1, 5_000, "factor: 'wrong' is not"),
        (&["gcd"], 1, 5_000, "gcd: 'wrong' is not"),
        (&["--unknown"], 2, 8, "For more information"),
        (&["bench", "--unknown"], 2, 5, "For more information"),
        (&["missing"], 3, 1, "runner: cannot open missing"),
    ] {
        let Pipe { reader, writer } = Pipe::new().filled().with_nonblocking_writer();
        let mut run = runner(arguments).stdin(wrong.clone()).with(|c| c.stderr(writer)).start();
        run.wait_until_idle();
        let written = read_to_end(reader);
        assert_eq!(written.lines().count(), messages, "{arguments:?}: {written}");
        assert_eq!(run.wait().code(), code, "{arguments:?}: {written}");
        assert!(written.lines().last().unwrap().starts_with(last), "{written}");
    }
}

#[test]
fn waits_for_non_blocking_input() {
    let job = "{\"op\":\"sum\",\"n\":3}\n";
    for (arguments, line, answers) in [
        (&["-w", "1"][..], job, "{\"id\":0,\"ok\":true,\"result\":6}"),
        (&["-w", "1", "--executor", "serial"], job, "{\"id\":0,\"ok\":true,\"result\":6}"),
        (&["factor"], "12\n", "12: 2 2 3"),
        (&["gcd"], "12 18\n", "6"),
    ] {
        let Pipe { reader, writer } = Pipe::new();
        set_blocking(&reader, false);
        let mut run = runner(arguments).with(|c| c.stdin(reader)).start_raw();
        let mut output = BufReader::new(run.child.stdout.take().unwrap());
        run.wait_until_idle();
        let mut writer = File::from(writer);
        let mut answer = String::new();
        writer.write_all(line.as_bytes()).unwrap();
        output.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim_end(), answers);
        // The second half of a line is written after the first has been read.
        writer.write_all(&line.as_bytes()[..1]).unwrap();
        run.wait_until_idle();
        writer.write_all(&line.as_bytes()[1..]).unwrap();
        drop(writer);
        assert_eq!(output.lines().count(), 1, "{arguments:?}");
        assert_eq!(run.wait().code(), 0, "{arguments:?}");
    }
}

#[test]
fn dry_run_and_advise_wait_for_non_blocking_input() {
    for arguments in [&["--dry-run"][..], &["advise", "-w", "1"]] {
        let Pipe { reader, writer } = Pipe::new();
        set_blocking(&reader, false);
        let mut run = runner(arguments).with(|c| c.stdin(reader)).start();
        run.wait_until_idle();
        File::from(writer).write_all(b"{\"op\":\"sum\",\"n\":3}\n").unwrap();
        let output = run.wait();
        assert_eq!(output.code(), 0, "{arguments:?}: {}", output.stderr);
    }
}

#[test]
fn summary_counts_written_records() {
    let (jobs, _) = gcd_jobs(50_000);
    let mut run =
        runner(["-w", "2"]).stdin(jobs).with(|c| c.stdout(File::create("/dev/full").unwrap())).start();
    run.wait_until_idle();
    let output = run.wait();
    assert_eq!(output.code(), 3);
    assert!(output.stderr.contains("; 0 records written; "), "{}", output.stderr);
}

/// Returns the data of each write to standard output.
fn writes(call: Call) -> Vec<Vec<u8>> {
    let Pipe { mut reader, writer } = Pipe::packet_mode();
    let run = call.with(|c| c.stdout(writer)).start();
    let reading = thread::spawn(move || {
        let (mut all, mut packet) = (Vec::new(), vec![0; PIPE_BUF]);
        while let Ok(count @ 1..) = reader.read(&mut packet) {
            all.push(packet[..count].to_vec());
        }
        all
    });
    assert_eq!(run.wait().code(), 0);
    reading.join().unwrap()
}

#[test]
fn each_write_to_a_pipe_contains_whole_lines() {
    let pairs: String = (1..=20_000).map(|number| format!("{number} {}\n", 2 * number)).collect();
    for (call, lines) in [
        (runner(["-w", "2"]).stdin(gcd_jobs(20_000).0), 20_000),
        (runner(["--executor", "serial"]).stdin(gcd_jobs(20_000).0), 20_000),
        (runner(["factor"]).stdin(numbers(20_000)), 20_000),
        (runner(["gcd"]).stdin(pairs), 20_000),
    ] {
        let writes = writes(call);
        assert!(writes.iter().all(|write| write.ends_with(b"\n")));
        assert_eq!(writes.concat().iter().filter(|&&byte| byte == b'\n').count(), lines);
    }
}

#[test]
fn line_longer_than_pipe_buf_is_written_alone() {
    let long = format!("{{\"op\":\"gcd\",\"values\":[{}]}}\n", "7".repeat(9_000));
    let short = "{\"op\":\"gcd\",\"values\":[4,6]}\n";
    let input = format!("{short}{short}{long}{short}");
    let writes = writes(runner(["-w", "1", "--executor", "serial"]).stdin(input));
    let begins: Vec<bool> = writes.iter().map(|write| write.starts_with(b"{\"id\":2,")).collect();
    let first = begins.iter().position(|&begins| begins).expect("no write starts with the long line");
    assert!(writes[first - 1].ends_with(b"\n"));
    let end = writes[first..].iter().position(|write| write.ends_with(b"\n")).unwrap() + first;
    let line = writes[first..=end].concat();
    assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
    assert!(line.len() > 9_000, "{}", line.len());
}

#[test]
fn programs_that_share_a_pipe_do_not_mix_lines() {
    let Pipe { reader, writer } = Pipe::new();
    let mut runs: Vec<_> = (0..4)
        .map(|part| {
            let part: String =
                (0..25_000).map(|number| format!("{}\n", 1_000_000 + 4 * number + part)).collect();
            runner(["factor"]).stdin(part).with(|c| c.stdout(writer.try_clone().unwrap())).start()
        })
        .collect();
    drop(writer);
    // All programs are then blocked on the pipe and write in turns.
    runs.iter_mut().for_each(end_to_end::Running::wait_until_idle);
    let text = read_to_end(reader);
    for line in text.lines() {
        let (number, factors) = line.split_once(": ").unwrap_or_else(|| panic!("a torn line: {line}"));
        let product: u64 = factors.split(' ').map(|factor| factor.parse::<u64>().unwrap()).product();
        assert_eq!(number.parse::<u64>().unwrap(), product, "a torn line: {line}");
    }
    assert_eq!(text.lines().count(), 100_000);
    runs.into_iter().for_each(|run| assert_eq!(run.wait().code(), 0));
}

#[test]
fn warnings_are_written_with_one_call() {
    let Pipe { mut reader, writer } = Pipe::packet_mode();
    let run = runner(["-v", "-w", "1"]).stdin("wrong\n".repeat(10)).with(|c| c.stderr(writer)).start();
    assert_eq!(run.wait().code(), 1);
    let mut packet = vec![0; PIPE_BUF];
    while let Ok(count @ 1..) = reader.read(&mut packet) {
        assert!(packet[..count].starts_with(b"runner: ") && packet[..count].ends_with(b"\n"));
    }
}
