//! A node: pulls batches, runs them on a local pool, stores their results.

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

/// How a node treats its queue.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// The queue that it serves.
    pub queue: Queue,
    /// The node's name, in the status and in results; such as `host:pid`.
    pub name: String,
    /// Says in the status what program it is.
    pub version: String,
    /// How long a batch may be silent before another node gets it; for all nodes of the queue. `None`: as it is, or 30
    /// seconds.
    pub ack_wait: Option<Duration>,
    /// A batch that has been delivered more often is not run, but quarantined. 0 counts as 1.
    pub max_deliveries: u64,
    /// How long running jobs may go on after the first call to leave.
    pub grace: Duration,
    /// How streams are made that are not there.
    pub streams: StreamSettings,
}

/// What a node has to tell, in the order in which it happens.
#[derive(Clone, Debug)]
pub enum NodeNews {
    /// It serves the queue from now on.
    Joined {
        /// The servers.
        server: String,
        /// After this time of silence a batch is given to another node.
        ack_wait: Duration,
    },
    /// The connection is lost; jobs go on.
    Lost,
    /// The connection is back.
    Regained,
    /// A batch has been stored.
    Done {
        /// Whose it was.
        run: RunId,
        /// Its first job.
        first: u64,
        /// How many.
        count: u64,
        /// Seconds of one worker that it has cost.
        cost: f64,
    },
    /// A batch has been given up.
    Quarantined {
        /// Whose it was.
        run: RunId,
        /// Its first job.
        first: u64,
        /// How many.
        count: u64,
        /// How often it had been delivered before.
        deliveries: u64,
    },
    /// A batch is of another version or for other jobs, or none at all: it has been set aside among those that were given up.
    Foreign {
        /// Whose it says that it is.
        run: RunId,
        /// Its first job.
        first: u64,
        /// How many.
        count: u64,
    },
    /// A message that is no batch has been removed from the queue.
    Nonsense {
        /// Under which name it was there.
        subject: String,
    },
    /// The jobs of a batch cannot be put together: a piece of a large message is missing. Its run ends with this cause.
    Incomplete {
        /// Whose it was.
        run: RunId,
        /// Its first job.
        first: u64,
        /// How many.
        count: u64,
        /// What is wrong.
        cause: String,
    },
    /// One of the queue's streams, or the nodes' consumer, was deleted; it has been created again, by this node or another one.
    Restored,
    /// Something failed and will be tried again.
    Trouble(String),
}

/// What a node has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeSummary {
    /// Jobs whose outcomes it has stored.
    pub jobs: u64,
    /// Batches of them.
    pub batches: u64,
    /// Batches that somebody else had been given before.
    pub redelivered: u64,
    /// Batches that it ran, and somebody else had stored.
    pub late: u64,
    /// Batches that it gave back when it left.
    pub handed_back: u64,
    /// Batches that it gave up.
    pub quarantined: u64,
}

/// Asks a node to leave, from any thread. The first time it stops pulling and gives running jobs some time, the second time
/// none.
#[derive(Clone, Debug)]
pub struct Leave(Arc<watch::Sender<u32>>);

impl Default for Leave {
    fn default() -> Leave {
        Leave(Arc::new(watch::Sender::new(0)))
    }
}

impl Leave {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new() -> Leave {
        Leave::default()
    }

    /// Asks.
    pub fn ask(&self) {
        self.0.send_modify(|requests| *requests += 1);
    }
}

/// Serves a queue in this thread until it is asked to leave, or cannot go on. The pool is stopped then.
///
/// # Errors
/// When the cluster cannot be reached or used, the queue is of another version, or the pool broke. What it held has been
/// handed back then, if the server could still be reached.
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
