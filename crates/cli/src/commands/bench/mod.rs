//! `runner bench`: measures what worker processes cost on this machine, and prints a report.

mod outputs;
mod plan;
mod progress;

use console::ExitStatus;

use self::{outputs::ReportOutputs, plan::BenchPlan, progress::BenchProgress};
use super::signals::exit_on_signal;
use crate::{
    args::BenchArguments,
    error::{self, RunError},
};

/// Runs `runner bench`.
pub(crate) fn bench(arguments: BenchArguments) -> ExitStatus {
    let plan = match BenchPlan::new(arguments) {
        Ok(plan) => plan,
        Err(error) => {
            error::print(&error);
            return ExitStatus::Usage;
        }
    };
    // Output files are opened first, so that errors are reported before minutes of measuring.
    let outputs = match ReportOutputs::open(&plan) {
        Ok(outputs) => outputs,
        Err(error) => return failed(&error),
    };
    if let Err(error) = exit_on_signal(plan.settings.starts.clone()) {
        error::print(&RunError::Thread(error));
        return ExitStatus::Pool;
    }
    let mut progress = BenchProgress::new(&plan);
    let measured = bench::measure(&plan.settings, &mut |done, total| progress.show(done, total));
    progress.finish();
    match measured {
        Ok(report) => outputs.write(&report),
        Err(error) => failed_to_measure(&error),
    }
}

fn failed(error: &RunError) -> ExitStatus {
    error::print(error);
    error.exit_status()
}

fn failed_to_measure(error: &bench::Error) -> ExitStatus {
    match error {
        bench::Error::Workers(cause) => {
            error::warn(&format!("cannot start worker processes: {cause}"));
            ExitStatus::Pool
        }
        bench::Error::Jobs { .. } => {
            error::print(error);
            ExitStatus::JobsFailed
        }
    }
}
