//! Checks and counts the jobs without running any.

use std::collections::BTreeMap;

use crate::{
    args::ExecutorKind,
    error::{self, RunError, warn},
    exit::ExitStatus,
    parse::Op,
    plan::Plan,
    run::{Files, JobConsumer, JobReader, ReadEnd, ReadJob, exit_status_of},
};

#[derive(Default)]
struct Count {
    valid: BTreeMap<&'static str, u64>,
    invalid: u64,
}

impl JobConsumer for Count {
    fn consume(&mut self, job: ReadJob, _: &[u8], _: &str) -> Result<(), ReadEnd> {
        match job {
            Ok(parsed) => *self.valid.entry(parsed.op.name()).or_default() += 1,
            Err(_) => self.invalid += 1,
        }
        Ok(())
    }
}

/// Reads everything, and prints to standard error what would be done: standard output is for results.
pub(crate) fn dry_run(plan: &Plan) -> ExitStatus {
    let mut count = Count::default();
    // The outputs are only tried: what has been created is removed before anything is read.
    let sources = match Files::open(plan).map(|files| files.sources) {
        Ok(sources) => sources,
        Err(error) => return failed(&error),
    };
    let read = JobReader::new(plan).read_all(sources, &mut count);
    warn(&describe(plan, &count));
    match read {
        Err(ReadEnd::Failed(error)) => failed(&error),
        _ if count.invalid > 0 => ExitStatus::JobsFailed,
        _ => ExitStatus::Succeeded,
    }
}

fn failed(error: &RunError) -> ExitStatus {
    error::print(error);
    exit_status_of(error)
}

fn describe(plan: &Plan, count: &Count) -> String {
    let total: u64 = count.valid.values().sum();
    let kinds: Vec<String> = Op::names(plan.parse_options.defined)
        .filter_map(|op| count.valid.get(op).map(|jobs| format!("{jobs} {op}")))
        .collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let order = if plan.unordered { "as they come" } else { "in order" };
    let jobs = if total == 1 { "1 job".to_owned() } else { format!("{total} jobs") };
    let invalid = count.invalid;
    format!("{jobs}{kinds}, {invalid} invalid; would run {}, results {order}", executor(plan))
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
