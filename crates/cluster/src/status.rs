//! Reads the state of a queue without joining it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use async_nats::jetstream::{consumer, stream::Stream};
use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::{
    Connection, Error, Queue, RunId,
    connect::Session,
    names::{Span, StreamKind, parse_subject},
    runtime,
    streams::{CONSUMER, Streams},
};

/// How long to wait for the nodes' answers.
const NODES_TIMEOUT: Duration = Duration::from_millis(500);

/// State of a queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Name of the queue.
    pub queue: String,
    /// Description of its streams: protocol version and job type.
    pub description: String,
    /// Nodes that answered in time, by name.
    pub nodes: Vec<NodeStatus>,
    /// Number of messages that were not delivered yet.
    pub queued: u64,
    /// Number of messages in flight: delivered and not acknowledged.
    pub in_flight: u64,
    /// Number of messages in flight that were delivered more than once.
    pub redelivered: u64,
    /// Throughput of all nodes over the last ten seconds, in jobs per second.
    pub jobs_per_second: f64,
    /// Size of the jobs stream in bytes.
    pub job_bytes: u64,
    /// Size of the results stream in bytes.
    pub result_bytes: u64,
    /// Runs with queued messages or stored results, by name.
    pub runs: Vec<RunStatus>,
    /// Quarantined messages.
    pub quarantined: Vec<QuarantinedMessage>,
}

/// State of a node, as it reports it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Name of the node, such as `host:pid`.
    pub name: String,
    /// Program and version of the node.
    pub version: String,
    /// Number of jobs that it runs at a time.
    pub workers: usize,
    /// Number of messages in flight to this node.
    pub batches_held: usize,
    /// Runs of these messages.
    #[serde(default)]
    pub runs_held: BTreeSet<String>,
    /// Number of jobs whose outcomes it has stored.
    pub jobs_done: u64,
    /// Throughput over the last ten seconds, in jobs per second.
    pub jobs_per_second: f64,
    /// Seconds since it started serving.
    pub up_s: f64,
}

/// State of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    /// Name of the run.
    pub run: String,
    /// Number of jobs that are queued or in flight.
    pub waiting_jobs: u64,
    /// Number of jobs with stored outcomes.
    pub stored_jobs: u64,
    /// Number of stored results.
    pub stored_batches: u64,
}

/// A quarantined message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QuarantinedMessage {
    /// Name of its run.
    pub run: String,
    /// First job, counted from 0 in the order of submission.
    pub first_job: u64,
    /// Last job.
    pub last_job: u64,
}

/// Returns the state of a queue. Changes nothing.
///
/// # Errors
/// If the cluster cannot be reached or used, or the queue does not exist.
pub fn status(connection: &Connection, queue: &Queue) -> Result<Status, Error> {
    runtime::block_on(async {
        let session = Session::open(connection, "runner cluster status").await?;
        read_status(&session, queue).await
    })
}

async fn read_status(session: &Session, queue: &Queue) -> Result<Status, Error> {
    let streams = Streams::find(session, queue).await?;
    let nodes = ask_nodes(session, queue).await?;
    let consumer: Option<consumer::Info> = streams.jobs.consumer_info(CONSUMER).await.ok();
    let (jobs, results) = (&streams.jobs.cached_info().state, &streams.results.cached_info().state);
    let mut runs: BTreeMap<String, RunStatus> = BTreeMap::new();
    for (run, span) in message_spans(&streams.jobs, &queue.subjects(StreamKind::Jobs, None)).await? {
        runs.entry(run.to_string()).or_default().waiting_jobs += span.count;
    }
    for (run, span) in message_spans(&streams.results, &queue.subjects(StreamKind::Results, None)).await? {
        let run = runs.entry(run.to_string()).or_default();
        run.stored_jobs += span.count;
        run.stored_batches += 1;
    }
    let named = |(name, run)| RunStatus { run: name, ..run };
    let mut quarantined =
        message_spans(&streams.quarantine, &queue.subjects(StreamKind::Quarantine, None)).await?;
    quarantined.sort();
    let shown = quarantined.into_iter().map(|(run, span)| QuarantinedMessage {
        run: run.to_string(),
        first_job: span.first,
        last_job: span.last(),
    });
    Ok(Status {
        queue: queue.to_string(),
        description: streams.jobs.cached_info().config.description.clone().unwrap_or_default(),
        queued: consumer.as_ref().map_or(jobs.messages, |consumer| consumer.num_pending),
        in_flight: consumer.as_ref().map_or(0, |consumer| consumer.num_ack_pending as u64),
        redelivered: consumer.as_ref().map_or(0, |consumer| consumer.num_redelivered as u64),
        jobs_per_second: nodes.iter().fold(0.0, |sum, node| sum + node.jobs_per_second),
        nodes,
        job_bytes: jobs.bytes,
        result_bytes: results.bytes,
        runs: runs.into_iter().map(named).collect(),
        quarantined: shown.collect(),
    })
}

/// Returns the state of the nodes that answer a ping within 500 ms, by name.
pub(crate) async fn ask_nodes(session: &Session, queue: &Queue) -> Result<Vec<NodeStatus>, Error> {
    let inbox = session.client.new_inbox();
    let mut answers = session.client.subscribe(inbox.clone()).await.map_err(Error::server)?;
    session.client.publish_with_reply(queue.ping(), inbox, "".into()).await.map_err(Error::server)?;
    let deadline = Instant::now() + NODES_TIMEOUT;
    let mut nodes = Vec::new();
    while let Ok(Some(answer)) = timeout_at(deadline, answers.next()).await {
        match serde_json::from_slice(&answer.payload) {
            Ok(node) => nodes.push(node),
            // A status from the server: the subject has no subscribers.
            Err(_) if answer.status.is_some() => break,
            Err(_) => {}
        }
    }
    nodes.sort_by(|one: &NodeStatus, other| one.name.cmp(&other.name));
    Ok(nodes)
}

/// Returns the job ranges of all messages whose subjects match.
pub(crate) async fn message_spans(stream: &Stream, filter: &str) -> Result<Vec<(RunId, Span)>, Error> {
    let mut subjects = stream.info_with_subjects(filter).await.map_err(Error::server)?;
    let mut spans = Vec::new();
    while let Some((subject, _)) = subjects.try_next().await.map_err(Error::server)? {
        spans.extend(parse_subject(&subject));
    }
    Ok(spans)
}
