//! Runs jobs: those that are valid go to the executor, all get a record.

use std::{
    ops::Range,
    sync::{Arc, mpsc::Sender},
};

use ops::Builtin;
use pool::{Executor, JobOptions, Sink, Submitter};

use super::{
    IntakeEnd, News, TakenJob, Taker, parsed::LineJob, probation::Probation, recorder::Recorder,
    resume::digest,
};
use crate::{
    output::{Collector, Entering, Tail, invalid_tail},
    parse::{ParsedJob, Rules},
};

/// Passes jobs on to the collector and the executor.
pub(crate) struct Runner<'a> {
    pub(super) collector: &'a Collector,
    submitter: Box<dyn Submitter<Builtin>>,
    /// Records the outcomes, where a journal is kept.
    recorder: Option<&'a Recorder>,
    /// Watches over programs of user-defined ops, where there are some.
    probation: Option<Arc<Probation>>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        collector: &'a Arc<Collector>,
        recorder: Option<&'a Arc<Recorder>>,
        executor: &dyn Executor<Builtin>,
        (rules, news): (&Rules, &Sender<News>),
    ) -> Runner<'a> {
        let sink: Arc<dyn Sink<Builtin>> = match recorder {
            Some(recorder) => recorder.clone(),
            None => collector.clone(),
        };
        let ops: Vec<Box<str>> = rules.programs().map(Box::from).collect();
        let probation = (!ops.is_empty()).then(|| Probation::new(ops, sink.clone(), news.clone()));
        let submitter = match &probation {
            Some(probation) => executor.submitter(probation.clone()),
            None => executor.submitter(sink),
        };
        Runner { submitter, collector, recorder: recorder.map(Arc::as_ref), probation }
    }
}

impl Taker for Runner<'_> {
    fn take(&mut self, job: TakenJob, text: &[u8], file: &str) -> Result<(), IntakeEnd> {
        match job {
            Ok(mut job) => {
                let position = self.enter_all(1, &mut |_| (job.id.take(), text.len()))?.start;
                self.push(position, job, text);
                Ok(())
            }
            Err((flaw, place)) => self.settle(flaw.id, invalid_tail(&flaw.message, file, place)),
        }
    }

    fn take_all(&mut self, jobs: &mut Vec<LineJob>, bytes: &[u8], _: &str) -> Result<(), IntakeEnd> {
        while !jobs.is_empty() {
            let positions = self.enter_all(jobs.len(), &mut |index| {
                let job = &mut jobs[index];
                (job.job.id.take(), job.text_len())
            })?;
            let entered = (positions.end - positions.start) as usize;
            for (position, job) in positions.zip(jobs.drain(..entered)) {
                let text = job.text(bytes);
                self.push(position, job.job, text);
            }
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.submitter.flush();
    }
}

impl Runner<'_> {
    /// Lets a job in that does not have to run.
    pub(super) fn settle(&mut self, id: Option<Box<str>>, tail: Tail) -> Result<(), IntakeEnd> {
        let mut id = id;
        let position = self.enter_all(1, &mut |_| (id.take(), 0))?.start;
        self.collector.settle(position, tail);
        Ok(())
    }

    /// Lets jobs in, up to `count` of them, and waits until there is room for one. Before it waits it hands over what has
    /// gathered: the room may depend on it.
    fn enter_all(&mut self, count: usize, job: Entering<'_>) -> Result<Range<u64>, IntakeEnd> {
        if let Some(positions) = self.collector.try_enter_all(count, job) {
            return Ok(positions);
        }
        self.submitter.flush();
        self.collector.enter_all(count, job).ok_or(IntakeEnd::NotWanted)
    }

    /// Runs a job that has entered.
    fn push(&mut self, position: u64, ParsedJob { op, job, limit, .. }: ParsedJob, text: &[u8]) {
        if let Some(recorder) = self.recorder {
            recorder.expect(position, digest(op, text));
        }
        if let Some(probation) = &self.probation {
            probation.expect(position, &job);
        }
        self.submitter.push(position, job, JobOptions { time_limit: limit });
    }
}
