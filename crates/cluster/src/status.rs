//! What there is to see of a queue, without being part of it.

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
    names::{Span, Which, parse_subject},
    runtime,
    streams::{CONSUMER, Streams},
};

/// How long nodes have to answer.
const NODES_ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// A queue, as it is now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The queue.
    pub queue: String,
    /// What its streams are for: the protocol and the type of jobs.
    pub description: String,
    /// Nodes that have answered, by their names.
    pub nodes: Vec<NodeStatus>,
    /// Batches that no node has been given.
    pub queued: u64,
    /// Batches that nodes have.
    pub in_flight: u64,
    /// Of these, those that have been delivered more than once.
    pub redelivered: u64,
    /// Jobs a second, of all nodes together, over the last ten seconds.
    pub jobs_per_second: f64,
    /// Bytes of jobs that are stored.
    pub job_bytes: u64,
    /// Bytes of results that are stored.
    pub result_bytes: u64,
    /// Runs of which anything is stored, by their names.
    pub runs: Vec<RunStatus>,
    /// Batches that were given up.
    pub quarantined: Vec<Quarantined>,
}

/// A node's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name, `host:pid`.
    pub name: String,
    /// What program it is.
    pub version: String,
    /// How many jobs it runs at a time.
    pub workers: usize,
    /// Batches that it has.
    pub batches_held: usize,
    /// The runs that these are of.
    #[serde(default)]
    pub runs_held: BTreeSet<String>,
    /// Jobs whose outcomes it has stored.
    pub jobs_done: u64,
    /// The same for a second, over the last ten.
    pub jobs_per_second: f64,
    /// For how many seconds it has served.
    pub up_s: f64,
}

/// What is stored of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    /// The run.
    pub run: String,
    /// Jobs that are queued or under way.
    pub waiting_jobs: u64,
    /// Jobs that have stored outcomes.
    pub stored_jobs: u64,
    /// Batches with outcomes.
    pub stored_batches: u64,
}

/// A batch that was given up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Quarantined {
    /// Whose it was.
    pub run: String,
    /// Its first job, by the order of submission.
    pub first_job: u64,
    /// Its last job.
    pub last_job: u64,
}

/// Looks at a queue; changes nothing.
///
/// # Errors
/// When the cluster cannot be reached or used, or there is no such queue.
pub fn status(connection: &Connection, queue: &Queue) -> Result<Status, Error> {
    runtime::block_on(async {
        let session = Session::open(connection, "runner cluster status").await?;
        look(&session, queue).await
    })
}

async fn look(session: &Session, queue: &Queue) -> Result<Status, Error> {
    let streams = Streams::find(session, queue).await?;
    let nodes = ask_nodes(session, queue).await?;
    let consumer: Option<consumer::Info> = streams.jobs.consumer_info(CONSUMER).await.ok();
    let (jobs, results) = (&streams.jobs.cached_info().state, &streams.results.cached_info().state);
    let mut runs: BTreeMap<String, RunStatus> = BTreeMap::new();
    for (run, span) in batches(&streams.jobs, &queue.all(Which::Jobs, None)).await? {
        runs.entry(run.to_string()).or_default().waiting_jobs += span.count;
    }
    for (run, span) in batches(&streams.results, &queue.all(Which::Results, None)).await? {
        let run = runs.entry(run.to_string()).or_default();
        run.stored_jobs += span.count;
        run.stored_batches += 1;
    }
    let named = |(name, run)| RunStatus { run: name, ..run };
    let mut quarantined = batches(&streams.quarantine, &queue.all(Which::Quarantine, None)).await?;
    quarantined.sort();
    let shown = quarantined.into_iter().map(|(run, span)| Quarantined {
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

/// Everybody who serves the queue and answers in time.
pub(crate) async fn ask_nodes(session: &Session, queue: &Queue) -> Result<Vec<NodeStatus>, Error> {
    let inbox = session.client.new_inbox();
    let mut answers = session.client.subscribe(inbox.clone()).await.map_err(Error::server)?;
    session.client.publish_with_reply(queue.ping(), inbox, "".into()).await.map_err(Error::server)?;
    let deadline = Instant::now() + NODES_ANSWER_WITHIN;
    let mut nodes = Vec::new();
    while let Ok(Some(answer)) = timeout_at(deadline, answers.next()).await {
        match serde_json::from_slice(&answer.payload) {
            Ok(node) => nodes.push(node),
            // The server's own word that nobody listens.
            Err(_) if answer.status.is_some() => break,
            Err(_) => {}
        }
    }
    nodes.sort_by(|one: &NodeStatus, other| one.name.cmp(&other.name));
    Ok(nodes)
}

/// The batches whose subjects match.
pub(crate) async fn batches(stream: &Stream, filter: &str) -> Result<Vec<(RunId, Span)>, Error> {
    let mut subjects = stream.info_with_subjects(filter).await.map_err(Error::server)?;
    let mut batches = Vec::new();
    while let Some((subject, _)) = subjects.try_next().await.map_err(Error::server)? {
        batches.extend(parse_subject(&subject));
    }
    Ok(batches)
}
