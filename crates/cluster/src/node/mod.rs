//! A node: pulls messages, runs their jobs on a local pool, and stores their results.

mod attempts;
mod cost;
mod drain;
mod handle;
mod heartbeat;
mod notify;
mod restore;
mod serve;
mod settle;
mod sink;

use std::{sync::Arc, time::Duration};

use pool::{Executor, Job};
use tokio::sync::watch;

use crate::{Connection, Error, Queue, RunId, StreamSettings, connect::Session, runtime};

/// Settings of a node.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Queue to serve.
    pub queue: Queue,
    /// Name of the node in the status and in results, such as `host:pid`.
    pub name: String,
    /// Program and version, shown in the status.
    pub version: String,
    /// Time without an acknowledgement or heartbeat after which a message is redelivered, for all nodes of
    /// the queue. `None` leaves it unchanged; a new queue has 30 seconds.
    pub ack_wait: Option<Duration>,
    /// Maximum number of times a message is started before it is quarantined. 0 counts as 1.
    pub max_deliveries: u64,
    /// Grace period of running jobs after the first request to leave.
    pub grace: Duration,
    /// Settings for creating streams that do not exist.
    pub streams: StreamSettings,
}

/// Events of a node, in the order in which they happen.
#[derive(Clone, Debug)]
pub enum NodeNews {
    /// The node has joined the queue.
    Joined {
        /// Addresses of the servers.
        server: String,
        /// Time without an acknowledgement or heartbeat after which a message is redelivered.
        ack_wait: Duration,
    },
    /// The connection was lost; jobs keep running.
    Lost,
    /// The connection was restored.
    Regained,
    /// The result of a message was stored.
    Done {
        /// Run of the message.
        run: RunId,
        /// First job of the message.
        first: u64,
        /// Number of jobs.
        count: u64,
        /// Worker time of all jobs in seconds.
        cost: f64,
    },
    /// A message was quarantined.
    Quarantined {
        /// Run of the message.
        run: RunId,
        /// First job of the message.
        first: u64,
        /// Number of jobs.
        count: u64,
        /// Number of times it was started before.
        deliveries: u64,
    },
    /// A message of another version or job type, or not made by a submitter at all, was moved to quarantine.
    Foreign {
        /// Run according to its subject.
        run: RunId,
        /// First job of the message.
        first: u64,
        /// Number of jobs.
        count: u64,
    },
    /// A message whose subject is not valid was removed from the queue.
    Nonsense {
        /// Subject of the message.
        subject: String,
    },
    /// The jobs of a message could not be read, because a chunk is missing. Its run ends with this cause.
    Incomplete {
        /// Run of the message.
        run: RunId,
        /// First job of the message.
        first: u64,
        /// Number of jobs.
        count: u64,
        /// The cause.
        cause: String,
    },
    /// A stream of the queue or the nodes' consumer was deleted, and has been created again by this node or
    /// another one.
    Restored,
    /// An operation failed and will be retried.
    Trouble(String),
}

/// Counters of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeSummary {
    /// Jobs whose outcomes it stored.
    pub jobs: u64,
    /// Messages whose results it stored.
    pub batches: u64,
    /// Messages that had been delivered before.
    pub redelivered: u64,
    /// Messages whose result another node had already stored.
    pub late: u64,
    /// Messages that it handed back when it left.
    pub handed_back: u64,
    /// Messages that it quarantined.
    pub quarantined: u64,
}

/// Requests a node to leave, from any thread. After the first request it stops pulling and gives running jobs
/// the grace period; a second one ends the grace period.
#[derive(Clone, Debug)]
pub struct Leave(Arc<watch::Sender<u32>>);

impl Default for Leave {
    fn default() -> Leave {
        Leave(Arc::new(watch::Sender::new(0)))
    }
}

impl Leave {
    /// Returns a handle without requests.
    #[must_use]
    pub fn new() -> Leave {
        Leave::default()
    }

    /// Requests the node to leave.
    pub fn ask(&self) {
        self.0.send_modify(|requests| *requests += 1);
    }
}

/// Serves a queue in the calling thread until it is requested to leave or fails. Stops the pool at the end.
///
/// # Errors
/// If the cluster cannot be reached or used, the queue is of another version, or the pool fails. Messages in
/// flight have been handed back then, if the server could still be reached.
pub fn serve<J: Job>(
    connection: &Connection,
    settings: NodeSettings,
    pool: Arc<dyn Executor<J>>,
    notify: &mut dyn FnMut(NodeNews),
    leave: &Leave,
) -> Result<NodeSummary, Error> {
    runtime::block_on(async {
        let mut leave_requests = leave.0.subscribe();
        let name = format!("runner node {}", settings.name);
        let joining = async {
            let session = Session::open(connection, &name).await?;
            serve::Node::join(session, settings, pool).await
        };
        let node = tokio::select! {
            node = joining => node?,
            _ = leave_requests.wait_for(|&requests| requests > 0) => return Ok(NodeSummary::default()),
        };
        node.serve(notify, leave_requests).await
    })
}
