use std::{fs::File, io::Write, path::Path, sync::mpsc::channel};

use clap::Parser;
use nix::{sys::stat::Mode, unistd::mkfifo};

use crate::{
    args::Arguments,
    plan::Plan,
    run::{Files, JobConsumer, JobReader, ReadEnd, ReadJob},
    thread_timers::ThreadTimers,
};

/// Numbers of parser threads to test with.
const THREADS: [usize; 4] = [0, 1, 3, 8];

/// Passes each job or parse error on as a line of text.
struct DescribeJobs<F>(F);

impl<F: FnMut(String) -> Result<(), ReadEnd>> JobConsumer for DescribeJobs<F> {
    fn consume(&mut self, job: ReadJob, text: &[u8], _: &str) -> Result<(), ReadEnd> {
        self.0(match job {
            Ok(job) => format!("{} {:?}", String::from_utf8_lossy(text), job.id),
            Err((error, place)) => format!("{}:{} {}", place.line, place.column, error.message),
        })
    }
}

fn read(
    path: &Path,
    threads: usize,
    lines: impl FnMut(String) -> Result<(), ReadEnd>,
) -> Result<(), ReadEnd> {
    let parsers = format!("--parsers={threads}");
    let words = ["runner".as_ref(), "-q".as_ref(), parsers.as_ref(), path.as_os_str()];
    let plan = Plan::new(Arguments::try_parse_from(words).unwrap()).unwrap();
    let sources = Files::open(&plan).map(|files| files.sources).map_err(ReadEnd::Failed)?;
    JobReader::new(&plan)
        .with_parsers(&plan, ThreadTimers::new(threads))
        .read_all(sources, &mut DescribeJobs(lines))
}

fn all(path: &Path, threads: usize) -> Vec<String> {
    let mut found = Vec::new();
    read(path, threads, |lines| {
        found.push(lines);
        Ok(())
    })
    .unwrap();
    found
}

/// Returns lines of different lengths; every 97th is invalid, and every 101st blank. Also returns the
/// expected results.
fn lines(count: usize) -> (String, Vec<String>) {
    let (mut text, mut expected) = (String::new(), Vec::new());
    for number in 1..=count {
        if number % 101 == 0 {
            text.push_str(" \r\n");
        } else if number % 97 == 0 {
            text.push_str("  {\"op\":\"sum\",\"n\":]\n");
            expected.push(format!("{number}:19 invalid JSON: expected value"));
        } else {
            let line = format!("{{\"op\":\"sum\",\"n\":{}}}", number.pow(number as u32 % 5));
            expected.push(format!("{line} None"));
            text.push_str(&line);
            text.push('\n');
        }
    }
    (text, expected)
}

#[test]
fn lines_keep_order_and_location_for_any_number_of_threads() {
    let (text, expected) = lines(50_000);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    // The last line has no newline.
    file.write_all(text.trim_end().as_bytes()).unwrap();
    for threads in THREADS {
        let found = all(file.path(), threads);
        let wrong = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert_eq!((wrong, found.len()), (None, expected.len()), "{threads} threads");
    }
}

#[test]
fn reading_ends_when_the_consumer_is_closed() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(lines(50_000).0.as_bytes()).unwrap();
    for threads in THREADS {
        let mut taken = 0;
        let end = read(file.path(), threads, |_| {
            taken += 1;
            if taken == 20_000 { Err(ReadEnd::Closed) } else { Ok(()) }
        });
        assert!(matches!(end, Err(ReadEnd::Closed)), "{threads} threads: {end:?}");
        assert_eq!(taken, 20_000, "{threads} threads");
    }
}

#[test]
fn passes_a_line_on_before_the_next_one_arrives() {
    let folder = tempfile::tempdir().unwrap();
    for threads in THREADS {
        let path = folder.path().join(format!("pipe{threads}"));
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let (sender, received) = channel();
        let reading = std::thread::spawn({
            let path = path.clone();
            move || read(&path, threads, |line| sender.send(line).map_err(|_| ReadEnd::Closed))
        });
        let mut writer = File::options().write(true).open(&path).unwrap();
        // First many lines at once, then one at a time, then a part of a line.
        let (text, expected) = lines(5_000);
        writer.write_all(text.as_bytes()).unwrap();
        expected.iter().for_each(|line| assert_eq!(received.recv().as_ref(), Ok(line)));
        for n in 0..20 {
            writeln!(writer, "{{\"op\":\"sum\",\"n\":{n}}}").unwrap();
            assert_eq!(received.recv().unwrap(), format!("{{\"op\":\"sum\",\"n\":{n}}} None"));
        }
        writer.write_all(b"{\"op\":\"sum\",\n7").unwrap();
        assert!(received.recv().unwrap().starts_with("5021:"));
        drop(writer);
        assert!(received.recv().unwrap().starts_with("5022:1 "));
        assert!(reading.join().unwrap().is_ok());
        assert!(received.recv().is_err());
    }
}
