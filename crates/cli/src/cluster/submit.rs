//! `runner --cluster`: the executor of a run on a cluster.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use cluster::{ClusterExecutor, Connection, Queue, RunId, StreamSettings, SubmitNews, SubmitSettings};
use ops::Builtin;
use pool::Executor;

use crate::{
    args::RunOptions,
    error::{ClusterUsageError, RunError, UsageError, warn},
    plan::{Connect, Plan},
};

/// Settings of a run on a cluster.
#[derive(Debug)]
pub(crate) struct ClusterPlan {
    connection: Connection,
    queue: Queue,
    run: RunId,
    streams: StreamSettings,
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
            files_read: cluster.server.files(),
        }))
    }

    /// Files that are read for the connection, with their options.
    pub(crate) fn files_read(&self) -> Vec<(&'static str, &Path)> {
        self.files_read.iter().map(|(option, path)| (*option, path.as_path())).collect()
    }

    /// Returns a function that connects, and prints the name with which the run can be resumed.
    pub(crate) fn connecting(&self, plan: &Plan) -> Connect {
        let ClusterPlan { connection, queue, run, streams, .. } = self;
        let (connection, quiet) = (connection.clone(), plan.quiet);
        let settings = SubmitSettings {
            queue: queue.clone(),
            run: run.clone(),
            time_limit: plan.time_limit_of_jobs(),
            streams: *streams,
            tell: if quiet { |_| {} } else { print_event },
        };
        Box::new(move || connect(&connection, settings, quiet))
    }
}

fn connect(
    connection: &Connection,
    settings: SubmitSettings,
    quiet: bool,
) -> Result<Arc<dyn Executor<Builtin>>, RunError> {
    let named = format!("run {} on queue {}", settings.run, settings.queue);
    let executor = ClusterExecutor::connect(connection, settings)
        .map_err(|error| RunError::Cluster(error.to_string()))?;
    match executor.known_jobs() {
        _ if quiet => {}
        0 => warn(&named),
        jobs => warn(&format!("{named}, which has the results of {jobs} jobs")),
    }
    Ok(Arc::new(executor))
}

fn print_event(event: SubmitNews) {
    warn(&match event {
        SubmitNews::Lost => "lost the connection to the cluster; reconnecting".to_owned(),
        SubmitNews::Regained => "restored the connection to the cluster".to_owned(),
        SubmitNews::Unserved(queue) => format!("no node serves the queue {queue}; waiting"),
        SubmitNews::Served(queue) => format!("the queue {queue} is served; the run continues"),
        SubmitNews::Trouble(cause) => {
            format!("a request to the cluster failed; retrying: {cause}")
        }
    });
}
