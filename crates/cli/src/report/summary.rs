//! The summary line at the end of a run.

use std::time::Duration;

use crate::{
    args::ExecutorKind,
    output::{Counts, OutcomeKind},
    plan::Plan,
};

/// Returns the summary, for example `12 jobs in 0.020 s: 11 ok, 1 failed (1 timeout); 2 processes, 600
/// jobs/s`.
pub(crate) fn summary(plan: &Plan, counts: &Counts, elapsed: Duration) -> String {
    let done = counts.done();
    let seconds = elapsed.as_secs_f64();
    let failures: Vec<String> = OutcomeKind::ALL
        .into_iter()
        .filter(|&kind| kind != OutcomeKind::Succeeded && counts.of(kind) > 0)
        .map(|kind| format!("{} {}", counts.of(kind), kind.name()))
        .collect();
    let failed = match failures.is_empty() {
        true => "0 failed".to_owned(),
        false => format!("{} failed ({})", counts.failed(), failures.join(", ")),
    };
    let recorded = match counts.recorded {
        0 => String::new(),
        count => format!("; {count} from the journal"),
    };
    let written = match counts.written {
        all if all == done => String::new(),
        1 => "; 1 record written".to_owned(),
        some => format!("; {some} records written"),
    };
    let executor = match (plan.executor, plan.workers) {
        _ if plan.cluster.is_some() => "cluster".to_owned(),
        (ExecutorKind::Serial, _) => "serial".to_owned(),
        (ExecutorKind::Threads, 1) => "1 thread".to_owned(),
        (ExecutorKind::Threads, n) => format!("{n} threads"),
        (ExecutorKind::Processes, 1) => "1 process".to_owned(),
        (ExecutorKind::Processes, n) => format!("{n} processes"),
    };
    let jobs = if done == 1 { "1 job".to_owned() } else { format!("{done} jobs") };
    let rate = if seconds > 0.0 { done as f64 / seconds } else { 0.0 };
    format!(
        "{jobs} in {seconds:.3} s: {} ok, {failed}{recorded}{written}; {executor}, {rate:.0} jobs/s",
        counts.of(OutcomeKind::Succeeded)
    )
}
