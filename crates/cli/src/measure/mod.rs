//! `runner bench`: measures what processes cost on this machine, and prints it.

mod args;
mod bar;
mod outputs;
mod plan;

pub(crate) use args::BenchArguments;

use self::{bar::Bar, outputs::Outputs, plan::BenchPlan};
use crate::{
    error::{self, RunError},
    exit::Ended,
};

/// The whole of `runner bench`.
///
/// Signals do what they do by default: nothing has to be finished, and the workers go with this process.
pub(crate) fn measure(arguments: BenchArguments) -> Ended {
    let plan = match BenchPlan::new(arguments) {
        Ok(plan) => plan,
        Err(error) => {
            error::print(&error);
            return Ended::Misused;
        }
    };
    // Before minutes of measuring, not after.
    let outputs = match Outputs::open(&plan.outputs) {
        Ok(outputs) => outputs,
        Err(error) => return failed(&error),
    };
    let mut bar = Bar::new(&plan);
    let measured = bench::measure(&plan.settings, &mut |done, all| bar.show(done, all));
    bar.finish();
    match measured {
        Ok(report) => outputs.write(&report),
        Err(error) => failed_to_measure(&error),
    }
}

fn failed(error: &RunError) -> Ended {
    error::print(error);
    Ended::InputOutput
}

fn failed_to_measure(error: &bench::Error) -> Ended {
    match error {
        bench::Error::Workers(cause) => {
            error::warn(&format!("there are no workers: {cause}"));
            Ended::Pool
        }
        bench::Error::Jobs { .. } => {
            error::print(error);
            Ended::JobsFailed
        }
    }
}
