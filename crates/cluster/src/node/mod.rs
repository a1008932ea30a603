//! A node: pulls messages, runs their jobs on a local pool, and stores their results.
//!
//! [`serve`](mod@serve) is the event loop, which owns the [`state`]: the messages [`in_flight`] and the
//! queue's streams and [`consumer`]. [`handle`] runs the jobs of one message in a task: [`attempts`] counts
//! its attempts and isolates suspects, and [`sink`] collects its outcomes. [`settle`] acknowledges what was
//! handled, [`heartbeat`] keeps messages in flight and answers pings, [`check`] finds out whether the
//! streams and the consumer still exist, [`restore`] creates them again, and [`drain`] leaves the queue.
//! [`cost`] measures jobs, and [`notify`] reports errors and changes of the connection.

mod attempts;
mod check;
mod consumer;
mod cost;
mod delivery;
mod drain;
mod handle;
mod heartbeat;
mod in_flight;
mod node_event;
mod notify;
mod restore;
mod serve;
mod settings;
mod settle;
mod sink;
mod state;
mod summary;

use std::sync::Arc;

use pool::{Executor, Job};
use tokio::sync::watch;

use crate::{Connection, Error, connect::Session, runtime};
use state::Node;

pub use node_event::NodeEvent;
pub use settings::NodeSettings;
pub use summary::NodeSummary;

/// Requests a node to leave, from any thread. After the first request it stops pulling and gives running jobs
/// the grace period; a second one ends the grace period.
#[derive(Clone, Debug)]
pub struct DrainHandle(Arc<watch::Sender<u32>>);

impl Default for DrainHandle {
    fn default() -> DrainHandle {
        DrainHandle(Arc::new(watch::Sender::new(0)))
    }
}

impl DrainHandle {
    /// Returns a handle without requests.
    #[must_use]
    pub fn new() -> DrainHandle {
        DrainHandle::default()
    }

    /// Requests the node to leave.
    pub fn request(&self) {
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
    notify: &mut dyn FnMut(NodeEvent),
    leave: &DrainHandle,
) -> Result<NodeSummary, Error> {
    runtime::block_on(async {
        let mut leave_requests = leave.0.subscribe();
        let name = format!("runner node {}", settings.name);
        let joining = async {
            let session = Session::open(connection, &name).await?;
            Node::join(session, settings, pool).await
        };
        let node = tokio::select! {
            node = joining => node?,
            _ = leave_requests.wait_for(|&requests| requests > 0) => return Ok(NodeSummary::default()),
        };
        node.serve(notify, leave_requests).await
    })
}
