//! Submits valid jobs to the executor; every job gets a record.

use std::{
    ops::Range,
    sync::{Arc, mpsc::Sender},
};

use ops::Builtin;
use pool::{
    Executor,
    settings::JobOptions,
    stream::{Sink, Submitter},
};

use super::{
    consumer::{JobConsumer, ReadEnd, ReadJob},
    journal_recorder::{JournalRecorder, digest},
    parsed_chunk::LineJob,
    startup_check::StartupCheck,
};
use crate::{
    event::RunEvent,
    output::{Entering, RecordBody, ReorderBuffer, invalid_body},
    parse::{ParseOptions, ParsedJob},
    report::MetricsRecorder,
};

/// Consumer that adds jobs to the reorder buffer and submits them to the executor.
pub(crate) struct JobSubmitter<'a> {
    pub(super) buffer: &'a ReorderBuffer,
    submitter: Box<dyn Submitter<Builtin>>,
    /// Recorder of the outcomes, with a journal.
    recorder: Option<&'a JournalRecorder>,
    /// Startup check of the programs of user-defined ops, if there are any.
    startup_check: Option<Arc<StartupCheck>>,
    /// Recorder of the metrics, with `--metrics`.
    metrics: Option<&'a MetricsRecorder>,
}

impl<'a> JobSubmitter<'a> {
    pub(crate) fn new(
        buffer: &'a Arc<ReorderBuffer>,
        recorder: Option<&'a Arc<JournalRecorder>>,
        executor: &dyn Executor<Builtin>,
        (parse_options, events): (&ParseOptions, &Sender<RunEvent>),
        metrics: Option<&'a Arc<MetricsRecorder>>,
    ) -> JobSubmitter<'a> {
        let sink: Arc<dyn Sink<Builtin>> = match recorder {
            Some(recorder) => recorder.clone(),
            None => buffer.clone(),
        };
        let sink = match metrics {
            Some(metrics) => metrics.sink(sink),
            None => sink,
        };
        let ops: Vec<Box<str>> = parse_options.programs().map(Box::from).collect();
        let startup_check = (!ops.is_empty()).then(|| StartupCheck::new(ops, sink.clone(), events.clone()));
        let submitter = match &startup_check {
            Some(startup_check) => executor.submitter(startup_check.clone()),
            None => executor.submitter(sink),
        };
        let (recorder, metrics) = (recorder.map(Arc::as_ref), metrics.map(Arc::as_ref));
        JobSubmitter { submitter, buffer, recorder, startup_check, metrics }
    }
}

impl JobConsumer for JobSubmitter<'_> {
    fn consume(&mut self, job: ReadJob, text: &[u8], file: &str) -> Result<(), ReadEnd> {
        match job {
            Ok(mut job) => {
                let position = self.enter_all(1, &mut |_| (job.id.take(), text.len()))?.start;
                self.push(position, job, text);
                Ok(())
            }
            Err((error, place)) => self.add_finished(error.id, invalid_body(&error.message, file, place)),
        }
    }

    fn consume_all(&mut self, jobs: &mut Vec<LineJob>, bytes: &[u8], _: &str) -> Result<(), ReadEnd> {
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

impl JobSubmitter<'_> {
    /// Adds a job that has its record already and does not run.
    pub(super) fn add_finished(&mut self, id: Option<Box<str>>, body: RecordBody) -> Result<(), ReadEnd> {
        let mut id = id;
        let position = self.enter_all(1, &mut |_| (id.take(), 0))?.start;
        self.buffer.settle(position, body);
        Ok(())
    }

    /// Adds up to `count` jobs to the reorder buffer and waits until there is room for at least one. Flushes
    /// the submitter before it waits, because only outcomes make room.
    fn enter_all(&mut self, count: usize, job: Entering<'_>) -> Result<Range<u64>, ReadEnd> {
        if let Some(positions) = self.buffer.try_enter_all(count, job) {
            return Ok(positions);
        }
        self.submitter.flush();
        self.buffer.enter_all(count, job).ok_or(ReadEnd::Closed)
    }

    /// Submits a job that was added to the reorder buffer.
    fn push(&mut self, position: u64, ParsedJob { op, job, limit, priority, .. }: ParsedJob, text: &[u8]) {
        if let Some(recorder) = self.recorder {
            recorder.expect(position, digest(op, text));
        }
        if let Some(metrics) = self.metrics {
            metrics.expect(position, op);
        }
        if let Some(startup_check) = &self.startup_check {
            startup_check.expect(position, &job);
        }
        self.submitter.push(position, job, JobOptions::new().time_limit(limit).priority(priority));
    }
}
