//! The snapshot of a run that SIGUSR1 asks for.

use std::fmt::Write as _;

use console::screen;
use pool::metrics::WorkerState;

use super::RunView;
use crate::units::{format_bytes, format_seconds};

/// Prints what the run is doing to standard error. Write errors are ignored, as for messages.
pub(crate) fn print_snapshot(view: &RunView) {
    let _ = screen::print_error(snapshot(view).as_bytes());
}

/// Returns lines that each begin with `runner: `, as those of messages do.
fn snapshot(view: &RunView) -> String {
    let (counts, _) = view.counts();
    let mut text = format!(
        "runner: snapshot after {}: {} jobs read, {} done, {} failed",
        format_seconds(view.start.elapsed()),
        counts.read,
        counts.done(),
        counts.failed()
    );
    if view.counts_jobs {
        let jobs = view.executor.counts();
        let _ = write!(text, "; {} queued, {} assigned, {} retries", jobs.queued, jobs.running, jobs.retried);
    }
    text.push('\n');
    if let Some(pause) = view.pauses.current() {
        let _ =
            writeln!(text, "runner: paused for {}: {}", format_seconds(pause.since.elapsed()), pause.cause);
    }
    for worker in worker_lines(view) {
        let _ = writeln!(text, "runner: {worker}");
    }
    text
}

fn worker_lines(view: &RunView) -> Vec<String> {
    let Some(pool) = &view.pool else { return Vec::new() };
    let sizes = pool.resident_sizes();
    let line = |state: &WorkerState| {
        let id_of = |job: u64| view.buffer.id_of(job);
        let size = sizes.iter().find(|(worker, _)| *worker == state.worker).map(|&(_, size)| size);
        worker_line(state, size, id_of)
    };
    pool.worker_states().iter().map(line).collect()
}

/// Describes a worker. `id_of` returns the `id` of a job as it was written, if it has one.
fn worker_line(
    state: &WorkerState,
    resident: Option<u64>,
    id_of: impl Fn(u64) -> Option<Box<str>>,
) -> String {
    let pid = state.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
    let resident = resident.map_or_else(String::new, |size| format!(", {}", format_bytes(size)));
    let activity = match &state.running {
        _ if !state.is_ready => "starting".to_owned(),
        Some(job) => {
            let id = id_of(job.number).map_or_else(String::new, |id| format!(" (id {id})"));
            let waiting = state.assigned.saturating_sub(1);
            let more = if waiting == 0 { String::new() } else { format!(", then {waiting} more") };
            format!("job {}{id} for {}{more}", job.number, format_seconds(job.elapsed))
        }
        None if state.assigned > 0 => format!("between jobs, {} assigned", state.assigned),
        None => "idle".to_owned(),
    };
    format!("{}{pid}{resident}: {activity}", state.worker)
}
