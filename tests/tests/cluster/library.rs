//! `ClusterExecutor` with a job type of the tests and a node for it in a thread.

use std::{
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cluster::{
    ClusterExecutor, Connection, DrainHandle, Error, NodeEvent, NodeSettings, NodeSummary, StreamSettings,
    SubmitEvent, SubmitSettings, serve,
};
use end_to_end::{
    nats::Nats,
    probe::{Barrier, Probe, TIMEOUT, probe_error, processes},
};
use pool::{
    Executor, JobError, JobFuture,
    error::SubmitError,
    settings::JobOptions,
    stream::{Resolved, Sink},
};

fn connection(nats: &Nats) -> Connection {
    Connection::new(nats.url().parse().unwrap())
}

fn connect(nats: &Nats, run: &str) -> ClusterExecutor<Probe> {
    connect_with_callback(nats, run, |_| {})
}

fn connect_with_callback(nats: &Nats, run: &str, callback: fn(SubmitEvent)) -> ClusterExecutor<Probe> {
    let settings = SubmitSettings {
        queue: "probes".parse().unwrap(),
        run: run.parse().unwrap(),
        time_limit: None,
        streams: StreamSettings::default(),
        on_event: callback,
    };
    ClusterExecutor::connect(&connection(nats), settings).unwrap()
}

/// A node in a thread that leaves when this is dropped.
struct Node {
    leave: DrainHandle,
    thread: Option<JoinHandle<Result<NodeSummary, Error>>>,
}

impl Node {
    fn start(nats: &Nats) -> Node {
        let settings = NodeSettings {
            queue: "probes".parse().unwrap(),
            name: "a".to_owned(),
            version: "a test".to_owned(),
            ack_wait: None,
            max_deliveries: 5,
            grace: Duration::ZERO,
            streams: StreamSettings::default(),
        };
        let (leave, connection) = (DrainHandle::new(), connection(nats));
        let (asked, (joined, has_joined)) = (leave.clone(), mpsc::channel());
        let thread = thread::spawn(move || {
            let mut notify = |news| {
                if matches!(news, NodeEvent::Joined { .. }) {
                    joined.send(()).unwrap();
                }
            };
            serve::<Probe>(&connection, settings, Arc::new(processes(1)), &mut notify, &asked)
        });
        has_joined.recv().unwrap();
        Node { leave, thread: Some(thread) }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.leave.request();
        let served = self.thread.take().unwrap().join().unwrap();
        assert!(served.is_ok(), "{served:?}");
    }
}

fn submit(executor: &ClusterExecutor<Probe>, jobs: impl IntoIterator<Item = Probe>) -> Vec<JobFuture<Probe>> {
    jobs.into_iter().map(|job| executor.submit(job).unwrap()).collect()
}

#[test]
fn outcomes_are_those_of_a_pool() {
    let Some(nats) = Nats::start() else { return };
    let _node = Node::start(&nats);
    let cluster = connect(&nats, "outcomes");
    let double = cluster.submit(Probe::Double(21)).unwrap();
    assert_eq!(double.result_timeout(TIMEOUT).unwrap(), 42);
    assert!(!double.cancel() && !double.is_running());
    let failures = submit(
        &cluster,
        [
            Probe::Fail(probe_error(7, "bad")),
            Probe::Panic("ouch".to_owned()),
            Probe::Unencodable(()),
            Probe::Exit(3),
        ],
    );
    let kinds: Vec<_> = failures.iter().map(|job| job.join_timeout(TIMEOUT).unwrap_err()).collect();
    assert!(
        matches!(
            &kinds[..],
            [JobError::Failed(error), JobError::Panicked(panic), JobError::Codec(_), JobError::Crashed(_)]
                if *error == probe_error(7, "bad") && panic.message == "ouch"
        ),
        "{kinds:?}"
    );
    let doubles = |outputs: Vec<u64>| outputs == (0..5000).map(|n| 2 * n).collect::<Vec<_>>();
    let jobs = || (0..5000).map(Probe::Double);
    assert!(doubles(cluster.map(jobs()).map(Result::unwrap).collect()));
    let mut unordered: Vec<(usize, u64)> =
        cluster.map_unordered(jobs()).map(|(index, output)| (index, output.unwrap())).collect();
    unordered.sort_unstable();
    assert!(doubles(unordered.into_iter().map(|(_, output)| output).collect()));
    let batch = cluster.submit_many(jobs().collect(), JobOptions::default()).unwrap();
    assert!(doubles(batch.iter().map(|job| job.result_timeout(TIMEOUT).unwrap()).collect()));
    cluster.join();
    assert_eq!(cluster.submit(Probe::Double(1)).err(), Some(SubmitError::Closed));
}

#[test]
fn cancel_waiting_cancels_jobs_that_no_node_has() {
    let Some(nats) = Nats::start() else { return };
    let (barrier, _node) = (Barrier::new(), Node::start(&nats));
    let cluster = connect(&nats, "cancelled");
    let held = barrier.hold_many(&cluster, 1);
    let waiting = submit(&cluster, (0..40).map(Probe::Double));
    cluster.cancel_waiting();
    assert!(!held[0].is_done(), "the held job was cancelled");
    // A node may have prefetched a batch.
    assert!(waiting[20..].iter().all(JobFuture::is_cancelled), "not cancelled when the call returned");
    let later = cluster.submit(Probe::Double(4)).unwrap();
    barrier.release();
    assert_eq!(later.result_timeout(TIMEOUT).unwrap(), 8);
    assert!(held[0].result_timeout(TIMEOUT).is_ok());
    for (n, job) in (0..).zip(&waiting) {
        assert!(
            matches!(job.result_timeout(TIMEOUT), Err(JobError::Cancelled))
                || job.result_timeout(TIMEOUT).unwrap() == 2 * n
        );
    }
    // The shutdown is quick, since no batch has to be looked for.
    let start = Instant::now();
    cluster.close();
    cluster.cancel_waiting();
    cluster.join();
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

/// Sends for each outcome whether it is a cancellation.
struct CancellationSink(mpsc::Sender<bool>);

impl Sink<Probe> for CancellationSink {
    fn resolve(&self, resolved: Vec<Resolved<Probe>>) {
        for Resolved { outcome, .. } in resolved {
            self.0.send(matches!(outcome, Err(JobError::Cancelled))).unwrap();
        }
    }
}

#[test]
fn cancel_waiting_of_a_submitter_keeps_jobs_of_others() {
    let Some(nats) = Nats::start() else { return };
    let (barrier, _node) = (Barrier::new(), Node::start(&nats));
    let cluster = connect(&nats, "others");
    let held = barrier.hold_many(&cluster, 1);
    let jobs = submit(&cluster, (0..40).map(Probe::Double));
    let (sender, outcomes) = mpsc::channel();
    let mut submitter = cluster.submitter(Arc::new(CancellationSink(sender)));
    (0..100).for_each(|tag| submitter.push(tag, Probe::Double(tag), JobOptions::default()));
    submitter.cancel_waiting();
    assert_eq!(outcomes.recv_timeout(TIMEOUT), Ok(true));
    barrier.release();
    for (n, job) in (0..).zip(&jobs) {
        assert_eq!(job.result_timeout(TIMEOUT).unwrap(), 2 * n);
    }
    assert!(held[0].result_timeout(TIMEOUT).is_ok());
}

#[test]
fn stop_cancels_and_drop_waits() {
    let Some(nats) = Nats::start() else { return };
    // No node serves the queue yet.
    let stopped = connect(&nats, "stopped");
    let jobs = submit(&stopped, (0..40).map(Probe::Double));
    let start = Instant::now();
    stopped.stop(Duration::ZERO);
    stopped.join();
    assert!(jobs.iter().all(JobFuture::is_cancelled));
    assert_eq!(stopped.submit(Probe::Double(1)).err(), Some(SubmitError::Closed));
    drop(stopped);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let dropped = connect(&nats, "dropped");
    let jobs = submit(&dropped, (0..40).map(Probe::Double));
    assert!(!dropped.shutdown_timeout(Duration::from_millis(1)), "joined although jobs have no outcomes");
    let _node = Node::start(&nats);
    drop(dropped);
    assert!(jobs.iter().all(JobFuture::is_done));
    assert_eq!(jobs[39].result().unwrap(), 78);
    // The run is unlocked again, and its results are stored.
    assert_eq!(connect(&nats, "dropped").known_jobs(), 40);
}

#[test]
fn callbacks_can_exceed_the_in_flight_limit_without_deadlock() {
    let Some(nats) = Nats::start() else { return };
    let _node = Node::start(&nats);
    let cluster = Arc::new(connect(&nats, "callbacks"));
    let (sender, receiver) = mpsc::channel();
    let inner = cluster.clone();
    cluster.submit(Probe::Double(1)).unwrap().on_done(move |_| {
        // Up to 128 batches may be in flight, initially of 4 jobs, later of 16 and so on.
        let jobs = submit(&inner, (0..50_000).map(Probe::Double));
        inner.cancel_waiting();
        let more = submit(&inner, (0..10).map(Probe::Double));
        assert!(!inner.shutdown_timeout(TIMEOUT), "joined on one of its own threads");
        sender.send((jobs, more)).unwrap();
    });
    let (jobs, more) = receiver.recv_timeout(TIMEOUT).expect("the callback is blocked");
    for (n, job) in (0..).zip(more) {
        let result = job.result_timeout(TIMEOUT);
        assert!(result.is_ok_and(|output| output == 2 * n) || job.is_cancelled());
    }
    assert!(jobs.iter().all(|job| job.error_timeout(TIMEOUT).is_ok() || job.is_cancelled()));
    cluster.join();
}

#[test]
fn works_on_a_runtime_of_the_caller() {
    let Some(nats) = Nats::start() else { return };
    let _node = Node::start(&nats);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let cluster = connect(&nats, "awaited");
        assert_eq!(cluster.submit(Probe::Double(3)).unwrap().await.unwrap(), 6);
    });
}

#[test]
fn rejects_a_queue_of_another_job_type() {
    let Some(nats) = Nats::start() else { return };
    drop(connect(&nats, "probes"));
    let output = nats.call(&["--queue", "probes"]).run();
    assert_eq!(output.code(), 4);
    assert!(output.stderr.contains("has another version"), "{}", output.stderr);
}

#[test]
fn panic_of_the_submitter_ends_all_waits() {
    let Some(mut nats) = Nats::start() else { return };
    let cluster =
        Arc::new(connect_with_callback(&nats, "panic", |_| panic!("the observer of the run panics")));
    let jobs = submit(&cluster, (0..40).map(Probe::Double));
    let (submitting, (pushed, progress)) = (cluster.clone(), mpsc::channel());
    // More jobs than may be in flight, so this blocks.
    let thread = thread::spawn(move || {
        (0..1_000_000)
            .take_while(|&n| pushed.send(()).is_ok() && submitting.submit(Probe::Double(n)).is_ok())
            .count()
    });
    while progress.recv_timeout(Duration::from_millis(500)).is_ok() {}
    // The coordinator's thread reports the lost connection, and the callback panics.
    nats.kill();
    for job in jobs {
        let outcome = job.result_timeout(TIMEOUT);
        assert!(matches!(outcome, Err(JobError::Broken(_))), "{outcome:?}");
    }
    assert!(thread.join().unwrap() < 1_000_000);
    assert!(cluster.shutdown_timeout(TIMEOUT), "the coordinator is still running");
    assert!(cluster.broken().unwrap().contains("the submitter panicked"));
    assert!(matches!(cluster.submit(Probe::Double(1)), Err(SubmitError::Broken(_))));
    // None of these waits for the thread that has ended.
    cluster.cancel_waiting();
    cluster.stop(Duration::ZERO);
}
