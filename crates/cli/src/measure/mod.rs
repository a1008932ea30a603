//! `runner bench`: measures what processes cost on this machine, and prints it.

mod args;
mod bar;
mod outputs;
mod plan;

pub(crate) use args::BenchArguments;

use self::{bar::Bar, outputs::Outputs, plan::BenchPlan};
use crate::{
    error::{self, RunError},
    exit::ExitStatus,
    interrupt::exit_on_signal,
    run::exit_status_of,
};

/// The whole of `runner bench`.
pub(crate) fn measure(arguments: BenchArguments) -> ExitStatus {
    let plan = match BenchPlan::new(arguments) {
        Ok(plan) => plan,
        Err(error) => {
            error::print(&error);
            return ExitStatus::Usage;
        }
    };
    // Before minutes of measuring, not after.
    let outputs = match Outputs::open(&plan) {
        Ok(outputs) => outputs,
        Err(error) => return failed(&error),
    };
    if let Err(error) = exit_on_signal(plan.settings.starts.clone()) {
        error::print(&RunError::Thread(error));
        return ExitStatus::Pool;
    }
    let mut bar = Bar::new(&plan);
    let measured = bench::measure(&plan.settings, &mut |done, all| bar.show(done, all));
    bar.finish();
    match measured {
        Ok(report) => outputs.write(&report),
        Err(error) => failed_to_measure(&error),
    }
}

fn failed(error: &RunError) -> ExitStatus {
    error::print(error);
    exit_status_of(error)
}

fn failed_to_measure(error: &bench::Error) -> ExitStatus {
    match error {
        bench::Error::Workers(cause) => {
            error::warn(&format!("there are no workers: {cause}"));
            ExitStatus::Pool
        }
        bench::Error::Jobs { .. } => {
            error::print(error);
            ExitStatus::JobsFailed
        }
    }
}
