//! `runner advise`: runs a sample of the jobs and recommends an executor for all of them.

mod args;
mod sample;
mod sentence;

use pool::available_cores;

pub(crate) use args::AdviseArguments;

use self::{sample::sample, sentence::sentence};
use crate::{
    error::{self, RunError},
    exit::Ended,
    files::Registry,
    input::{Source, open_all},
    interrupt::end_by_signals,
    output::print_whole,
    plan::Plan,
    run::{IntakeEnd, ending_of},
};

/// Runs `runner advise`.
pub(crate) fn advise(arguments: AdviseArguments) -> Ended {
    let plan = match Plan::new(arguments.into()) {
        Ok(plan) => plan,
        Err(error) => {
            error::print(&error);
            return Ended::Misused;
        }
    };
    let starts = bench::Starts::default();
    let sampled = open(&plan).and_then(|sources| {
        end_by_signals(starts.clone()).map_err(RunError::Thread)?;
        sample(&plan, sources, &starts)
    });
    match sampled {
        Ok(Some(sampled)) => {
            let advice = bench::advise(&sampled, plan.workers, available_cores());
            print_whole(sentence(&sampled, &advice).as_bytes())
        }
        Ok(None) => {
            error::warn("no valid job to run, so there is nothing to advise");
            Ended::JobsFailed
        }
        Err(error) => {
            error::print(&error);
            ending_of(&error)
        }
    }
}

/// Opens the inputs, and registers standard output, which must not be one of them.
fn open(plan: &Plan) -> Result<Vec<Source>, RunError> {
    let mut registry = Registry::new();
    let sources = open_all(&plan.inputs, &mut registry)?;
    registry.add_standard_output()?;
    Ok(sources)
}

/// Error of an input. Stopping after the sample is not an error.
fn failure(end: IntakeEnd) -> Option<RunError> {
    match end {
        IntakeEnd::Failed(error) => Some(error),
        IntakeEnd::NotWanted | IntakeEnd::Invalid => None,
    }
}
