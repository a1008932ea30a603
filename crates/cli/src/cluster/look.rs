//! `runner cluster status` and `runner cluster clean`.

use std::fmt::Write as _;

use cluster::{Cleaned, Connection, Error, Queue, RunId, Status};

use super::{ClusterMisuse, args::ServerArguments};
use crate::{
    error::{self, RunError, warn},
    exit::ExitStatus,
    output::print_stdout,
};

/// Prints what there is to see of a queue.
pub(crate) fn status(server: &ServerArguments, json: bool) -> ExitStatus {
    carry_out(server, cluster::status).map_or_else(
        |ended| ended,
        |status| {
            let text =
                if json { serde_json::to_string(&status).unwrap_or_default() + "\n" } else { table(&status) };
            print_stdout(text.as_bytes())
        },
    )
}

/// Removes a queue or a run, and says what that was.
pub(crate) fn clean(server: &ServerArguments, run: Option<&RunId>) -> ExitStatus {
    let mut waiting = || warn("waiting for batches of the run that nodes have");
    carry_out(server, |connection, queue| cluster::clean(connection, queue, run, &mut waiting)).map_or_else(
        |ended| ended,
        |Cleaned { waiting, results, quarantined }| {
            warn(&format!(
                "removed {waiting} waiting batches, {results} results, {quarantined} quarantined batches"
            ));
            ExitStatus::Succeeded
        },
    )
}

fn carry_out<T>(
    server: &ServerArguments,
    act: impl FnOnce(&Connection, &Queue) -> Result<T, Error>,
) -> Result<T, ExitStatus> {
    let wanted = server.connection().and_then(|connection| Ok((connection, server.queue()?)));
    let (connection, queue) = wanted.map_err(|misuse: ClusterMisuse| {
        error::print(&misuse);
        ExitStatus::Usage
    })?;
    act(&connection, &queue).map_err(|error| {
        error::print(&RunError::Cluster(error.to_string()));
        ExitStatus::Pool
    })
}

fn table(status: &Status) -> String {
    let mut text = format!(
        "queue {} ({})\n{} batches queued, {} in flight ({} redelivered), {:.0} jobs/s\n{} bytes of jobs, {} bytes of results\n",
        status.queue,
        status.description,
        status.queued,
        status.in_flight,
        status.redelivered,
        status.jobs_per_second,
        status.job_bytes,
        status.result_bytes
    );
    let nodes = &status.nodes;
    let _ = writeln!(
        text,
        "\n{:<32} {:>7} {:>7} {:>12} {:>10} {:>9}",
        "node", "workers", "batches", "jobs", "jobs/s", "up s"
    );
    for node in nodes {
        let _ = writeln!(
            text,
            "{:<32} {:>7} {:>7} {:>12} {:>10.0} {:>9.0}",
            node.name, node.workers, node.batches_held, node.jobs_done, node.jobs_per_second, node.up_s
        );
    }
    let _ = writeln!(text, "\n{:<32} {:>13} {:>13} {:>13}", "run", "waiting jobs", "stored jobs", "results");
    for run in &status.runs {
        let _ = writeln!(
            text,
            "{:<32} {:>13} {:>13} {:>13}",
            run.run, run.waiting_jobs, run.stored_jobs, run.stored_batches
        );
    }
    for batch in &status.quarantined {
        let _ = writeln!(
            text,
            "quarantined: jobs {} to {} of run {}",
            batch.first_job, batch.last_job, batch.run
        );
    }
    text
}
