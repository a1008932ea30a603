//! Validates and counts the jobs without running any.

use std::collections::BTreeMap;

use console::ExitStatus;

use crate::{
    args::ExecutorKind,
    error::{self, RunError, warn},
    parse::Op,
    plan::Plan,
    run::{Files, JobConsumer, JobReader, ReadEnd, ReadJob},
};

#[derive(Default)]
struct JobCounts {
    valid: BTreeMap<&'static str, u64>,
    invalid: u64,
}

impl JobConsumer for JobCounts {
    fn consume(&mut self, job: ReadJob, _: &[u8], _: &str) -> Result<(), ReadEnd> {
        match job {
            Ok(parsed) => *self.valid.entry(parsed.op.name()).or_default() += 1,
            Err(_) => self.invalid += 1,
        }
        Ok(())
    }
}

/// Reads all jobs and prints the plan to standard error, because standard output is reserved for results.
pub(crate) fn dry_run(plan: &Plan) -> ExitStatus {
    let mut counts = JobCounts::default();
    // The outputs are opened as a check only; files that this creates are removed before anything is read.
    let sources = match Files::open(plan).map(|files| files.sources) {
        Ok(sources) => sources,
        Err(error) => return failed(&error),
    };
    let read = JobReader::new(plan).read_all(sources, &mut counts);
    warn(&describe(plan, &counts));
    match read {
        Err(ReadEnd::Failed(error)) => failed(&error),
        _ if counts.invalid > 0 => ExitStatus::JobsFailed,
        _ => ExitStatus::Succeeded,
    }
}

fn failed(error: &RunError) -> ExitStatus {
    error::print(error);
    error.exit_status()
}

fn describe(plan: &Plan, counts: &JobCounts) -> String {
    let total: u64 = counts.valid.values().sum();
    let ops: Vec<String> = Op::names(plan.parse_options.defined)
        .filter_map(|op| counts.valid.get(op).map(|jobs| format!("{jobs} {op}")))
        .collect();
    let ops = if ops.is_empty() { String::new() } else { format!(" ({})", ops.join(", ")) };
    let order = if plan.unordered { "unordered" } else { "in order" };
    let jobs = if total == 1 { "1 job".to_owned() } else { format!("{total} jobs") };
    let invalid = counts.invalid;
    format!("{jobs}{ops}, {invalid} invalid; would run {}, results {order}", executor(plan))
}

fn executor(plan: &Plan) -> String {
    match (plan.executor, plan.workers) {
        _ if plan.cluster.is_some() => "on a cluster".to_owned(),
        (ExecutorKind::Serial, _) => "serially".to_owned(),
        (ExecutorKind::Processes, 1) => "on 1 process".to_owned(),
        (ExecutorKind::Threads, 1) => "on 1 thread".to_owned(),
        (ExecutorKind::Processes, workers) => format!("on processes, {workers} at a time"),
        (ExecutorKind::Threads, workers) => format!("on threads, {workers} at a time"),
    }
}
