//! Checks and counts the jobs without running any.

use crate::{
    error::{self, RunError, warn},
    exit::Ended,
    input::open_all,
    parse::Op,
    plan::Plan,
    run::{Intake, IntakeEnd, TakenJob, Taker},
};

#[derive(Default)]
struct Count {
    valid: [u64; Op::ALL.len()],
    invalid: u64,
}

impl Taker for Count {
    fn take(&mut self, job: TakenJob, _: &[u8], _: &str) -> Result<(), IntakeEnd> {
        match job {
            Ok(parsed) => self.valid[parsed.op as usize] += 1,
            Err(_) => self.invalid += 1,
        }
        Ok(())
    }
}

/// Reads everything, and prints to standard error what would be done: standard output is for results.
pub(crate) fn dry_run(plan: &Plan) -> Ended {
    let mut count = Count::default();
    let read = open_all(plan).and_then(|sources| match Intake::new(plan).read_all(sources, &mut count) {
        Ok(()) | Err(IntakeEnd::NotWanted | IntakeEnd::Invalid) => Ok(()),
        Err(IntakeEnd::Failed(error)) => Err(error),
    });
    warn(&describe(plan, &count));
    match read {
        Err(error) => {
            error::print(&error as &RunError);
            Ended::InputOutput
        }
        Ok(()) if count.invalid > 0 => Ended::JobsFailed,
        Ok(()) => Ended::Succeeded,
    }
}

fn describe(plan: &Plan, count: &Count) -> String {
    let total: u64 = count.valid.iter().sum();
    let kinds: Vec<String> = Op::ALL
        .into_iter()
        .filter(|&op| count.valid[op as usize] > 0)
        .map(|op| format!("{} {}", count.valid[op as usize], op.name()))
        .collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let order = if plan.unordered { "as they come" } else { "in order" };
    let who = match plan.cluster {
        Some(_) => "a cluster".to_owned(),
        None => format!("{:?}, {} at a time", plan.executor, plan.workers).to_lowercase(),
    };
    format!("{total} jobs{kinds}, {} invalid; would run on {who}, results {order}", count.invalid)
}
