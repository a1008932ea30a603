//! Inputs and outputs that are the same file, outputs of runs that are refused, and FIFOs that are opened in their turn.

#![allow(clippy::unwrap_used)]

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{FileTypeExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
    thread::{self, JoinHandle},
};

use end_to_end::{Call, Output, gcd_jobs, program, runner};
use nix::{
    sys::{signal::Signal, stat::Mode},
    unistd::mkfifo,
};

const JOB: &str = "{\"op\":\"sum\",\"n\":4}\n";
const RECORD: &str = "{\"id\":0,\"ok\":true,\"result\":10}\n";
const EARLIER: &str = "earlier content\n";

/// A folder with one file of jobs.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.put("jobs", JOB);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn fifo(&self, name: &str) -> PathBuf {
        mkfifo(&self.path(name), Mode::S_IRWXU).unwrap();
        self.path(name)
    }

    fn append(&self, name: &str) -> File {
        OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap()
    }

    /// `runner` in this folder.
    fn runner<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Call {
        runner(arguments).with(|c| c.current_dir(self.0.path()))
    }

    /// Names and contents of all that is in the folder.
    fn content(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.0.path()).unwrap() {
            let path = entry.unwrap().path();
            let is_fifo = path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo());
            let content = if is_fifo { Vec::new() } else { fs::read(&path).unwrap_or_default() };
            all.push((path, content));
        }
        all.sort();
        all
    }

    /// The call is refused with exit code 2, names both uses of the file, and leaves the folder as it was.
    fn expect_refused(&self, call: Call, names: [&str; 2]) {
        let before = self.content();
        let output = call.run();
        expect_refusal(&output, names);
        assert!(self.content() == before, "{names:?}: {:?}", self.content());
    }
}

fn expect_refusal(output: &Output, names: [&str; 2]) {
    assert_eq!((output.code(), output.text()), (2, ""), "{names:?}: {}", output.stderr);
    assert!(output.stderr.contains("are the same file"), "{}", output.stderr);
    assert!(names.iter().all(|name| output.stderr.contains(name)), "{names:?}: {}", output.stderr);
}

#[test]
fn an_output_of_a_run_is_no_other_file_of_it() {
    let folder = Folder::new();
    for name in ["results", "stats", "trace"] {
        folder.put(name, EARLIER);
    }
    fs::hard_link(folder.path("jobs"), folder.path("hard")).unwrap();
    symlink("jobs", folder.path("link")).unwrap();
    symlink("missing", folder.path("dangling")).unwrap();
    for (arguments, names) in [
        (&["--stats", "--stats-file", "jobs", "jobs"][..], ["--stats-file jobs", "input jobs"]),
        (&["--stats", "--stats-file", "hard", "jobs"], ["--stats-file hard", "input jobs"]),
        (&["--stats", "--stats-file", "link", "jobs"], ["--stats-file link", "input jobs"]),
        (&["--trace", "hard", "link"], ["--trace hard", "input link"]),
        (&["-o", "link", "hard"], ["--output link", "input hard"]),
        (&["--journal", "link", "jobs"], ["--journal link", "input jobs"]),
        (&["-o", "results", "--stats", "--stats-file", "results", "jobs"], ["--output", "--stats-file"]),
        (&["--trace", "stats", "--stats", "--stats-file", "./stats", "jobs"], ["--trace", "--stats-file"]),
        (&["--trace", "./results", "-o", "results", "jobs"], ["--trace ./results", "--output results"]),
        // New files, and a link to one.
        (&["--trace", "./new", "-o", "new", "jobs"], ["--trace ./new", "--output new"]),
        (&["--journal", "new", "--stats", "--stats-file", "new", "jobs"], ["--journal", "--stats-file"]),
        (&["--journal", "new", "-o", "./new", "jobs"], ["--journal new", "--output ./new"]),
        (&["--trace", "dangling", "-o", "missing", "jobs"], ["--trace dangling", "--output missing"]),
        (&["--dry-run", "--trace", "./new", "-o", "new", "jobs"], ["--trace ./new", "--output new"]),
        (&["-o", "trace", "--worker-bin", "trace", "jobs"], ["--output trace", "--worker-bin trace"]),
    ] {
        folder.expect_refused(folder.runner(arguments), names);
    }
}

#[test]
fn a_journal_is_not_overwritten_by_the_statistics() {
    let folder = Folder::new();
    let run =
        |more: &[&str]| folder.runner(&[&["jobs", "--journal", "journal", "--resume"][..], more].concat());
    assert_eq!(run(&[]).run().code(), 0);
    folder.expect_refused(run(&["--stats", "--stats-file", "journal"]), ["--journal", "--stats-file"]);
    assert_eq!(run(&[]).run().text(), RECORD);
}

#[test]
fn an_output_is_not_the_file_of_a_standard_stream() {
    let folder = Folder::new();
    folder.put("stream", EARLIER);
    let append = || folder.append("stream");
    let read = || File::open(folder.path("stream")).unwrap();
    for (arguments, names) in [
        (&["--trace", "stream", "jobs"][..], ["--trace stream", "standard output"]),
        (&["--stats", "--stats-file", "stream", "jobs"], ["--stats-file stream", "standard output"]),
        (&["--journal", "stream", "--resume", "jobs"], ["--journal stream", "standard output"]),
        (&["-o", "/dev/stdout", "jobs"], ["--output /dev/stdout", "standard output"]),
        (&["stream"], ["input stream", "standard output"]),
        (&["advise", "stream"], ["input stream", "standard output"]),
        (&["bench", "--json", "stream"], ["--json stream", "standard output"]),
    ] {
        folder.expect_refused(folder.runner(arguments).with(|c| c.stdout(append())), names);
    }
    // Standard error is the file itself, so what is said ends up there, behind what was in it.
    for arguments in [&["-o", "stream", "jobs"][..], &["--trace", "/dev/stderr", "jobs"], &["stream"]] {
        folder.put("stream", EARLIER);
        let output = folder.runner(arguments).with(|c| c.stderr(append())).run();
        assert_eq!((output.code(), output.text()), (2, ""), "{arguments:?}");
        let text = folder.text("stream");
        assert!(text.starts_with(EARLIER) && text.contains("standard error"), "{text}");
    }
    folder.put("stream", EARLIER);
    for arguments in [&["-o", "stream"][..], &["-o", "stream", "jobs"]] {
        let call = folder.runner(arguments).with(|c| c.stdin(read()));
        folder.expect_refused(call, ["--output stream", "standard input"]);
    }
    // One file for both streams is the caller's choice, and so are devices.
    let (both, again) = (folder.append("both"), folder.append("both"));
    let call = folder.runner(&["jobs"]).with(|c| c.stdout(both).stderr(again));
    assert_eq!(call.run().code(), 0);
    assert!(folder.text("both").starts_with(RECORD));
    let call = folder.runner(&["-o", "/dev/null", "--stats", "--stats-file", "/dev/null", "/dev/null"]);
    assert_eq!(call.run().code(), 0);
    let output =
        folder.runner(&["--stats", "--stats-file", "/dev/stderr", "-o", "/dev/stdout", "jobs"]).run();
    assert_eq!((output.code(), output.text()), (0, RECORD), "{}", output.stderr);
    assert!(output.stderr.contains("worker"), "{}", output.stderr);
}

#[test]
fn a_program_is_not_overwritten_by_its_own_output() {
    let folder = Folder::new();
    let copy = folder.path("copy");
    fs::copy(program("runner"), &copy).unwrap();
    for arguments in [&["-o", "copy", "jobs"][..], &["--trace", "copy", "jobs"], &["bench", "--csv", "copy"]]
    {
        let call = Call::new(&copy, arguments).with(|c| c.current_dir(folder.0.path()));
        folder.expect_refused(call, [" copy", "the running program"]);
    }
}

#[test]
fn outputs_of_a_benchmark_are_different_files() {
    let folder = Folder::new();
    folder.put("x", EARLIER);
    fs::create_dir(folder.path("pictures")).unwrap();
    for (arguments, names) in [
        (&["--json", "x", "--csv", "x"][..], ["--json x", "--csv x"]),
        (&["--json", "new", "--html", "./new"], ["--json new", "--html ./new"]),
        (&["--csv", "pictures/batches.svg", "--svg", "pictures"], ["--csv", "--svg"]),
    ] {
        folder.expect_refused(folder.runner(&[&["bench", "--quick"][..], arguments].concat()), names);
        assert_eq!(fs::read_dir(folder.path("pictures")).unwrap().count(), 0);
    }
    symlink(folder.path("x"), folder.path("pictures/model.svg")).unwrap();
    symlink(folder.path("x"), folder.path("pictures/ledger.svg")).unwrap();
    folder
        .expect_refused(folder.runner(&["bench", "--json", "x", "--svg", "pictures"]), ["--json x", "--svg"]);
    // A folder that is made for nothing is removed.
    let output = folder.runner(&["bench", "--csv", "x", "--json", "./x", "--svg", "new/folder"]).run();
    expect_refusal(&output, ["--csv", "--json"]);
    let output = folder.runner(&["bench", "--csv", "pictures/none/x", "--svg", "new/folder"]).run();
    assert_eq!((output.code(), folder.path("new").exists()), (3, false));
}

#[test]
fn factor_and_gcd_do_not_read_what_they_write() {
    let folder = Folder::new();
    folder.put("numbers", "12\n");
    for front in ["factor", "gcd"] {
        let input = File::open(folder.path("numbers")).unwrap();
        let call = folder.runner(&[front]).with(|c| c.stdin(input).stdout(folder.append("numbers")));
        let output = call.run();
        assert_eq!(output.code(), 1, "{}", output.stderr);
        assert!(output.stderr.starts_with(&format!("{front}: standard input and")), "{}", output.stderr);
        assert_eq!(folder.text("numbers"), "12\n");
    }
    // The shell has emptied it.
    let (input, output) = (folder.append("empty"), folder.append("empty"));
    drop(input);
    let input = File::open(folder.path("empty")).unwrap();
    assert_eq!(folder.runner(&["factor"]).with(|c| c.stdin(input).stdout(output)).run().code(), 0);
}

#[test]
fn a_run_that_is_refused_leaves_its_outputs_as_they_were() {
    let folder = Folder::new();
    let names = ["results", "stats", "trace"];
    folder.put("busy", EARLIER);
    let outputs = ["-o", "results", "--stats", "--stats-file", "stats", "--trace", "trace"];
    let refusals: [(&[&str], i32); 6] = [
        (&["missing"], 3),
        (&["."], 3),
        (&["jobs", "--journal", "busy"], 5),
        (&["jobs", "--journal", "/dev/null"], 5),
        (&["jobs", "--journal", "results"], 2),
        (&["jobs", "--trace", "no/such/folder/trace"], 3),
    ];
    for is_there in [true, false] {
        for name in names {
            if is_there {
                folder.put(name, EARLIER);
            } else {
                fs::remove_file(folder.path(name)).unwrap();
            }
        }
        let before = folder.content();
        for (arguments, code) in refusals {
            let outputs = if arguments.contains(&"--trace") { &outputs[..5] } else { &outputs[..] };
            let output = folder.runner(&[outputs, arguments].concat()).run();
            assert_eq!((output.code(), output.text()), (code, ""), "{arguments:?}: {}", output.stderr);
            assert!(folder.content() == before, "{arguments:?}: {:?}", folder.content());
        }
        let call = folder.runner(&[&outputs[..], &["jobs", "--journal", "new"]].concat());
        assert_eq!(call.with(|c| c.env("TMPDIR", "/no/such/folder")).run().code(), 4);
        assert!(folder.content() == before, "{:?}", folder.content());
        // Without the feature `cluster` the option is not known, which is a refusal as well.
        let cluster = ["--cluster", "nats://127.0.0.1:1", "--queue", "q", "--cluster-timeout", "0.2", "jobs"];
        let output = folder.runner(&[&outputs[..5], &cluster].concat()).run();
        assert!([2, 4].contains(&output.code()), "{}", output.stderr);
        assert!(folder.content() == before, "{:?}", folder.content());
    }
}

#[test]
fn a_dry_run_tries_its_outputs_and_leaves_nothing() {
    let folder = Folder::new();
    folder.put("results", EARLIER);
    let before = folder.content();
    let output =
        folder.runner(&["--dry-run", "-o", "results", "--trace", "new", "--journal", "j", "jobs"]).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(folder.runner(&["--dry-run", "-o", "no/such/folder/file", "jobs"]).run().code(), 3);
    assert!(folder.content() == before);
}

#[test]
fn a_dash_is_standard_output_where_that_makes_sense() {
    let folder = Folder::new();
    let before = folder.content();
    assert_eq!(folder.runner(&["-o", "-", "jobs"]).run().text(), RECORD);
    assert_eq!(
        folder.runner(&["-o", "-", "--stats", "--stats-file", "/dev/stderr", "jobs"]).run().text(),
        RECORD
    );
    let output = folder.runner(&["-o", "results", "--stats=json", "--stats-file", "-", "jobs"]).run();
    let stats: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((stats["jobs"].as_u64(), folder.text("results").as_str()), (Some(1), RECORD));
    fs::remove_file(folder.path("results")).unwrap();
    for refused in [
        &["--journal", "-", "jobs"][..],
        &["--trace", "-", "jobs"],
        &["--stats", "--stats-file", "-", "jobs"],
        &["-o", "-", "--stats", "--stats-file", "-", "jobs"],
        &["bench", "--json", "-", "--html", "-"],
        &["bench", "--svg", "-"],
    ] {
        let output = folder.runner(refused).run();
        assert_eq!((output.code(), output.text()), (2, ""), "{refused:?}: {}", output.stderr);
        assert!(!output.stderr.is_empty());
    }
    assert!(folder.content() == before, "{:?}", folder.content());
    assert_eq!(folder.runner(&["-o", "./-", "jobs"]).run().text(), "");
    assert_eq!(folder.text("-"), RECORD);
}

/// Opens a FIFO and writes to it, on a thread of its own: a run that never reads is killed by the test's cap.
fn feed(fifos: &[&Path], text: &str) {
    let (fifos, text) = (fifos.iter().map(|fifo| fifo.to_path_buf()).collect::<Vec<_>>(), text.to_owned());
    thread::spawn(move || {
        for fifo in fifos {
            File::options().write(true).open(fifo).unwrap().write_all(text.as_bytes()).unwrap();
        }
    });
}

/// Reads FIFOs, one after another, on a thread of its own.
fn drain(fifos: &[&Path]) -> JoinHandle<Vec<String>> {
    let fifos: Vec<_> = fifos.iter().map(|fifo| fifo.to_path_buf()).collect();
    thread::spawn(move || fifos.iter().map(|fifo| fs::read_to_string(fifo).unwrap()).collect())
}

#[test]
fn fifos_of_one_writer_are_read_one_after_another() {
    let folder = Folder::new();
    let (jobs, _) = gcd_jobs(20_000);
    assert!(jobs.len() > 4 << 16, "more than fits into a pipe");
    let (one, two) = (folder.fifo("one"), folder.fifo("two"));
    for (more, records) in
        [(&["-w", "2"][..], 40_000), (&["--executor", "serial"], 40_000), (&["--dry-run"], 0)]
    {
        let run = folder.runner(&[&["one", "two"][..], more].concat()).start();
        feed(&[&one, &two], &jobs);
        let output = run.wait();
        assert_eq!((output.code(), output.text().lines().count()), (0, records), "{}", output.stderr);
        assert!(output.stderr.contains("40000 jobs"), "{}", output.stderr);
    }
}

#[test]
fn jobs_run_while_the_next_input_is_not_open_yet() {
    let folder = Folder::new();
    let input = folder.fifo("input");
    let mut run = folder.runner(&["jobs", "input", "-w", "1", "-o", "results"]).start();
    run.until("the first record is there", |_| {
        fs::read_to_string(folder.path("results")).is_ok_and(|text| text == RECORD)
    });
    feed(&[&input], JOB);
    assert_eq!(run.wait().code(), 0);
    assert_eq!(folder.text("results").lines().count(), 2);
    // An input that is missing is found before any job runs, also behind a FIFO.
    let marker = folder.path("marker");
    folder.put("script", &end_to_end::shell_jobs(&[&format!("touch {}", marker.display())]));
    let output = folder.runner(&["script", "input", "missing", "--allow-command"]).run();
    assert_eq!((output.code(), marker.exists()), (3, false));
}

#[test]
fn a_peer_may_open_what_it_writes_before_what_it_reads() {
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
fn fifos_take_the_statistics_and_the_timeline_at_the_end() {
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

/// Each with a FIFO, whose other end nobody opens, in another place.
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
fn a_signal_ends_the_waiting_for_the_other_end_of_a_fifo() {
    let folder = Folder::new();
    for (arguments, expected) in waiting_runs(&folder) {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let mut run = folder.runner(&arguments).start();
            run.until_it_stands_still();
            run.signal(signal);
            let output = run.wait();
            assert_eq!((output.signal(), output.text()), (signal as i32, expected), "{arguments:?}");
        }
    }
}

#[test]
fn the_time_limit_ends_the_waiting_for_the_other_end_of_a_fifo() {
    let folder = Folder::new();
    for (arguments, expected) in waiting_runs(&folder) {
        let output = folder.runner(&arguments).with(|c| c.args(["-w", "1", "--time-limit", "0.7"])).run();
        assert_eq!((output.code(), output.text()), (1, expected), "{arguments:?}: {}", output.stderr);
        assert!(
            output.stderr.contains("the time limit of 0.7 s is over"),
            "{arguments:?}: {}",
            output.stderr
        );
    }
}

#[test]
fn a_device_or_a_fifo_that_cannot_be_opened_is_an_error_of_its_turn() {
    let folder = Folder::new();
    folder.put("behind", JOB);
    let socket = std::os::unix::net::UnixListener::bind(folder.path("socket")).unwrap();
    let output = folder.runner(&["jobs", "socket", "behind"]).run();
    assert_eq!((output.code(), output.text()), (3, RECORD), "{}", output.stderr);
    assert!(output.stderr.contains("cannot open socket: No such device"), "{}", output.stderr);
    for option in [&["-o", "socket"][..], &["--trace", "socket"], &["--stats", "--stats-file", "socket"]] {
        let output = folder.runner(&[option, &["jobs"]].concat()).run();
        assert_eq!(output.code(), 3, "{}", output.stderr);
        assert!(output.stderr.contains("cannot open socket: No such device"), "{}", output.stderr);
    }
    drop(socket);
}

#[test]
fn a_fifo_is_not_read_and_written() {
    let folder = Folder::new();
    let fifo = folder.fifo("fifo");
    folder.expect_refused(folder.runner(&["fifo", "-o", "fifo"]), ["input fifo", "--output fifo"]);
    folder.expect_refused(folder.runner(&["jobs", "-o", "fifo", "--trace", "fifo"]), ["--output", "--trace"]);
    // Open for both, so that it does not block.
    let both = |path: &Path| File::options().read(true).write(true).open(path).unwrap();
    let call = folder.runner(&["-o", "fifo"]).with(|c| c.stdin(Stdio::from(both(&fifo))));
    folder.expect_refused(call, ["standard input", "--output fifo"]);
}

#[test]
fn a_second_run_does_not_lose_the_journal_that_a_refused_one_has_created() {
    let folder = Folder::new();
    // Many refused runs beside one that is right: whenever they meet, its journal is there at the end.
    for _ in 0..10 {
        let refused: Vec<_> = (0..4)
            .map(|_| folder.runner(&["jobs", "--journal", "j", "-o", "/no/such/folder/file"]).start())
            .collect();
        let output = folder.runner(&["jobs", "--journal", "j", "--executor", "serial"]).run();
        refused.into_iter().for_each(|run| assert!([3, 5].contains(&run.wait().code())));
        match output.code() {
            0 => fs::remove_file(folder.path("j")).unwrap(),
            code => assert_eq!(code, 5, "{}", output.stderr),
        }
        assert!(!folder.path("j").exists());
    }
}
