//! `runner bench`: measures what worker processes cost on this machine, and prints a report.

mod args;
mod bar;
mod outputs;
mod plan;

pub(crate) use args::BenchArguments;

use self::{bar::Bar, outputs::ReportOutputs, plan::BenchPlan};
use crate::{
    error::{self, RunError},
    exit::Ended,
    interrupt::end_by_signals,
    run::ending_of,
};

/// Runs `runner bench`.
pub(crate) fn measure(arguments: BenchArguments) -> Ended {
    let plan = match BenchPlan::new(arguments) {
        Ok(plan) => plan,
        Err(error) => {
            error::print(&error);
            return Ended::Misused;
        }
    };
    // Output files are opened first, so that errors are reported before minutes of measuring.
    let outputs = match ReportOutputs::open(&plan) {
        Ok(outputs) => outputs,
        Err(error) => return failed(&error),
    };
    if let Err(error) = end_by_signals(plan.settings.starts.clone()) {
        error::print(&RunError::Thread(error));
        return Ended::Pool;
    }
    let mut bar = Bar::new(&plan);
    let measured = bench::measure(&plan.settings, &mut |done, total| bar.show(done, total));
    bar.finish();
    match measured {
        Ok(report) => outputs.write(&report),
        Err(error) => failed_to_measure(&error),
    }
}

fn failed(error: &RunError) -> Ended {
    error::print(error);
    ending_of(error)
}

fn failed_to_measure(error: &bench::Error) -> Ended {
    match error {
        bench::Error::Workers(cause) => {
            error::warn(&format!("cannot start worker processes: {cause}"));
            Ended::Pool
        }
        bench::Error::Jobs { .. } => {
            error::print(error);
            Ended::JobsFailed
        }
    }
}
