//! The submitter: an executor whose workers are somewhere else.
//!
//! [`submitter`] gathers jobs into batches, in the thread that pushes them. [`coordinator`] decides, on the private runtime,
//! what becomes of each batch: whether it has to be published or has been by an earlier submitter, and what is done when the run
//! is stopped ([`ending`]); [`results`] is about what comes back, [`vigil`] about whether anybody is there to send it. [`publish`] and
//! [`listen`] do what it says and tell it what has happened; [`decode`] turns results into outcomes on a thread of its own.
//! [`claim`] sees to it that nobody else works on the same run, [`check`] that the queue's streams still exist, and [`guard`] that a
//! panic ends the run.

mod backpressure;
mod check;
mod claim;
mod cleanup;
mod coordinator;
mod decode;
mod gate;
mod guard;
mod listen;
mod liveness;
mod publish;
mod reconcile;
mod results;
mod shared;
pub(crate) mod sizing;
mod stop;
mod submitter;
mod throttle;

use std::{
    sync::{Arc, mpsc::sync_channel},
    time::{Duration, Instant},
};

use pool::{Executor, Job, JobFuture, JobOptions, Sink, SubmitError, Submitter, WorkerReport, WorkerStats};

use crate::{Connection, Error, Queue, RunId, StreamSettings, connect::Session, runtime, streams::Streams};
use coordinator::Coordinator;
use guard::EndGuard;
use shared::{Command, RunState};
use submitter::ClusterSubmitter;

/// What a submitter has to be told.
#[derive(Clone, Debug)]
pub struct SubmitSettings {
    /// The queue.
    pub queue: Queue,
    /// The run: under the same name it is gone on with, if the same jobs are pushed in the same order.
    pub run: RunId,
    /// The time limit of jobs that have none of their own.
    pub time_limit: Option<Duration>,
    /// How streams are made that are not there.
    pub streams: StreamSettings,
    /// Hears what the run has to tell, on one of its threads: it must not wait for the run.
    pub tell: fn(SubmitNews),
}

/// What a submitter has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitNews {
    /// The connection is lost. It is made anew, however long that takes.
    Lost,
    /// The connection is back.
    Regained,
    /// Jobs wait, nothing has come back for five seconds, and no node of the queue answers.
    Unserved(Queue),
    /// After that: a node answers, or has stored a result.
    Served(Queue),
    /// For longer than the connection's time-out the server has refused something or not answered, for this reason, although
    /// there is a connection. It is tried on.
    Trouble(String),
}

/// Runs jobs on the nodes of a queue.
///
/// Jobs are numbered in the order in which they are pushed, by all submitters together; a run that is to be resumed has to push the same
/// jobs in the same order again. Pushing waits while very much is under way.
///
/// One submitter at a time works on a run; one that was killed, or is dropped, leaves it to the next at once.
///
/// Of a [`JobFuture`] only the outcome is known here: it is never said to be [running](JobFuture::running), and
/// [`cancel`](JobFuture::cancel) and [`kill`](JobFuture::kill) do nothing, because within milliseconds the job is in a batch with
/// others, which the server may have given to a node. [`cancel_waiting`](Executor::cancel_waiting) and
/// [`stop`](Executor::stop) take back what no node has been given, all of it together. There are no
/// [`reports`](Executor::reports) and [`figures`](Executor::figures): the workers are the nodes'.
///
/// Dropping it waits for all jobs, as with any executor: [`stop`](Executor::stop) it first if nobody wants them any more.
pub struct ClusterExecutor<J: Job> {
    shared: Arc<RunState<J>>,
    known_jobs: u64,
}

impl<J: Job> ClusterExecutor<J> {
    /// Connects, makes the queue if it is not there, and finds out what is known of the run.
    ///
    /// # Errors
    /// When the cluster cannot be reached or used, the queue is of another version or for other jobs, or another submitter
    /// is at work on the run.
    pub fn connect(connection: &Connection, settings: SubmitSettings) -> Result<ClusterExecutor<J>, Error> {
        let (commands, received) = tokio::sync::mpsc::unbounded_channel();
        let shared = RunState::new(settings.time_limit, commands);
        let decoder = decode::start(&shared)?;
        // Not one of tokio's, which must not be waited for in a runtime of the caller's.
        let (started, start_result) = sync_channel(1);
        let (connection, thread_shared) = (connection.clone(), shared.clone());
        runtime::spawn("runner-cluster", move || async move {
            thread_shared.register_sink_thread();
            // Dropped in the opposite order: the guard needs the commands to be received until then.
            let mut received = received;
            let _guard = EndGuard(thread_shared.clone());
            let starting = async {
                let opened = open::<J>(&connection, &settings).await?;
                Coordinator::open(opened, settings, connection.timeout, thread_shared.clone(), decoder).await
            };
            match starting.await {
                Err(error) => drop(started.send(Err(error))),
                Ok(coordinator) => {
                    let _ = started.send(Ok(coordinator.known_jobs()));
                    coordinator.run(&mut received).await;
                }
            }
        })?;
        let known_jobs = start_result.recv().map_err(Error::server)??;
        Ok(ClusterExecutor { shared, known_jobs })
    }

    /// How many jobs of the run had outcomes when it was connected.
    #[must_use]
    pub fn known_jobs(&self) -> u64 {
        self.known_jobs
    }
}

async fn open<J: Job>(
    connection: &Connection,
    settings: &SubmitSettings,
) -> Result<(Session, Streams), Error> {
    let session = Session::open(connection, &format!("runner run {}", settings.run)).await?;
    let streams = Streams::open(&session, &settings.queue, J::NAME, settings.streams).await?;
    Ok((session, streams))
}

impl<J: Job> Executor<J> for ClusterExecutor<J> {
    fn submitter(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>> {
        Box::new(ClusterSubmitter::new(self.shared.clone(), sink))
    }

    /// As other executors do; it waits while very much is under way.
    fn submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, SubmitError> {
        JobFuture::through(|sink| self.submitter(sink), job, options)
    }

    /// How many batches may be under way: nobody knows how many workers there are, or will be.
    fn workers(&self) -> usize {
        self.shared.max_in_flight()
    }

    /// As other executors do; it waits for the server to take back what no node has, for two seconds at most.
    fn cancel_waiting(&self) {
        let (done, received) = sync_channel(1);
        self.shared.command(Command::CancelWaiting(None, Some(done)));
        if !self.shared.is_sink_thread() {
            // An error when all is over.
            let _ = received.recv();
        }
    }

    fn close(&self) {
        self.shared.close();
    }

    fn stop(&self, grace: Duration) {
        self.shared.stop();
        self.shared.command(Command::Stop(Instant::now() + grace.min(Duration::from_secs(1 << 30))));
    }

    fn join_timeout(&self, time: Duration) -> bool {
        self.shared.wait_for_end(time)
    }

    fn reports(&self) -> Vec<WorkerReport<J>> {
        Vec::new()
    }

    /// None: the workers are the nodes', which count them.
    fn worker_stats(&self) -> Vec<WorkerStats> {
        Vec::new()
    }

    fn broken(&self) -> Option<Arc<str>> {
        self.shared.broken()
    }
}

impl<J: Job> Drop for ClusterExecutor<J> {
    fn drop(&mut self) {
        self.close();
        self.join();
    }
}
