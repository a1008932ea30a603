//! Running a job in this process, for the executors that have no others.

use std::{fmt::Display, sync::Arc};

use job::{Context, Job, JobError, Outcome};
use wire::catch_panic;

use crate::JobOptions;

/// Runs a job, catching its panic.
pub(crate) fn run_here<J: Job>(job: J, options: JobOptions, context: &mut J::Context) -> Outcome<J> {
    if options.time_limit.is_some() {
        return Err(JobError::Unsupported("a time limit needs worker processes"));
    }
    match catch_panic(|| job.run(context)) {
        Ok(result) => result.map_err(JobError::Failed),
        Err(panic) => Err(JobError::Panicked(Box::new(panic))),
    }
}

/// Makes the state that jobs run in.
pub(crate) fn start_context<C: Context>(args: C::Args) -> Result<C, String> {
    catch_panic(|| C::start(args).map_err(|error| describe(&error)))
        .unwrap_or_else(|panic| Err(describe(&panic)))
}

/// Finishes the state that jobs ran in.
pub(crate) fn finish_context<C: Context>(context: C) -> Result<C::Report, Arc<str>> {
    match catch_panic(|| context.finish().map_err(|error| Arc::from(error.to_string()))) {
        Ok(finished) => finished,
        Err(panic) => Err(format!("panicked: {panic}").into()),
    }
}

fn describe(cause: &dyn Display) -> String {
    format!("the worker's state could not be made: {cause}")
}
