//! Jobs of higher priority run first; the order of the output does not change.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
    sync::{Arc, mpsc},
};

use end_to_end::{
    Case, JournalDir, block_worker, on_pools,
    probe::{Barrier, Probe, TIMEOUT, builder, finish, wait_until},
    runner, shell_jobs,
};
use parking_lot::Mutex;
use pool::{
    Executor,
    metrics::{Observer, PoolEvent},
    settings::JobOptions,
    stream::{Resolved, Sink},
};

fn priority(priority: i32) -> JobOptions {
    JobOptions::new().priority(priority)
}

/// Records the tags of jobs in the order in which they end.
#[derive(Default)]
struct Order(Mutex<Vec<u64>>);

impl Sink<Probe> for Order {
    fn resolve(&self, jobs: Vec<Resolved<Probe>>) {
        self.0.lock().extend(jobs.iter().map(|job| job.tag));
    }
}

#[test]
fn submitted_jobs_run_by_priority_and_then_in_order() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let order = Arc::new(Order::default());
        for (tag, of_job) in [(1, 0), (2, -7), (3, 5), (4, 0), (5, 5), (6, i32::MAX), (7, -7)] {
            let job = executor.submit_with(Probe::Double(tag), priority(of_job).tag(tag)).unwrap();
            let order = order.clone();
            job.on_done(move |job| order.0.lock().push(job.tag()));
        }
        barrier.release();
        assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
        wait_until("all jobs have ended", || order.0.lock().len() == 7);
        assert_eq!(*order.0.lock(), [6, 3, 5, 1, 4, 2, 7]);
    });
}

#[test]
fn pushed_job_overtakes_queued_ones_without_a_flush() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        block_worker!(executor, barrier, held);
        let order = Arc::new(Order::default());
        let mut submitter = executor.submitter(order.clone());
        (0..100).for_each(|tag| submitter.push(tag, Probe::Double(tag), priority(-1)));
        submitter.flush();
        // They stay in the buffer unless the push itself passes them on.
        submitter.push(100, Probe::Double(1), priority(0));
        submitter.push(101, Probe::Double(1), priority(1));
        barrier.release();
        assert_eq!(held.result_timeout(TIMEOUT).unwrap(), 0);
        wait_until("all jobs have ended", || order.0.lock().len() == 102);
        assert_eq!(order.0.lock()[..3], [101, 100, 0]);
        assert!(order.0.lock()[2..].is_sorted());
        drop(submitter);
    });
}

/// Passes on the numbers of the jobs of each batch.
struct Batches(Mutex<mpsc::Sender<Vec<u64>>>);

impl Observer for Batches {
    fn on_event(&self, event: &PoolEvent) {
        if let PoolEvent::BatchSent { jobs, .. } = event {
            let _ = self.0.lock().send(jobs.iter().cloned().flatten().collect());
        }
    }
}

#[test]
fn batch_behind_a_long_job_is_taken_back_for_an_urgent_job() {
    let _case = Case::begin();
    let (sender, batches) = mpsc::channel();
    let executor = builder(1).observer(Arc::new(Batches(Mutex::new(sender)))).build().unwrap();
    // Batches of short jobs become large.
    assert_eq!(executor.map((0..20_000).map(Probe::Double)).filter_map(Result::ok).count(), 20_000);
    while batches.try_recv().is_ok() {}
    let barrier = Barrier::new();
    let order = Arc::new(Order::default());
    let mut submitter = executor.submitter(order.clone());
    // The first job is sent alone if the pool is idle, so it has to be the one that holds the worker.
    submitter.push(0, Probe::Double(1), JobOptions::new());
    submitter.push(1, barrier.hold(), JobOptions::new());
    (2..60).for_each(|tag| submitter.push(tag, Probe::Double(tag), JobOptions::new()));
    submitter.flush();
    barrier.wait_for_held(1);
    submitter.push(99, Probe::Double(1), priority(1));
    let mut sent = Vec::new();
    while !sent.contains(&99) {
        sent = batches.recv_timeout(TIMEOUT).expect("the urgent job is not sent");
    }
    barrier.release();
    wait_until("all jobs have ended", || order.0.lock().len() == 61);
    assert_eq!(order.0.lock()[..3], [0, 1, 99], "{:?}", order.0.lock());
    drop(submitter);
    finish(&executor);
}

#[test]
fn command_line_runs_urgent_jobs_first_among_those_that_it_has_read() {
    for executor in ["processes", "threads"] {
        let barrier = Barrier::new();
        let [started, release] = ["started", "release"].map(|name| barrier.file(name));
        let wait =
            format!("touch {}; while [ ! -e {} ]; do sleep 0.01; done", started.display(), release.display());
        let arguments = ["-w", "1", "--unordered", "--allow-command", "-q", "--executor", executor];
        let mut run = runner(arguments).with(|c| c.stdin(Stdio::piped())).start_raw();
        let mut input = run.child.stdin.take().unwrap();
        input.write_all(shell_jobs(&[&wait]).as_bytes()).unwrap();
        wait_until("the first job runs", || started.exists());
        for of_job in ["0", "-3", "7", "0", "7"] {
            writeln!(input, "{{\"op\":\"sum\",\"n\":1,\"priority\":{of_job}}}").unwrap();
        }
        // The record of an invalid job shows that all jobs before it have been read.
        writeln!(input, "{{\"op\":\"sum\",\"n\":1,\"priority\":\"high\"}}").unwrap();
        let mut output = BufReader::new(run.child.stdout.take().unwrap());
        let mut text = String::new();
        output.read_line(&mut text).unwrap();
        assert!(text.contains("`priority` must be an integer"), "{text}");
        drop(input);
        fs::write(&release, "").unwrap();
        output.read_to_string(&mut text).unwrap();
        let id =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_u64().unwrap();
        assert_eq!(text.lines().map(id).collect::<Vec<_>>(), [6, 0, 3, 5, 1, 4, 2], "{executor}");
        assert_eq!(run.wait().code(), 1);
    }
}

#[test]
fn priorities_do_not_change_the_output_or_the_journal() {
    let dir = JournalDir::new();
    let line = |n: i32| format!("{{\"op\":\"sum\",\"n\":{n},\"priority\":{}}}\n", (n * 7) % 5 - 2);
    let jobs: String = (0..3000).map(line).collect();
    let record = |n: u64| format!("{{\"id\":{n},\"ok\":true,\"result\":{}}}\n", n * (n + 1) / 2);
    let expected: String = (0..3000).map(record).collect();
    for _ in 0..2 {
        let output = dir.resume(&["-w", "2"]).stdin(jobs.clone()).run();
        assert_eq!((output.code(), output.text() == expected), (0, true), "{}", output.stderr);
    }
    assert_eq!(dir.recorded().len(), 3000);
}
