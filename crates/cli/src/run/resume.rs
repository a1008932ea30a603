//! Resuming an interrupted run.
//!
//! Nothing may be appended to a journal before the input has been verified to belong to it, that is, until
//! the last recorded position has been passed. An outcome that must not be recorded must not be printed
//! either. Jobs that ran before that point would only fill the reorder buffer, and if the last recorded
//! position is further away than its capacity, block forever. Therefore no job is started until then:
//!
//! - jobs are read and compared with the journal;
//! - the results of all jobs before the first one that has to run are printed;
//! - that job and all later ones go to a [`Spool`], and leave it in order once all recorded jobs have been
//!   compared. For a recorded job the spool holds only its id.
//!
//! A run that was killed leaves gaps no wider than its reorder buffer, so the spool usually stays in memory.

use std::{io, path::Path};

use journal::{Digest, PastRecords};

use super::{
    consumer::{JobConsumer, ReadEnd, ReadJob},
    journal_recorder::digest,
    spool::{Spool, SpooledJob, SpooledKind},
    submit::JobSubmitter,
};
use crate::{
    error::RunError,
    input::Location,
    output::{OutcomeKind, RecordBody, body_from_journal, invalid_body},
    parse::{ParseOptions, parse},
    plan::JournalPlan,
};

/// Consumer that compares jobs with a journal, prints recorded results, and submits the other jobs.
pub(crate) struct ResumeConsumer<'a> {
    submitter: JobSubmitter<'a>,
    parse_options: ParseOptions,
    /// `None` once all recorded jobs have been compared.
    check: Option<JournalCheck>,
}

/// A check of the input against the journal of an earlier run.
pub(crate) struct JournalCheck {
    recorded: PastRecords,
    plan: JournalPlan,
    /// Position of the next job.
    position: u64,
    /// The first job that has to run, and all later ones.
    spool: Spool,
}

impl<'a> ResumeConsumer<'a> {
    pub(crate) fn new(
        submitter: JobSubmitter<'a>,
        parse_options: ParseOptions,
        check: JournalCheck,
    ) -> ResumeConsumer<'a> {
        ResumeConsumer { submitter, parse_options, check: Some(check) }
    }

    /// Prints or submits the spooled jobs.
    fn run_spooled(&mut self, check: JournalCheck) -> Result<(), ReadEnd> {
        let JournalCheck { mut recorded, plan, position, spool } = check;
        let first = position - spool.len();
        let mut waiting = spool.into_reader().map_err(spool_failed)?;
        for position in first.. {
            let Some(SpooledJob { kind, id, text }) = waiting.next().map_err(spool_failed)? else { break };
            match kind {
                SpooledKind::Run => {
                    // It was valid when it was read, so no location is needed.
                    let job = parse(text, &self.parse_options)
                        .map_err(|error| (error, Location { line: 1, column: 1 }));
                    self.submitter.consume(job, text, "")?;
                }
                SpooledKind::Invalid => {
                    self.submitter.add_finished(
                        id.map(Box::from),
                        RecordBody::new(OutcomeKind::Invalid, text.to_vec()),
                    )?;
                }
                SpooledKind::Recorded => {
                    let (_, body) =
                        find_record(&mut recorded, position, &plan)?.ok_or_else(|| record_missing(&plan))?;
                    self.submitter.add_finished(id.map(Box::from), body)?;
                }
            }
        }
        Ok(())
    }
}

impl JobConsumer for ResumeConsumer<'_> {
    fn consume(&mut self, job: ReadJob, text: &[u8], file: &str) -> Result<(), ReadEnd> {
        let Some(check) = &mut self.check else { return self.submitter.consume(job, text, file) };
        if self.submitter.buffer.is_closed() {
            return Err(ReadEnd::Closed);
        }
        let body = check.compare(&job, text)?;
        if check.spool.is_empty() && (body.is_some() || job.is_err()) {
            match (job, body) {
                (Ok(job), Some(body)) => self.submitter.add_finished(job.id, body)?,
                (job, _) => self.submitter.consume(job, text, file)?,
            }
        } else {
            check.spool_job(&job, body.is_some(), text, file)?;
        }
        match self.check.take_if(|check| check.is_over()) {
            Some(check) => self.run_spooled(check),
            None => Ok(()),
        }
    }

    fn flush(&mut self) {
        self.submitter.flush();
    }

    fn finish(&mut self) -> Result<(), ReadEnd> {
        let Some(check) = &self.check else { return Ok(()) };
        let (path, read) = (check.plan.path.clone(), check.position);
        let last = check.recorded.last_position().unwrap_or_default();
        Err(ReadEnd::Failed(RunError::TooFewJobs { path, last, read }))
    }
}

impl JournalCheck {
    /// Creates a check of the input against `recorded`; `None` if that is empty.
    pub(crate) fn new(recorded: PastRecords, plan: JournalPlan) -> Option<JournalCheck> {
        let folder = plan.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // In the folder of the journal, which has space for the outcomes of as many jobs.
        let spool = Spool::new(folder.unwrap_or(Path::new(".")));
        (!recorded.is_empty()).then_some(JournalCheck { recorded, plan, position: 0, spool })
    }

    fn is_over(&self) -> bool {
        self.recorded.last_position() < Some(self.position)
    }

    /// Compares the next job with its record. Returns the record to print if the job does not have to run.
    fn compare(&mut self, job: &ReadJob, text: &[u8]) -> Result<Option<RecordBody>, ReadEnd> {
        let position = self.position;
        self.position += 1;
        let Some((recorded, body)) = find_record(&mut self.recorded, position, &self.plan)? else {
            return Ok(None);
        };
        if !job.as_ref().is_ok_and(|job| digest(job.op, text) == recorded) {
            let path = self.plan.path.clone();
            return Err(ReadEnd::Failed(RunError::JobMismatch { path, position }));
        }
        Ok(Some(body).filter(|body| body.kind == OutcomeKind::Succeeded || !self.plan.retry_failed))
    }

    /// Adds a job to the spool.
    fn spool_job(
        &mut self,
        job: &ReadJob,
        is_recorded: bool,
        text: &[u8],
        file: &str,
    ) -> Result<(), ReadEnd> {
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

/// Returns the record at a position.
fn find_record(
    recorded: &mut PastRecords,
    position: u64,
    plan: &JournalPlan,
) -> Result<Option<(Digest, RecordBody)>, ReadEnd> {
    let found = recorded.find(position).map_err(|error| journal_failed(plan, error.into()))?;
    let Some(record) = found else { return Ok(None) };
    match body_from_journal(&record) {
        Some(body) => Ok(Some((record.digest, body))),
        None => Err(journal_failed(
            plan,
            io::Error::other("unknown kind of outcome; the journal was written by a later version").into(),
        )),
    }
}

fn record_missing(plan: &JournalPlan) -> ReadEnd {
    journal_failed(plan, io::Error::other("a record has disappeared").into())
}

fn journal_failed(plan: &JournalPlan, error: journal::Error) -> ReadEnd {
    ReadEnd::Failed(RunError::Journal { path: plan.path.clone(), error })
}

fn spool_failed(error: io::Error) -> ReadEnd {
    ReadEnd::Failed(RunError::Spool(error))
}
