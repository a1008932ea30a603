//! Settings of a run on a cluster, and its executor.

mod connection;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use cluster::{ClusterExecutor, Connection, Queue, RunId, StreamSettings, SubmitEvent, SubmitSettings};
use ops::Builtin;
use pool::Executor;

use crate::{
    args::RunOptions,
    error::{ClusterUsageError, RunError, UsageError, warn},
};

/// Settings of a run on a cluster.
#[derive(Clone, Debug)]
pub(crate) struct ClusterPlan {
    connection: Connection,
    queue: Queue,
    run: RunId,
    streams: StreamSettings,
    /// Time limit of jobs without a `timeout` field.
    time_limit: Option<Duration>,
    quiet: bool,
    /// Files with secrets and certificates, with their options.
    files_read: Vec<(&'static str, PathBuf)>,
}

impl ClusterPlan {
    /// Returns the settings, or `None` if the run is local.
    pub(crate) fn new(arguments: &RunOptions) -> Result<Option<ClusterPlan>, UsageError> {
        let cluster = &arguments.cluster;
        if cluster.server.cluster.is_none() {
            return Ok(None);
        }
        if let Some(option) = &cluster.local_option {
            return Err(ClusterUsageError::NotForClusters(option.clone()).into());
        }
        Ok(Some(ClusterPlan {
            connection: cluster.server.connection()?,
            queue: cluster.server.queue()?,
            run: cluster.run_id.clone().unwrap_or_else(RunId::generate),
            streams: cluster.streams.settings(),
            time_limit: arguments.timeout,
            quiet: arguments.quiet,
            files_read: cluster.server.files(),
        }))
    }

    /// Files that are read for the connection, with their options.
    pub(crate) fn files_read(&self) -> Vec<(&'static str, &Path)> {
        self.files_read.iter().map(|(option, path)| (*option, path.as_path())).collect()
    }

    /// Connects, and prints the name with which the run can be resumed.
    pub(crate) fn connect(&self) -> Result<Arc<dyn Executor<Builtin>>, RunError> {
        let ClusterPlan { connection, queue, run, streams, time_limit, quiet, .. } = self;
        let settings = SubmitSettings {
            queue: queue.clone(),
            run: run.clone(),
            time_limit: *time_limit,
            streams: *streams,
            on_event: if *quiet { |_| {} } else { print_event },
        };
        let named = format!("run {run} on queue {queue}");
        let executor = ClusterExecutor::connect(connection, settings)
            .map_err(|error| RunError::Cluster(error.to_string()))?;
        match executor.known_jobs() {
            _ if *quiet => {}
            0 => warn(&named),
            jobs => warn(&format!("{named}, which has the results of {jobs} jobs")),
        }
        Ok(Arc::new(executor))
    }
}

fn print_event(event: SubmitEvent) {
    warn(&match event {
        SubmitEvent::Disconnected => "lost the connection to the cluster; reconnecting".to_owned(),
        SubmitEvent::Reconnected => "restored the connection to the cluster".to_owned(),
        SubmitEvent::Unserved(queue) => format!("no node serves the queue {queue}; waiting"),
        SubmitEvent::Served(queue) => format!("the queue {queue} is served; the run continues"),
        SubmitEvent::Retrying(cause) => {
            format!("a request to the cluster failed; retrying: {cause}")
        }
    });
}
