//! Running jobs in this process, for [`ThreadPool`](crate::ThreadPool) and [`Serial`](crate::Serial).

use std::{fmt::Display, sync::Arc};

use job::{Context, Job, JobError, Outcome};
use portable::catch_panic;

/// Runs a job and catches its panic. A job is not run if its options are `unsupported`.
pub(crate) fn run_here<J: Job>(
    job: J,
    unsupported: Option<&'static str>,
    context: &mut J::Context,
) -> Outcome<J> {
    if let Some(reason) = unsupported {
        return Err(JobError::Unsupported(reason));
    }
    match catch_panic(|| job.run(context)) {
        Ok(result) => result.map_err(JobError::Failed),
        Err(panic) => Err(JobError::Panicked(Box::new(panic))),
    }
}

/// Creates the context of jobs.
pub(crate) fn start_context<C: Context>(args: C::Args) -> Result<C, String> {
    catch_panic(|| C::start(args).map_err(|error| start_error(&error)))
        .unwrap_or_else(|panic| Err(start_error(&panic)))
}

/// Finishes the context of jobs and returns its report.
pub(crate) fn finish_context<C: Context>(context: C) -> Result<C::Report, Arc<str>> {
    match catch_panic(|| context.finish().map_err(|error| Arc::from(error.to_string()))) {
        Ok(finished) => finished,
        Err(panic) => Err(format!("panicked: {panic}").into()),
    }
}

fn start_error(cause: &dyn Display) -> String {
    format!("cannot create the worker's context: {cause}")
}
