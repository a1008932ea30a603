//! Standard output and standard error of workers.

use std::{fs, path::Path, sync::Arc, time::Duration};

use end_to_end::{
    Call, Case,
    printing::{GREET, Printing, printers, run},
    probe::{Barrier, TIMEOUT, finish, mark, wait_until},
    program,
    workers::{exists, kill_if_alive},
};
use parking_lot::Mutex;
use pool::{
    Executor, ProcessPool,
    metrics::WorkerId,
    output::{MAX_LINE, OutputStream, WorkerStdio},
    settings::JobOptions,
};
use serde_json::json;

#[derive(Clone, Debug, PartialEq)]
struct Line {
    worker: WorkerId,
    stream: OutputStream,
    text: String,
    is_complete: bool,
}

/// Captured lines of a pool.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

impl Lines {
    fn texts(&self) -> Vec<String> {
        self.0.lock().iter().map(|line| line.text.clone()).collect()
    }

    fn contains(&self, text: &str) -> bool {
        self.0.lock().iter().any(|line| line.text == text)
    }

    fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.0.lock())
    }
}

/// Returns a pool that captures both streams of its workers.
fn capturing(workers: usize) -> (ProcessPool<Printing>, Lines) {
    let lines = Lines::default();
    let captured = lines.clone();
    let builder = printers(workers).stdout(WorkerStdio::Capture).stderr(WorkerStdio::Capture);
    let builder = builder.env(GREET, "1").on_output(move |line| {
        captured.0.lock().push(Line {
            worker: line.worker(),
            stream: line.stream(),
            text: line.text().into_owned(),
            is_complete: line.is_complete(),
        });
    });
    (builder.build().unwrap(), lines)
}

fn out(text: &str) -> Printing {
    Printing::Out(text.to_owned())
}

/// Runs the program with these settings; returns its output, and the sorted lines of standard error.
fn printed(settings: &[&str]) -> (String, Vec<String>) {
    let output = Call::new(&program("output-probe"), settings).run();
    assert_eq!(output.code(), 0, "{settings:?}: {}", output.stderr);
    let mut errors: Vec<String> = output.stderr.lines().map(str::to_owned).collect();
    errors.sort();
    (output.text().to_owned(), errors)
}

#[test]
fn jobs_that_print_leave_the_output_of_the_program_alone() {
    let output = Call::new(&program("output-probe"), [""; 0]).run();
    assert_eq!(output.records(), [json!({"jobs": 3})]);
    assert_eq!(output.stderr, "out\nerr\nchild\nchild-err\n");
}

#[test]
fn each_stream_goes_where_it_is_set_to() {
    const JSON: &str = "{\"jobs\":3}\n";
    let both = ["child", "child-err", "err", "out"];
    assert_eq!(printed(&["stderr", "inherit"]), (JSON.into(), both.map(str::to_owned).to_vec()));
    let errors = vec!["child-err".to_owned(), "err".to_owned()];
    assert_eq!(printed(&["inherit", "inherit"]), (format!("out\nchild\n{JSON}"), errors.clone()));
    assert_eq!(printed(&["inherit", "stderr"]), (format!("out\nchild\n{JSON}"), errors.clone()));
    assert_eq!(printed(&["null", "inherit"]), (JSON.into(), errors));
    assert_eq!(printed(&["inherit", "null"]), (format!("out\nchild\n{JSON}"), vec![]));
    assert_eq!(printed(&["stderr", "null"]), (JSON.into(), vec![]));
    assert_eq!(printed(&["null", "null"]), (JSON.into(), vec![]));
    // Without a handler, captured lines are printed after the id of their worker.
    let tagged = both.map(|line| format!("worker 0.0: {line}")).to_vec();
    assert_eq!(printed(&["stderr", "capture"]), (JSON.into(), tagged.clone()));
    assert_eq!(printed(&["capture", "capture"]), (JSON.into(), tagged));
}

#[test]
fn lines_name_their_worker_and_stream() {
    let _case = Case::begin();
    let (pool, lines) = capturing(2);
    // The output of each job is the id of its process.
    let jobs: Vec<_> = (0..200).map(|n| pool.submit(out(&format!("job {n}\n"))).unwrap()).collect();
    let pids: Vec<u32> = jobs.iter().map(|job| job.result_timeout(TIMEOUT).unwrap()).collect();
    run(&pool, Printing::Err("error\n".to_owned()));
    finish(&pool);
    let workers = pool.worker_stats();
    let worker_of = |pid: u32| workers.iter().find(|worker| worker.pid == Some(pid)).unwrap().worker;
    let captured = lines.take();
    for (n, pid) in pids.into_iter().enumerate() {
        let line = captured.iter().find(|line| line.text == format!("job {n}")).unwrap();
        assert_eq!(
            (line.worker, line.stream, line.is_complete),
            (worker_of(pid), OutputStream::Stdout, true)
        );
    }
    assert_eq!(captured.iter().find(|line| line.text == "error").unwrap().stream, OutputStream::Stderr);
    // A worker that became ready too late for a job may have been dismissed while it started.
    for worker in workers.iter().filter(|worker| worker.jobs > 0) {
        let of_worker: Vec<&Line> = captured.iter().filter(|line| line.worker == worker.worker).collect();
        assert_eq!(of_worker.first().unwrap().text, "started");
        let last = of_worker.last().unwrap();
        assert_eq!((last.text.as_str(), last.is_complete), ("finished", false));
    }
}

#[test]
fn only_panics_that_are_no_outcome_are_printed() {
    let _case = Case::begin();
    let (pool, lines) = capturing(1);
    assert!(pool.submit(Printing::Panic("of a job".to_owned())).unwrap().result_timeout(TIMEOUT).is_err());
    run(&pool, Printing::PanicInThread("of a thread".to_owned()));
    finish(&pool);
    let captured = lines.take();
    assert!(!captured.iter().any(|line| line.text.contains("of a job")), "{captured:?}");
    let message = captured.iter().find(|line| line.text.contains("of a thread")).expect("no panic message");
    assert_eq!(message.stream, OutputStream::Stderr);
}

#[test]
fn partial_line_of_a_worker_that_dies_is_passed_before_the_outcome() {
    let _case = Case::begin();
    let (pool, lines) = capturing(1);
    let job = Printing::OutThenAbort("whole\npartial".to_owned());
    assert!(pool.submit(job).unwrap().result_timeout(TIMEOUT).is_err());
    assert_eq!(lines.texts(), ["started", "whole", "partial"]);
    assert!(!lines.0.lock()[2].is_complete);
    finish(&pool);
}

#[test]
fn partial_line_of_a_worker_that_is_killed_is_passed() {
    let _case = Case::begin();
    let (pool, lines) = capturing(1);
    let job = pool.submit(Printing::OutThenHang("whole\npartial".to_owned())).unwrap();
    wait_until("the first line is read", || lines.contains("whole"));
    assert!(job.kill());
    finish(&pool);
    assert!(lines.contains("partial"), "{:?}", lines.texts());
}

#[test]
fn large_output_is_complete_and_in_order() {
    const LINES: u64 = 800_000; // 9.5 MB
    let _case = Case::begin();
    let (pool, lines) = capturing(2);
    let jobs = pool.submit_many(vec![Printing::Lines(LINES); 2], JobOptions::default()).unwrap();
    assert!(jobs.iter().all(|job| job.result_timeout(TIMEOUT).is_ok()));
    finish(&pool);
    let captured = lines.take();
    assert!(captured.iter().map(|line| line.text.len() + 1).sum::<usize>() > 18_000_000);
    let of_worker = |worker: &pool::metrics::WorkerStats| {
        let texts =
            captured.iter().filter(|line| line.worker == worker.worker).map(|line| line.text.as_str());
        texts.filter(|text| text.starts_with("line ")).collect::<Vec<_>>()
    };
    let numbered: Vec<String> = (0..LINES).map(|n| format!("line {n}")).collect();
    let mut seen = 0;
    for worker in &pool.worker_stats() {
        let texts = of_worker(worker);
        texts.chunks(numbered.len()).for_each(|of_job| assert!(of_job == numbered));
        seen += texts.len() as u64;
    }
    assert_eq!(seen, 2 * LINES);
}

#[test]
fn endless_output_does_not_keep_other_jobs_from_running() {
    let _case = Case::begin();
    for text in ["line\n", "no newline"] {
        let longest = Arc::new(Mutex::new(0));
        let captured = longest.clone();
        let builder = printers(2).stdout(WorkerStdio::Capture).on_output(move |line| {
            let mut longest = captured.lock();
            *longest = line.bytes().len().max(*longest);
        });
        let pool = builder.build().unwrap();
        let endless = pool.submit(Printing::Endless(text.repeat(1000))).unwrap();
        wait_until("it prints", || *longest.lock() > 0);
        for n in 0..500 {
            run(&pool, out(&format!("job {n}\n")));
        }
        assert!(endless.is_running());
        assert!(*longest.lock() <= MAX_LINE);
        assert!(endless.kill());
        finish(&pool);
    }
}

#[test]
fn process_that_survives_its_worker_delays_nothing() {
    let _case = Case::begin();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let (pool, lines) = capturing(1);
    // One holds the streams open, the other also prints without end.
    let script = format!(
        "setsid sleep 1000 & echo $! >> {0}
         setsid sh -c 'echo $$ >> {0}; while :; do echo survivor; done' &
         while [ $(wc -l < {0}) -lt 2 ]; do :; done",
        file.display()
    );
    assert_eq!(run(&pool, Printing::Shell(script)), 0);
    wait_until("the survivor prints", || lines.contains("survivor"));
    finish(&pool);
    let pids = fs::read_to_string(file).unwrap();
    let pids: Vec<u64> = pids.lines().map(|pid| pid.parse().unwrap()).collect();
    wait_until("the one that prints has ended, because its output is closed", || {
        pids.iter().any(|&pid| !exists(pid))
    });
    let left = pids.iter().filter(|&&pid| exists(pid)).count();
    pids.into_iter().for_each(kill_if_alive);
    assert_eq!(left, 1);
}

#[test]
fn closed_stream_is_not_an_error() {
    let _case = Case::begin();
    let (pool, lines) = capturing(1);
    run(&pool, out("one\nlast"));
    run(&pool, Printing::CloseOutput);
    run(&pool, Printing::Err("error\n".to_owned()));
    wait_until("standard error is still read", || lines.contains("error"));
    finish(&pool);
    let captured = lines.take();
    let of_stdout = captured.iter().filter(|line| line.stream == OutputStream::Stdout);
    assert_eq!(of_stdout.map(|line| line.text.as_str()).collect::<Vec<_>>(), ["started", "one", "last"]);
}

#[test]
fn panic_of_the_handler_loses_one_line() {
    let _case = Case::begin();
    let lines = Lines::default();
    let captured = lines.0.clone();
    let builder = printers(1).stdout(WorkerStdio::Capture).on_output(move |line| {
        assert_ne!(line.text(), "bad", "the handler refuses this line");
        let (worker, stream, text) = (line.worker(), line.stream(), line.text().into_owned());
        captured.lock().push(Line { worker, stream, text, is_complete: line.is_complete() });
    });
    let pool = builder.build().unwrap();
    run(&pool, out("one\nbad\ntwo\n"));
    finish(&pool);
    assert_eq!(lines.texts(), ["one", "two"]);
}

/// More output than fits into a pipe is read by a deputy.
#[test]
fn output_is_read_while_a_callback_blocks() {
    let _case = Case::begin();
    let (pool, lines) = capturing(2);
    let barrier = Barrier::new();
    // Returns when the file exists, and prints numbers then.
    let numbers = |file: &Path, count: u32| {
        let script = format!("echo ready; while [ ! -e {} ]; do :; done; seq {count}", file.display());
        pool.submit(Printing::Shell(script)).unwrap()
    };
    let [release_first, release_second] = ["first", "second"].map(|name| barrier.file(name));
    let first = numbers(&release_first, 1);
    let second = numbers(&release_second, 200_000);
    wait_until("both jobs run", || lines.texts().iter().filter(|text| *text == "ready").count() == 2);
    let succeeded = Arc::new(Mutex::new(None));
    let result = succeeded.clone();
    first.on_done(move |_| {
        mark(&release_second);
        *result.lock() = Some(second.result_timeout(TIMEOUT).is_ok());
    });
    mark(&release_first);
    wait_until("the callback returns", || succeeded.lock().is_some());
    assert_eq!(*succeeded.lock(), Some(true));
    finish(&pool);
    assert!(lines.contains("200000"));
}

#[test]
fn capturing_needs_no_further_thread() {
    let _case = Case::begin();
    let (pool, lines) = capturing(4);
    let jobs: Vec<_> =
        (0..4).map(|n| pool.submit(Printing::OutThenHang(format!("job {n}\n"))).unwrap()).collect();
    wait_until("all jobs print", || (0..4).all(|n| lines.contains(&format!("job {n}"))));
    wait_until("two threads are left", || pool_threads().len() == 2);
    assert!(jobs.iter().all(|job| job.kill()));
    assert!(pool.shutdown_timeout(Duration::from_secs(20)));
}

/// Returns the names of this process's threads that belong to a pool.
fn pool_threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("runner-")).collect()
}
