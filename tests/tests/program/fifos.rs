//! FIFOs as inputs and outputs: the order in which they are opened, and waiting for the other end.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Stdio,
    thread::{self, JoinHandle},
};

use end_to_end::gcd_jobs;
use nix::sys::signal::Signal;

use super::folder::{Folder, JOB, RECORD};

/// Opens each FIFO and writes to it, on a separate thread: if the run never reads, the time limit kills it.
fn feed(fifos: &[&Path], text: &str) {
    let (fifos, text) = (fifos.iter().map(|fifo| fifo.to_path_buf()).collect::<Vec<_>>(), text.to_owned());
    thread::spawn(move || {
        for fifo in fifos {
            File::options().write(true).open(fifo).unwrap().write_all(text.as_bytes()).unwrap();
        }
    });
}

/// Reads FIFOs, one after another, on a separate thread.
fn drain(fifos: &[&Path]) -> JoinHandle<Vec<String>> {
    let fifos: Vec<_> = fifos.iter().map(|fifo| fifo.to_path_buf()).collect();
    thread::spawn(move || fifos.iter().map(|fifo| fs::read_to_string(fifo).unwrap()).collect())
}

#[test]
fn fifos_of_one_writer_are_read_in_sequence() {
    let folder = Folder::new();
    let (jobs, _) = gcd_jobs(20_000);
    assert!(jobs.len() > 4 << 16, "less than fits into a pipe");
    let (one, two) = (folder.fifo("one"), folder.fifo("two"));
    for (more, records) in
        [(&["-w", "2"][..], 40_000), (&["--executor", "serial"], 40_000), (&["--dry-run"], 0)]
    {
        let run = folder.runner(&[&["one", "two"][..], more].concat()).start();
        feed(&[&one, &two], &jobs);
        let output = run.wait();
        assert_eq!(output.code(), 0, "{}", output.stderr);
        assert_eq!(output.text().lines().count(), records, "{}", output.stderr);
        assert!(output.stderr.contains("40000 jobs"), "{}", output.stderr);
    }
}

#[test]
fn jobs_run_while_the_next_input_is_not_open_yet() {
    let folder = Folder::new();
    let input = folder.fifo("input");
    let mut run = folder.runner(&["jobs", "input", "-w", "1", "-o", "results"]).start();
    run.wait_until("the first record is written", |_| {
        fs::read_to_string(folder.path("results")).is_ok_and(|text| text == RECORD)
    });
    feed(&[&input], JOB);
    assert_eq!(run.wait().code(), 0);
    assert_eq!(folder.text("results").lines().count(), 2);
    // A missing input is detected before any job runs, even after a FIFO.
    let marker = folder.path("marker");
    folder.put("script", &end_to_end::shell_jobs(&[&format!("touch {}", marker.display())]));
    let output = folder.runner(&["script", "input", "missing", "--allow-command"]).run();
    assert_eq!(output.code(), 3);
    assert!(!(marker.exists()));
}

#[test]
fn peer_may_open_the_input_before_the_output() {
    let folder = Folder::new();
    let (input, output) = (folder.fifo("input"), folder.fifo("output"));
    let run = folder.runner(&["input", "-o", "output"]).start();
    let peer = thread::spawn(move || {
        File::options().write(true).open(input).unwrap().write_all(JOB.as_bytes()).unwrap();
        fs::read_to_string(output).unwrap()
    });
    assert_eq!(run.wait().code(), 0);
    assert_eq!(peer.join().unwrap(), RECORD);
}

#[test]
fn statistics_and_timeline_may_be_fifos() {
    let folder = Folder::new();
    let (stats, trace) = (folder.fifo("stats"), folder.fifo("trace"));
    let run = folder.runner(&["jobs", "--stats=json", "--stats-file", "stats", "--trace", "trace"]).start();
    // In the order in which they are written.
    let read = drain(&[&trace, &stats]);
    assert_eq!(run.wait().text(), RECORD);
    for text in read.join().unwrap() {
        assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap().is_object());
    }
}

/// Returns runs with a FIFO whose other end is never opened, each in a different role, and their output.
fn waiting_runs(folder: &Folder) -> Vec<(Vec<&'static str>, &'static str)> {
    folder.fifo("fifo");
    folder.put("other", JOB);
    vec![
        (vec!["fifo"], ""),
        (vec!["jobs", "fifo"], RECORD),
        (vec!["jobs", "-o", "fifo"], ""),
        (vec!["jobs", "--stats", "--stats-file", "fifo"], RECORD),
        (vec!["jobs", "--trace", "fifo"], RECORD),
    ]
}

#[test]
fn signal_ends_waiting_for_the_other_end_of_a_fifo() {
    let folder = Folder::new();
    for (arguments, expected) in waiting_runs(&folder) {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let mut run = folder.runner(&arguments).start();
            run.wait_until_idle();
            run.signal(signal);
            let output = run.wait();
            assert_eq!(output.signal(), signal as i32, "{arguments:?}");
            assert_eq!(output.text(), expected, "{arguments:?}");
        }
    }
}

#[test]
fn time_limit_ends_waiting_for_the_other_end_of_a_fifo() {
    let folder = Folder::new();
    for (arguments, expected) in waiting_runs(&folder) {
        let output = folder.runner(&arguments).with(|c| c.args(["-w", "1", "--time-limit", "0.7"])).run();
        assert_eq!(output.code(), 1, "{arguments:?}: {}", output.stderr);
        assert_eq!(output.text(), expected, "{arguments:?}: {}", output.stderr);
        assert!(output.stderr.contains("time limit of 0.7 s reached"), "{arguments:?}: {}", output.stderr);
    }
}

#[test]
fn special_file_that_cannot_be_opened_fails_in_sequence() {
    let folder = Folder::new();
    folder.put("behind", JOB);
    let socket = std::os::unix::net::UnixListener::bind(folder.path("socket")).unwrap();
    let output = folder.runner(&["jobs", "socket", "behind"]).run();
    assert_eq!(output.code(), 3, "{}", output.stderr);
    assert_eq!(output.text(), RECORD, "{}", output.stderr);
    assert!(output.stderr.contains("cannot open socket: No such device"), "{}", output.stderr);
    for option in [&["-o", "socket"][..], &["--trace", "socket"], &["--stats", "--stats-file", "socket"]] {
        let output = folder.runner(&[option, &["jobs"]].concat()).run();
        assert_eq!(output.code(), 3, "{}", output.stderr);
        assert!(output.stderr.contains("cannot open socket: No such device"), "{}", output.stderr);
    }
    drop(socket);
}

#[test]
fn fifo_cannot_be_both_read_and_written() {
    let folder = Folder::new();
    let fifo = folder.fifo("fifo");
    folder.expect_refused(folder.runner(&["fifo", "-o", "fifo"]), ["input fifo", "--output fifo"]);
    folder.expect_refused(folder.runner(&["jobs", "-o", "fifo", "--trace", "fifo"]), ["--output", "--trace"]);
    // Opened for reading and writing, so that it does not block.
    let both = |path: &Path| File::options().read(true).write(true).open(path).unwrap();
    let call = folder.runner(&["-o", "fifo"]).with(|c| c.stdin(Stdio::from(both(&fifo))));
    folder.expect_refused(call, ["standard input", "--output fifo"]);
}
