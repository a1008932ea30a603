//! `runner node`: runs the jobs of a queue on this machine.

use std::{fs, process, sync::Arc, time::Duration};

use cluster::{DrainHandle, NodeEvent, NodeSettings, NodeSummary, Queue, serve};
use console::{
    ExitStatus,
    signals::{block_termination_signals, watch},
};

use crate::{
    args::{Arguments, ClusterOptions, ExecutorKind, NodeArguments, RunOptions},
    error::{self, RunError, UsageError, warn},
    plan::Plan,
    run::GRACE_PERIOD,
};

/// Time limit for handing unfinished jobs back after the second signal. After it the process exits.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Runs `runner node`.
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
        Ok(Node { connection, settings, plan: Plan::new(pool_arguments(arguments))?, quiet, verbose })
    }

    fn serve(self) -> ExitStatus {
        let Node { connection, settings, plan, quiet, verbose } = self;
        let leave = DrainHandle::new();
        let drain = leave.clone();
        let watching = watch(block_termination_signals(), STOP_TIMEOUT, move |_| {
            drain.request();
            true
        });
        let started = watching.map_err(RunError::Thread).and_then(|()| {
            plan.sandbox.check_programs()?;
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
        let mut notify = |event: NodeEvent| match describe(&event, (&name, &queue, plan.workers), verbose) {
            Some(line) if !quiet => warn(&line),
            _ => {}
        };
        let served = serve(&connection, settings, pool.clone(), &mut notify, &leave);
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

/// Converts to the arguments of a run on worker processes, which configure the pool of the node.
fn pool_arguments(node: NodeArguments) -> Arguments {
    let defaults = Arguments::defaults();
    let run = RunOptions {
        cluster: ClusterOptions::default(),
        executor: ExecutorKind::Processes,
        workers: node.workers,
        allow_command: node.allow_command,
        max_output: node.max_output,
        max_result: node.max_result,
        timeout: node.timeout,
        kill_after: node.kill_after,
        supervision: node.supervision,
        sandbox: node.sandbox,
        worker_bin: node.worker_bin,
        program: node.program,
        ..defaults.run
    };
    Arguments { define: node.define, run, ..defaults }
}

/// Host name of the machine; "localhost" if it is unknown.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}

fn describe(
    event: &NodeEvent,
    (name, queue, workers): (&str, &Queue, usize),
    verbose: bool,
) -> Option<String> {
    Some(match event {
        NodeEvent::Joined { server, ack_wait } => format!(
            "node {name} serves the queue {queue} at {server}: {workers} workers, ack wait {} s",
            ack_wait.as_secs_f64()
        ),
        NodeEvent::Disconnected => "connection lost; running jobs continue".to_owned(),
        NodeEvent::Reconnected => "connection restored".to_owned(),
        NodeEvent::QuarantinedMessage { run, first, count, deliveries } => format!(
            "quarantined jobs {first} to {} of run {run}: delivered {deliveries} times without outcomes",
            first + count - 1
        ),
        NodeEvent::Foreign { run, first, count } => format!(
            "quarantined jobs {first} to {} of run {run}: of another version, or not jobs",
            first.saturating_add(count - 1)
        ),
        NodeEvent::InvalidSubject { subject } => {
            format!("removed an invalid message from the queue: {:?}", subject)
        }
        NodeEvent::Done { run, first, count, cost } if verbose => {
            format!("jobs {first} to {} of run {run}: {:.1} ms", first + count - 1, cost * 1e3)
        }
        NodeEvent::Incomplete { run, first, count, cause } => format!(
            "cannot run jobs {first} to {} of run {run}: {cause}; the run ends",
            first.saturating_add(count - 1)
        ),
        NodeEvent::Restored => {
            format!("the queue {queue}, or a part of it, was deleted and has been created again")
        }
        NodeEvent::Retrying(what) => format!("retrying: {what}"),
        NodeEvent::Done { .. } => return None,
    })
}

fn describe_summary(name: &str, summary: &NodeSummary) -> String {
    let NodeSummary { jobs, messages, redelivered, duplicates, handed_back, quarantined } = summary;
    format!(
        "node {name} stopped: {jobs} jobs in {messages} messages, {redelivered} redelivered, \
         {duplicates} too late, {handed_back} handed back, {quarantined} quarantined"
    )
}
