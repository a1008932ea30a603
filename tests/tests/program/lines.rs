//! Lines parsed by several threads: the same records in the same order as with one thread.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
};

use end_to_end::{Call, gcd_jobs, runner};
use nix::sys::signal::Signal;

/// Numbers of parser threads besides the reader.
const PARSERS: [&str; 3] = ["0", "1", "8"];

fn with_parsers(parsers: &str, arguments: &[&str]) -> Call {
    runner(["--parsers", parsers, "-q", "-w", "2"]).with(|c| c.args(arguments))
}

/// Returns jobs of which every 50,000th line is invalid and followed by a blank line, and their records.
fn broken_jobs(count: usize) -> (String, String) {
    let (mut text, mut expected) = (String::new(), String::new());
    let (jobs, records) = gcd_jobs(count as u64);
    for (line, (job, record)) in (1..).zip(jobs.lines().zip(records.lines())) {
        if line % 50_000 == 0 {
            text += "{\"op\":\"gcd\",\"a\":1,}\n\n";
            // Each earlier invalid line has added a blank line.
            let shown = line + line / 50_000 - 1;
            expected += &format!(
                "{{\"id\":{},\"ok\":false,\"error\":{{\"kind\":\"invalid\",\
                 \"message\":\"invalid JSON: trailing comma\",\
                 \"file\":\"-\",\"line\":{shown},\"column\":19}}}}\n",
                line - 1
            );
        } else {
            text = text + job + "\n";
            expected = expected + record + "\n";
        }
    }
    (text, expected)
}

#[test]
fn records_and_errors_are_in_order() {
    let (jobs, expected) = broken_jobs(300_000);
    for parsers in PARSERS {
        let output = with_parsers(parsers, &[]).stdin(jobs.clone()).run();
        assert_eq!(output.code(), 1, "{}", output.stderr);
        let wrong = output.text().lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert_eq!(wrong, None, "{parsers} parsers");
        assert_eq!(output.text().len(), expected.len(), "{parsers} parsers");
    }
}

#[test]
fn first_invalid_line_is_the_last_record_of_a_strict_run() {
    let (jobs, expected) = broken_jobs(100_000);
    for parsers in PARSERS {
        let output = with_parsers(parsers, &["--strict"]).stdin(jobs.clone()).run();
        assert_eq!(output.code(), 1, "{}", output.stderr);
        let records = output.text().lines().count();
        assert_eq!(records, 50_000, "{parsers} parsers");
        assert_eq!(output.text().lines().last(), expected.lines().nth(49_999));
    }
}

#[test]
fn closed_output_ends_the_run() {
    let (jobs, _) = gcd_jobs(300_000);
    for parsers in PARSERS {
        let mut run = with_parsers(parsers, &[]).stdin(jobs.clone()).start_with_input();
        let mut first = String::new();
        BufReader::new(run.child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.starts_with("{\"id\":0,"), "{first}");
        assert_eq!(run.wait().signal(), Signal::SIGPIPE as i32, "{parsers} parsers");
    }
}

#[test]
fn interrupted_run_has_a_record_for_each_job_read() {
    // After the first job, only the jobs that may be in flight are read, and some chunks ahead.
    let jobs = format!("{{\"op\":\"sleep\",\"seconds\":1000}}\n{}", gcd_jobs(300_000).0);
    for parsers in PARSERS {
        let mut run = with_parsers(parsers, &[]).stdin(jobs.clone()).start_with_input();
        run.wait_until_idle();
        run.signal(Signal::SIGINT);
        let mut output = String::new();
        run.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        assert_eq!(run.wait().signal(), Signal::SIGINT as i32, "{parsers} parsers");
        let records = output.lines().count();
        assert!((1_000..10_000).contains(&records), "{records} records");
        assert!(output.lines().next().unwrap().contains("\"kind\":\"cancelled\""));
        for (position, record) in output.lines().enumerate() {
            assert!(record.starts_with(&format!("{{\"id\":{position},")), "{record} in place {position}");
        }
    }
}

#[test]
fn each_line_of_a_fifo_is_run_before_the_next_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for parsers in PARSERS {
        let fifo = folder.path().join(parsers);
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let call = with_parsers(parsers, &[]).with(|c| c.arg(&fifo).stdin(Stdio::null()));
        let mut run = call.start_raw();
        let mut input = File::options().write(true).open(&fifo).unwrap();
        let mut output = BufReader::new(run.child.stdout.take().unwrap());
        let mut next = |expected: &str| {
            let mut record = String::new();
            output.read_line(&mut record).unwrap();
            assert_eq!(record.trim_end(), expected, "{parsers} parsers");
        };
        // Enough jobs to start parsers, and then one by one.
        let (jobs, expected) = gcd_jobs(1_500);
        input.write_all(jobs.as_bytes()).unwrap();
        expected.lines().for_each(&mut next);
        for n in 0..10 {
            writeln!(input, "{{\"op\":\"sum\",\"n\":{n}}}").unwrap();
            next(&format!("{{\"id\":{},\"ok\":true,\"result\":{}}}", 1_500 + n, n * (n + 1) / 2));
        }
        drop(input);
        assert_eq!(output.read_to_end(&mut Vec::new()).unwrap(), 0);
        assert_eq!(run.wait().code(), 0);
    }
}

#[test]
fn inputs_of_different_formats_are_one_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (jobs, expected) = gcd_jobs(60_000);
    let lines: Vec<&str> = jobs.lines().collect();
    let first = file("first", &lines[..20_000].join("\n"));
    let array = file("array", &format!("[{}]", lines[20_000..40_000].join(",\n")));
    for parsers in PARSERS {
        let call = with_parsers(parsers, &[]).with(|c| c.args([&first, &array]).arg("-"));
        let output = call.stdin(lines[40_000..].join("\r\n")).run();
        assert!(output.text() == expected, "{parsers} parsers: {}", output.stderr);
    }
}
