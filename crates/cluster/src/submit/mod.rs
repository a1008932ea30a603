//! The submitter: an executor whose workers are the nodes of a queue.
//!
//! [`submitter`] encodes jobs in the thread that pushes them, and [`submit_buffer`] packs them into
//! messages. [`coordinator`] runs on the private runtime and receives all commands and events of a run.
//! [`messages`] decides what is done with each message: whether it has to be published or was published by
//! an earlier submitter. [`gate`] holds messages back until a resumed run has been verified, [`reconcile`]
//! requests a [`snapshot`] of the queue to compare the messages with, [`liveness`] checks that nodes serve
//! the queue, [`stop`] cancels messages and stops a run, and [`cleanup`] removes messages that are not
//! needed any more. [`publish`], [`listen`] and [`finder`] do the requests in tasks of their own and report
//! to the coordinator as an [`event`]; [`backpressure`] and [`throttle`] decide when a full queue or a
//! lasting error is reported. [`decode`] decodes results on a thread of its own. [`claim`] ensures that a
//! run has one submitter, [`check`] that the queue's streams still exist, and [`guard`] that a panic ends
//! the run.

mod backpressure;
mod check;
mod claim;
mod cleanup;
mod coordinator;
mod decode;
mod event;
mod finder;
mod gate;
mod guard;
mod listen;
mod liveness;
mod messages;
mod pending;
mod publish;
mod reconcile;
mod settings;
mod shared;
pub(crate) mod sizing;
mod snapshot;
mod stop;
mod submit_buffer;
mod submit_event;
mod submitter;
mod throttle;

use std::{
    sync::{Arc, mpsc::sync_channel},
    task::{self, Poll},
    time::{Duration, Instant},
};

use pool::{
    Executor, Job, JobFuture,
    error::SubmitError,
    metrics::WorkerStats,
    sealed::Sealed,
    settings::JobOptions,
    stream::{Sink, Submitter},
    worker::WorkerReport,
};

use crate::{Connection, Error, connect::Session, runtime, streams::Streams};
use coordinator::Coordinator;
use guard::EndGuard;
use shared::{Command, RunState};
use submitter::ClusterSubmitter;

pub use settings::SubmitSettings;
pub use submit_event::SubmitEvent;

/// Executor that runs jobs on the nodes of a queue.
///
/// Jobs are numbered in the order in which they are pushed by all submitters together. To resume a run, push
/// the same jobs in the same order. Pushing waits while too many messages or bytes are in flight.
///
/// A run has one submitter at a time. One that was killed or dropped releases the run at once.
///
/// A [`JobFuture`] only has an outcome: it never reports to be [running](JobFuture::is_running), and
/// [`cancel`](JobFuture::cancel) and [`kill`](JobFuture::kill) do nothing, because within milliseconds the
/// job is in a message with others, which may be in flight to a node.
/// [`cancel_waiting`](Executor::cancel_waiting) and [`stop`](Executor::stop) cancel all messages that were
/// not delivered to a node yet. [`reports`](Executor::reports) and [`worker_stats`](Executor::worker_stats)
/// are empty: the workers belong to the nodes.
///
/// Dropping it waits for all jobs, as with any executor: call [`stop`](Executor::stop) first if their
/// outcomes are not needed.
pub struct ClusterExecutor<J: Job> {
    shared: Arc<RunState<J>>,
    known_jobs: u64,
}

impl<J: Job> ClusterExecutor<J> {
    /// Connects, creates the queue if it does not exist, and reads which jobs of the run are queued or have
    /// results.
    ///
    /// # Errors
    /// If the cluster cannot be reached or used, the queue is of another version or for another job type, or
    /// the run has another submitter.
    pub fn connect(connection: &Connection, settings: SubmitSettings) -> Result<ClusterExecutor<J>, Error> {
        let (commands, received) = tokio::sync::mpsc::unbounded_channel();
        let shared = RunState::new(settings.time_limit, commands);
        let decoder = decode::start(&shared)?;
        // Not a channel of tokio's, which must not be blocked on in a runtime of the caller's.
        let (started, start_result) = sync_channel(1);
        let (connection, thread_shared) = (connection.clone(), shared.clone());
        runtime::spawn("runner-cluster", move || async move {
            thread_shared.register_sink_thread();
            // Locals are dropped in the opposite order: the receiver must be dropped after the guard.
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

    /// Returns how many jobs of the run had outcomes when this submitter connected.
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

impl<J: Job> Sealed for ClusterExecutor<J> {
    fn poll_end(&self, context: &mut task::Context<'_>) -> Poll<()> {
        self.shared.poll_end(context)
    }
}

impl<J: Job> Executor<J> for ClusterExecutor<J> {
    fn submitter(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Submitter<J>> {
        Box::new(ClusterSubmitter::new(self.shared.clone(), sink))
    }

    /// As other executors do; waits while too many messages are in flight.
    fn submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, SubmitError> {
        JobFuture::push_through(|sink| self.submitter(sink), job, options)
    }

    /// Returns the maximum number of messages in flight, because the number of workers is not known and may
    /// change.
    fn workers(&self) -> usize {
        self.shared.max_in_flight()
    }

    /// As other executors do; waits at most two seconds for the server to remove undelivered messages.
    fn cancel_waiting(&self) {
        let (done, received) = sync_channel(1);
        self.shared.command(Command::CancelWaiting(None, Some(done)));
        if !self.shared.is_sink_thread() {
            // An error means that the run is over.
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

    fn shutdown_timeout(&self, time: Duration) -> bool {
        self.close();
        self.shared.wait_for_end(time)
    }

    fn reports(&self) -> Vec<WorkerReport<J>> {
        Vec::new()
    }

    /// Returns nothing: the workers' statistics are kept by the nodes.
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
