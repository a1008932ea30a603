//! `runner advise`: runs a sample of the jobs and recommends an executor for all of them.

mod args;
mod sample;
mod sentence;

use console::ExitStatus;
use pool::available_cores;

pub(crate) use args::AdviseArguments;

use self::{sample::sample, sentence::sentence};
use crate::{
    error::{self, RunError},
    files::Registry,
    input::{InputSource, open_all},
    plan::Plan,
    run::ReadEnd,
    signals::exit_on_signal,
    stdout::print_stdout,
};

/// Runs `runner advise`.
pub(crate) fn advise(arguments: AdviseArguments) -> ExitStatus {
    let plan = match Plan::new(arguments.into()) {
        Ok(plan) => plan,
        Err(error) => {
            error::print(&error);
            return ExitStatus::Usage;
        }
    };
    let starts = bench::Starts::default();
    let sampled = open(&plan).and_then(|sources| {
        exit_on_signal(starts.clone()).map_err(RunError::Thread)?;
        sample(&plan, sources, &starts)
    });
    match sampled {
        Ok(Some(sampled)) => {
            let advice = bench::advise(&sampled, plan.workers, available_cores());
            print_stdout(sentence(&sampled, &advice).as_bytes())
        }
        Ok(None) => {
            error::warn("no valid job to run, so there is nothing to advise");
            ExitStatus::JobsFailed
        }
        Err(error) => {
            error::print(&error);
            error.exit_status()
        }
    }
}

/// Opens the inputs, and registers standard output, which must not be one of them.
fn open(plan: &Plan) -> Result<Vec<InputSource>, RunError> {
    let mut registry = Registry::new();
    let sources = open_all(&plan.inputs, &mut registry)?;
    registry.add_standard_output()?;
    Ok(sources)
}

/// Error of an input. Stopping after the sample is not an error.
fn failure(end: ReadEnd) -> Option<RunError> {
    match end {
        ReadEnd::Failed(error) => Some(error),
        ReadEnd::Closed | ReadEnd::InvalidJob => None,
    }
}
