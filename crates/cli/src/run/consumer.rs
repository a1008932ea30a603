//! Consumers of the jobs that the reader reads.

use super::parsed_chunk::LineJob;
use crate::{
    error::RunError,
    input::Location,
    parse::{ParseError, ParsedJob},
};

/// Reason why reading ended early.
#[derive(Debug)]
pub(crate) enum ReadEnd {
    /// No more jobs are accepted.
    Closed,
    /// A job was invalid, with `--strict`.
    InvalidJob,
    Failed(RunError),
}

/// Consumer of jobs.
pub(crate) trait JobConsumer {
    /// Consumes a job or its parse error. `text` is empty if the job was too long.
    fn consume(&mut self, job: ReadJob, text: &[u8], file: &str) -> Result<(), ReadEnd>;

    /// Consumes consecutive valid jobs, whose texts are in `bytes`. Leaves `jobs` empty.
    fn consume_all(&mut self, jobs: &mut Vec<LineJob>, bytes: &[u8], file: &str) -> Result<(), ReadEnd> {
        consume_each(self, jobs, bytes, file)
    }

    /// Flushes buffered jobs. Called before reading can block.
    fn flush(&mut self) {}

    /// Called when all input has been consumed.
    fn finish(&mut self) -> Result<(), ReadEnd> {
        Ok(())
    }
}

/// A job, or its parse error and location.
pub(crate) type ReadJob = Result<ParsedJob, (ParseError, Location)>;

/// Passes jobs to a consumer one at a time.
pub(super) fn consume_each(
    consumer: &mut (impl JobConsumer + ?Sized),
    jobs: &mut Vec<LineJob>,
    bytes: &[u8],
    file: &str,
) -> Result<(), ReadEnd> {
    jobs.drain(..).try_for_each(|job| {
        let text = job.text(bytes);
        consumer.consume(Ok(job.job), text, file)
    })
}
