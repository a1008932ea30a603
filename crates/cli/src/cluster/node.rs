//! `runner node`: serves a queue from this machine.

use std::{fs, process, sync::Arc, time::Duration};

use cluster::{Leave, NodeNews, NodeSettings, NodeSummary, Queue, serve};

use super::args::NodeArguments;
use crate::{
    error::{self, RunError, UsageError, warn},
    exit::ExitStatus,
    interrupt::{block_termination_signals, watch},
    plan::Plan,
    run::GRACE_PERIOD,
};

/// How long the node may take to hand back what it has after the second signal, before it is ended wherever it stands.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// The whole of `runner node`.
pub(crate) fn node(arguments: NodeArguments) -> ExitStatus {
    match Node::plan(arguments) {
        Ok(node) => node.serve(),
        Err(error) => {
            error::print(&error);
            ExitStatus::Usage
        }
    }
}

struct Node {
    connection: cluster::Connection,
    settings: NodeSettings,
    plan: Plan,
    quiet: bool,
    verbose: bool,
}

impl Node {
    fn plan(arguments: NodeArguments) -> Result<Node, UsageError> {
        let connection = arguments.server.connection()?;
        let settings = NodeSettings {
            queue: arguments.server.queue()?,
            name: format!("{}:{}", host(), process::id()),
            version: format!("runner {}", env!("CARGO_PKG_VERSION")),
            ack_wait: arguments.ack_wait,
            max_deliveries: arguments.max_deliveries,
            grace: GRACE_PERIOD,
            streams: arguments.streams.settings(),
        };
        let (quiet, verbose) = (arguments.quiet, arguments.verbose);
        Ok(Node { connection, settings, plan: Plan::new(arguments.for_the_pool())?, quiet, verbose })
    }

    fn serve(self) -> ExitStatus {
        let Node { connection, settings, plan, quiet, verbose } = self;
        let leave = Leave::new();
        let asking = leave.clone();
        let watching = watch(block_termination_signals(), LEAVE_LIMIT, move |_| {
            asking.ask();
            true
        });
        let started = watching.map_err(RunError::Thread).and_then(|()| {
            let pool = plan.make_processes(plan.workers, None)?;
            Ok(Arc::new(pool))
        });
        let pool = match started {
            Ok(pool) => pool,
            Err(error) => {
                error::print(&error);
                return ExitStatus::Pool;
            }
        };
        let (name, queue) = (settings.name.clone(), settings.queue.clone());
        let mut tell = |news: NodeNews| match describe(&news, (&name, &queue, plan.workers), verbose) {
            Some(line) if !quiet => warn(&line),
            _ => {}
        };
        let served = serve(&connection, settings, pool.clone(), &mut tell, &leave);
        pool::Executor::stop(&*pool, Duration::ZERO);
        pool::Executor::join(&*pool);
        match served {
            Ok(summary) => {
                if !quiet {
                    warn(&describe_summary(&name, &summary));
                }
                ExitStatus::Succeeded
            }
            Err(error) => {
                error::print(&RunError::Cluster(error.to_string()));
                ExitStatus::Pool
            }
        }
    }
}

/// The machine's name.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}

fn describe(news: &NodeNews, (name, queue, workers): (&str, &Queue, usize), verbose: bool) -> Option<String> {
    Some(match news {
        NodeNews::Joined { server, ack_wait } => format!(
            "node {name} serves the queue {queue} at {server}: {workers} at a time, ack wait {} s",
            ack_wait.as_secs_f64()
        ),
        NodeNews::Lost => "the connection is lost; jobs go on".to_owned(),
        NodeNews::Regained => "the connection is back".to_owned(),
        NodeNews::Quarantined { run, first, count, deliveries } => format!(
            "quarantined jobs {first} to {} of run {run}: delivered {deliveries} times, and no node finished them",
            first + count - 1
        ),
        NodeNews::Foreign { run, first, count } => format!(
            "quarantined jobs {first} to {} of run {run}: they are of another version, or no jobs at all",
            first.saturating_add(count - 1)
        ),
        NodeNews::Nonsense { subject } => {
            format!("removed a message from the queue that is no batch: {:?}", subject)
        }
        NodeNews::Done { run, first, count, cost } if verbose => {
            format!("jobs {first} to {} of run {run}: {:.1} ms", first + count - 1, cost * 1e3)
        }
        NodeNews::Incomplete { run, first, count, cause } => format!(
            "gave up jobs {first} to {} of run {run}: {cause}; the run ends",
            first.saturating_add(count - 1)
        ),
        NodeNews::Restored => {
            format!("the queue {queue} was deleted, or a part of it; it has been created again")
        }
        NodeNews::Trouble(what) => format!("trying again: {what}"),
        NodeNews::Done { .. } => return None,
    })
}

fn describe_summary(name: &str, summary: &NodeSummary) -> String {
    let NodeSummary { jobs, batches, redelivered, late, handed_back, quarantined } = summary;
    format!(
        "node {name} leaves: {jobs} jobs in {batches} batches, {redelivered} redelivered, {late} too late, \
         {handed_back} handed back, {quarantined} quarantined"
    )
}
