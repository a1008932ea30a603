//! `runner advise`: runs a sample of the jobs and recommends an executor for all of them.

mod sample;
mod sentence;

use console::ExitStatus;
use pool::settings::available_cores;

use self::{sample::sample, sentence::sentence};
use super::signals::exit_on_signal;
use crate::{
    args::{AdviseArguments, Arguments, ClusterOptions, ExecutorKind, RunOptions},
    error::{self, RunError},
    files::Registry,
    input::{InputSource, open_all},
    plan::Plan,
    stdout::print_stdout,
};

/// Runs `runner advise`.
pub(crate) fn advise(arguments: AdviseArguments) -> ExitStatus {
    let plan = match Plan::new(run_arguments(arguments)) {
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

/// Converts to the arguments of a run.
fn run_arguments(advise: AdviseArguments) -> Arguments {
    let AdviseArguments { jobs, workers, format, op, allow_command } = advise;
    let defaults = Arguments::defaults();
    // The sample runs on a worker process, so a crash does not end this one.
    let executor = ExecutorKind::Processes;
    let cluster = ClusterOptions::default();
    let run = RunOptions { workers, op, allow_command, executor, cluster, ..defaults.run };
    Arguments { jobs, format, run, ..defaults }
}

/// Opens the inputs, and registers standard output, which must not be one of them.
fn open(plan: &Plan) -> Result<Vec<InputSource>, RunError> {
    let mut registry = Registry::new();
    let sources = open_all(&plan.inputs, &mut registry)?;
    registry.add_standard_output()?;
    Ok(sources)
}
