//! `runner cluster status` and `runner cluster clean`.

use std::fmt::Write as _;

use cluster::{CleanSummary, Connection, Error, Queue, RunId, Status};
use console::ExitStatus;

use crate::{
    args::ServerArguments,
    error::{self, ClusterUsageError, RunError, warn},
    stdout::print_stdout,
};

/// Prints the state of a queue, as a table or as JSON.
pub(crate) fn status(server: &ServerArguments, json: bool) -> ExitStatus {
    request(server, cluster::status).map_or_else(
        |ended| ended,
        |status| {
            let text =
                if json { serde_json::to_string(&status).unwrap_or_default() + "\n" } else { table(&status) };
            print_stdout(text.as_bytes())
        },
    )
}

/// Removes a queue or a run of it, and prints what was removed.
pub(crate) fn clean(server: &ServerArguments, run: Option<&RunId>) -> ExitStatus {
    let mut waiting = || warn("waiting for messages of the run that nodes are processing");
    request(server, |connection, queue| cluster::clean(connection, queue, run, &mut waiting)).map_or_else(
        |ended| ended,
        |CleanSummary { queued, results, quarantined }| {
            warn(&format!(
                "removed {queued} waiting messages, {results} results, {quarantined} quarantined messages"
            ));
            ExitStatus::Succeeded
        },
    )
}

fn request<T>(
    server: &ServerArguments,
    send: impl FnOnce(&Connection, &Queue) -> Result<T, Error>,
) -> Result<T, ExitStatus> {
    let target = server.connection().and_then(|connection| Ok((connection, server.queue()?)));
    let (connection, queue) = target.map_err(|error: ClusterUsageError| {
        error::print(&error);
        ExitStatus::Usage
    })?;
    send(&connection, &queue).map_err(|error| {
        error::print(&RunError::Cluster(error.to_string()));
        ExitStatus::Pool
    })
}

fn table(status: &Status) -> String {
    let mut text = format!(
        "queue {} ({})\n{} messages queued, {} in flight ({} redelivered), {:.0} jobs/s\n\
         {} bytes of jobs, {} bytes of results\n",
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
        "\n{:<32} {:>7} {:>8} {:>12} {:>10} {:>9}",
        "node", "workers", "messages", "jobs", "jobs/s", "up s"
    );
    for node in nodes {
        let _ = writeln!(
            text,
            "{:<32} {:>7} {:>8} {:>12} {:>10.0} {:>9.0}",
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
