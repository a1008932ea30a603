//! `runner node`: serves a queue from this machine.

use std::{
    fs, io, process,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use cluster::{Leave, NodeNews, NodeSettings, NodeSummary, Queue, serve};
use nix::sys::signal::{SigSet, Signal};

use super::args::NodeArguments;
use crate::{
    error::{self, Misuse, RunError, warn},
    exit::Ended,
    plan::Plan,
    run::GRACE,
};

/// The first signal that asked the node to leave.
type Asked = Arc<Mutex<Option<Signal>>>;

/// The whole of `runner node`.
pub(crate) fn node(arguments: NodeArguments) -> Ended {
    match Node::plan(arguments) {
        Ok(node) => node.serve(),
        Err(error) => {
            error::print(&error);
            Ended::Misused
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
    fn plan(arguments: NodeArguments) -> Result<Node, Misuse> {
        let connection = arguments.server.connection()?;
        let settings = NodeSettings {
            queue: arguments.server.queue()?,
            name: format!("{}:{}", host(), process::id()),
            version: format!("runner {}", env!("CARGO_PKG_VERSION")),
            ack_wait: arguments.ack_wait,
            max_deliveries: arguments.max_deliveries,
            grace: GRACE,
            streams: arguments.streams.settings(),
        };
        let (quiet, verbose) = (arguments.quiet, arguments.verbose);
        Ok(Node { connection, settings, plan: Plan::new(arguments.for_the_pool())?, quiet, verbose })
    }

    fn serve(self) -> Ended {
        let Node { connection, settings, plan, quiet, verbose } = self;
        let leave = Leave::new();
        let started = watch(&leave).map_err(RunError::Thread).and_then(|asked| {
            let pool = plan.make_processes(plan.workers, None)?;
            Ok((asked, Arc::new(pool)))
        });
        let (asked, pool) = match started {
            Ok(started) => started,
            Err(error) => {
                error::print(&error);
                return Ended::Pool;
            }
        };
        let (name, queue) = (settings.name.clone(), settings.queue.clone());
        let mut tell = |news: NodeNews| match describe(&news, (&name, &queue, plan.workers), verbose) {
            Some(line) if !quiet => warn(&line),
            _ => {}
        };
        let served = serve(&connection, settings, pool.clone(), &mut tell, &leave);
        pool::Executor::stop(&*pool, std::time::Duration::ZERO);
        pool::Executor::join(&*pool);
        let by_signal = asked.lock().unwrap_or_else(PoisonError::into_inner).map(Ended::Signal);
        match served {
            Ok(summary) => {
                if !quiet {
                    warn(&describe_summary(&name, &summary));
                }
                by_signal.unwrap_or(Ended::Succeeded)
            }
            Err(error) => {
                error::print(&RunError::Cluster(error.to_string()));
                by_signal.unwrap_or(Ended::Pool).and(Ended::Pool)
            }
        }
    }
}

/// Asks the node to leave, once for each signal.
fn watch(leave: &Leave) -> io::Result<Asked> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        if !sys::signal::is_ignored(signal) {
            signals.add(signal);
        }
    }
    signals.thread_block()?;
    let (asked, leave) = (Asked::default(), leave.clone());
    let first = asked.clone();
    let watcher = thread::Builder::new().name("runner-signals".into());
    watcher.spawn(move || {
        while let Ok(signal) = signals.wait() {
            first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(signal);
            leave.ask();
        }
    })?;
    Ok(asked)
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
