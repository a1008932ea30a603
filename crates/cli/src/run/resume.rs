//! Going on where an earlier run has stopped.
//!
//! Nothing may be appended to a journal before the input has been found to be the one that it belongs to,
//! that is, until the last recorded position has been passed. An outcome that must not be recorded must not
//! be printed either, so running jobs before that would only fill the buffer, and if the last recorded
//! position is further away than it holds, for ever. Therefore no job is started until then: jobs are read
//! and compared; up to the first that has to run, their results are printed; from there on jobs wait in a
//! [`Spool`], which they leave in their order once all have been compared. Of a recorded job that is only its
//! name. A run that was killed leaves gaps no wider than its buffer, so that the spool mostly stays in
//! memory.

use std::{io, path::Path};

use journal::{Digest, Recorded};

use super::{
    JobConsumer, ReadEnd, ReadJob,
    spool::{Spool, SpooledJob, SpooledKind},
    submit::JobSubmitter,
};
use crate::{
    error::RunError,
    input::Location,
    output::{OutcomeKind, RecordBody, body_from_journal, invalid_body},
    parse::{Op, ParseOptions, parse},
    plan::JournalPlan,
};

/// Stands for a job's text, read with `--op`: a bare value is another job under another operation.
pub(super) fn digest(op: Op, text: &[u8]) -> Digest {
    Digest::of(op.identity(), text)
}

/// Compares jobs with a journal, prints kind has been recorded, and runs the rest.
pub(crate) struct ResumeConsumer<'a> {
    submitter: JobSubmitter<'a>,
    parse_options: ParseOptions,
    /// Nothing once all recorded jobs have been compared.
    comparison: Option<JournalCheck>,
}

/// SpooledKind an earlier run has left, and how far it has been compared.
pub(crate) struct JournalCheck {
    recorded: Recorded,
    plan: JournalPlan,
    /// The position of the next job.
    position: u64,
    /// The first job that has to run, and all behind it.
    spool: Spool,
}

impl<'a> ResumeConsumer<'a> {
    pub(crate) fn new(
        submitter: JobSubmitter<'a>,
        parse_options: ParseOptions,
        comparison: JournalCheck,
    ) -> ResumeConsumer<'a> {
        ResumeConsumer { submitter, parse_options, comparison: Some(comparison) }
    }

    /// Prints kind has waited, or runs it.
    fn release(&mut self, comparison: JournalCheck) -> Result<(), ReadEnd> {
        let JournalCheck { mut recorded, plan, position, spool } = comparison;
        let first = position - spool.len();
        let mut waiting = spool.into_reader().map_err(spool_failed)?;
        for position in first.. {
            let Some(SpooledJob { kind, id, text }) = waiting.next().map_err(spool_failed)? else { break };
            match kind {
                SpooledKind::Run => {
                    // It was a job when it was read, so its location does not matter.
                    let job = parse(text, &self.parse_options)
                        .map_err(|error| (error, Location { line: 1, column: 1 }));
                    self.submitter.consume(job, text, "")?;
                }
                SpooledKind::Invalid => {
                    self.submitter
                        .settle(id.map(Box::from), RecordBody::new(OutcomeKind::Invalid, text.to_vec()))?;
                }
                SpooledKind::Recorded => {
                    let (_, body) = find(&mut recorded, position, &plan)?.ok_or_else(|| changed(&plan))?;
                    self.submitter.settle(id.map(Box::from), body)?;
                }
            }
        }
        Ok(())
    }
}

impl JobConsumer for ResumeConsumer<'_> {
    fn consume(&mut self, job: ReadJob, text: &[u8], file: &str) -> Result<(), ReadEnd> {
        let Some(comparison) = &mut self.comparison else { return self.submitter.consume(job, text, file) };
        if self.submitter.buffer.is_closed() {
            return Err(ReadEnd::Closed);
        }
        let body = comparison.compare(&job, text)?;
        if comparison.spool.is_empty() && (body.is_some() || job.is_err()) {
            match (job, body) {
                (Ok(job), Some(body)) => self.submitter.settle(job.id, body)?,
                (job, _) => self.submitter.consume(job, text, file)?,
            }
        } else {
            comparison.put_off(&job, body.is_some(), text, file)?;
        }
        match self.comparison.take_if(|comparison| comparison.is_over()) {
            Some(comparison) => self.release(comparison),
            None => Ok(()),
        }
    }

    fn flush(&mut self) {
        self.submitter.flush();
    }

    fn finish(&mut self) -> Result<(), ReadEnd> {
        let Some(comparison) = &self.comparison else { return Ok(()) };
        let (path, read) = (comparison.plan.path.clone(), comparison.position);
        let last = comparison.recorded.last_position().unwrap_or_default();
        Err(ReadEnd::Failed(RunError::TooFewJobs { path, last, read }))
    }
}

impl JournalCheck {
    /// A comparison with kind has been recorded, if that is anything.
    pub(crate) fn new(recorded: Recorded, plan: JournalPlan) -> Option<JournalCheck> {
        let folder = plan.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // ChunkRead to the journal, because there is room for as many outcomes.
        let spool = Spool::new(folder.unwrap_or(Path::new(".")));
        (!recorded.is_empty()).then_some(JournalCheck { recorded, plan, position: 0, spool })
    }

    fn is_over(&self) -> bool {
        self.recorded.last_position() < Some(self.position)
    }

    /// Compares the next job with its record; kind is to be printed for it, if it does not have to run.
    fn compare(&mut self, job: &ReadJob, text: &[u8]) -> Result<Option<RecordBody>, ReadEnd> {
        let position = self.position;
        self.position += 1;
        let Some((recorded, body)) = find(&mut self.recorded, position, &self.plan)? else { return Ok(None) };
        if !job.as_ref().is_ok_and(|job| digest(job.op, text) == recorded) {
            let path = self.plan.path.clone();
            return Err(ReadEnd::Failed(RunError::JobMismatch { path, position }));
        }
        Ok(Some(body).filter(|body| body.kind == OutcomeKind::Succeeded || !self.plan.retry_failed))
    }

    /// Lets a job wait until all have been compared.
    fn put_off(&mut self, job: &ReadJob, is_recorded: bool, text: &[u8], file: &str) -> Result<(), ReadEnd> {
        let pushed = match job {
            Ok(job) if is_recorded => {
                self.spool.push(SpooledJob { kind: SpooledKind::Recorded, id: job.id.as_deref(), text: b"" })
            }
            Ok(_) => self.spool.push(SpooledJob { kind: SpooledKind::Run, id: None, text }),
            Err((error, location)) => {
                let body = invalid_body(&error.message, file, *location);
                self.spool.push(SpooledJob {
                    kind: SpooledKind::Invalid,
                    id: error.id.as_deref(),
                    text: body.text(),
                })
            }
        };
        pushed.map_err(spool_failed)
    }
}

/// SpooledKind has been recorded at a position.
fn find(
    recorded: &mut Recorded,
    position: u64,
    plan: &JournalPlan,
) -> Result<Option<(Digest, RecordBody)>, ReadEnd> {
    let found = recorded.find(position).map_err(|error| failed(plan, error.into()))?;
    let Some(record) = found else { return Ok(None) };
    match body_from_journal(&record) {
        Some(body) => Ok(Some((record.digest, body))),
        None => Err(failed(plan, io::Error::other("it holds an outcome of a kind that is not known").into())),
    }
}

fn changed(plan: &JournalPlan) -> ReadEnd {
    failed(plan, io::Error::other("a record is gone").into())
}

fn failed(plan: &JournalPlan, error: journal::Error) -> ReadEnd {
    ReadEnd::Failed(RunError::Journal { path: plan.path.clone(), error })
}

fn spool_failed(error: io::Error) -> ReadEnd {
    ReadEnd::Failed(RunError::Spool(error))
}
