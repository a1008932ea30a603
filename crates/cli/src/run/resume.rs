//! Going on where an earlier run has stopped.
//!
//! Nothing may be appended to a journal before the input has been found to be the one that it belongs to, that is, until
//! the last recorded position has been passed. An outcome that must not be recorded must not be printed either, so
//! running jobs before that would only fill the collector, and if the last recorded position is further away than it
//! holds, for ever. Therefore no job is started until then: jobs are read and compared; up to the first that has to run,
//! their results are printed; from there on jobs wait in a [`Spool`], which they leave in their order once all have been
//! compared. Of a recorded job that is only its name. A run that was killed leaves gaps no wider than its collector, so
//! that the spool mostly stays in memory.

use std::{io, path::Path};

use journal::{Digest, Recorded};

use super::{
    IntakeEnd, TakenJob, Taker,
    runner::Runner,
    spool::{Spool, Waiting, What},
};
use crate::{
    error::RunError,
    input::Place,
    output::{Kind, Tail, invalid_tail, tail_of},
    parse::{Op, Rules, parse},
    plan::JournalPlan,
};

/// Stands for a job's text, read with `--op`: a bare value is another job under another operation.
pub(super) fn digest(op: Op, text: &[u8]) -> Digest {
    Digest::of(op.identity(), text)
}

/// Compares jobs with a journal, prints what has been recorded, and runs the rest.
pub(crate) struct Resuming<'a> {
    runner: Runner<'a>,
    rules: Rules,
    /// Nothing once all recorded jobs have been compared.
    comparison: Option<Comparison>,
}

/// What an earlier run has left, and how far it has been compared.
pub(crate) struct Comparison {
    recorded: Recorded,
    plan: JournalPlan,
    /// The position of the next job.
    position: u64,
    /// The first job that has to run, and all behind it.
    spool: Spool,
}

impl<'a> Resuming<'a> {
    pub(crate) fn new(runner: Runner<'a>, rules: Rules, comparison: Comparison) -> Resuming<'a> {
        Resuming { runner, rules, comparison: Some(comparison) }
    }

    /// Prints what has waited, or runs it.
    fn release(&mut self, comparison: Comparison) -> Result<(), IntakeEnd> {
        let Comparison { mut recorded, plan, position, spool } = comparison;
        let first = position - spool.len();
        let mut waiting = spool.unspool().map_err(spool_failed)?;
        for position in first.. {
            let Some(Waiting { what, id, text }) = waiting.next().map_err(spool_failed)? else { break };
            match what {
                What::Run => {
                    // It was a job when it was read, so its place does not matter.
                    let job = parse(text, &self.rules).map_err(|flaw| (flaw, Place { line: 1, column: 1 }));
                    self.runner.take(job, text, "")?;
                }
                What::Invalid => {
                    self.runner.settle(id.map(Box::from), Tail::new(Kind::Invalid, text.to_vec()))?;
                }
                What::Recorded => {
                    let (_, tail) = find(&mut recorded, position, &plan)?.ok_or_else(|| changed(&plan))?;
                    self.runner.settle(id.map(Box::from), tail)?;
                }
            }
        }
        Ok(())
    }
}

impl Taker for Resuming<'_> {
    fn take(&mut self, job: TakenJob, text: &[u8], file: &str) -> Result<(), IntakeEnd> {
        let Some(comparison) = &mut self.comparison else { return self.runner.take(job, text, file) };
        if self.runner.collector.is_closed() {
            return Err(IntakeEnd::NotWanted);
        }
        let tail = comparison.compare(&job, text)?;
        if comparison.spool.is_empty() && (tail.is_some() || job.is_err()) {
            match (job, tail) {
                (Ok(job), Some(tail)) => self.runner.settle(job.id, tail)?,
                (job, _) => self.runner.take(job, text, file)?,
            }
        } else {
            comparison.put_off(&job, tail.is_some(), text, file)?;
        }
        match self.comparison.take_if(|comparison| comparison.is_over()) {
            Some(comparison) => self.release(comparison),
            None => Ok(()),
        }
    }

    fn flush(&mut self) {
        self.runner.flush();
    }

    fn finish(&mut self) -> Result<(), IntakeEnd> {
        let Some(comparison) = &self.comparison else { return Ok(()) };
        let (path, read) = (comparison.plan.path.clone(), comparison.position);
        let last = comparison.recorded.last_position().unwrap_or_default();
        Err(IntakeEnd::Failed(RunError::TooFewJobs { path, last, read }))
    }
}

impl Comparison {
    /// A comparison with what has been recorded, if that is anything.
    pub(crate) fn new(recorded: Recorded, plan: JournalPlan) -> Option<Comparison> {
        let folder = plan.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // Next to the journal, because there is room for as many outcomes.
        let spool = Spool::new(folder.unwrap_or(Path::new(".")));
        (!recorded.is_empty()).then_some(Comparison { recorded, plan, position: 0, spool })
    }

    fn is_over(&self) -> bool {
        self.recorded.last_position() < Some(self.position)
    }

    /// Compares the next job with its record; what is to be printed for it, if it does not have to run.
    fn compare(&mut self, job: &TakenJob, text: &[u8]) -> Result<Option<Tail>, IntakeEnd> {
        let position = self.position;
        self.position += 1;
        let Some((recorded, tail)) = find(&mut self.recorded, position, &self.plan)? else { return Ok(None) };
        if !job.as_ref().is_ok_and(|job| digest(job.op, text) == recorded) {
            let path = self.plan.path.clone();
            return Err(IntakeEnd::Failed(RunError::OtherJob { path, position }));
        }
        Ok(Some(tail).filter(|tail| tail.kind == Kind::Succeeded || !self.plan.retry_failed))
    }

    /// Lets a job wait until all have been compared.
    fn put_off(
        &mut self,
        job: &TakenJob,
        is_recorded: bool,
        text: &[u8],
        file: &str,
    ) -> Result<(), IntakeEnd> {
        let pushed = match job {
            Ok(job) if is_recorded => {
                self.spool.push(Waiting { what: What::Recorded, id: job.id.as_deref(), text: b"" })
            }
            Ok(_) => self.spool.push(Waiting { what: What::Run, id: None, text }),
            Err((flaw, place)) => {
                let tail = invalid_tail(&flaw.message, file, *place);
                self.spool.push(Waiting { what: What::Invalid, id: flaw.id.as_deref(), text: tail.text() })
            }
        };
        pushed.map_err(spool_failed)
    }
}

/// What has been recorded at a position.
fn find(
    recorded: &mut Recorded,
    position: u64,
    plan: &JournalPlan,
) -> Result<Option<(Digest, Tail)>, IntakeEnd> {
    let found = recorded.find(position).map_err(|error| failed(plan, error.into()))?;
    let Some(record) = found else { return Ok(None) };
    match tail_of(&record) {
        Some(tail) => Ok(Some((record.digest, tail))),
        None => Err(failed(plan, io::Error::other("it holds an outcome of a kind that is not known").into())),
    }
}

fn changed(plan: &JournalPlan) -> IntakeEnd {
    failed(plan, io::Error::other("a record is gone").into())
}

fn failed(plan: &JournalPlan, error: journal::Error) -> IntakeEnd {
    IntakeEnd::Failed(RunError::Journal { path: plan.path.clone(), error })
}

fn spool_failed(error: io::Error) -> IntakeEnd {
    IntakeEnd::Failed(RunError::Spool(error))
}
