//! Thread that reads jobs and submits them.

use std::{
    io,
    sync::{Arc, mpsc::Sender},
    thread,
};

use ops::Builtin;
use pool::{Executor, metrics::Stage};

use super::{
    consumer::{JobConsumer, ReadEnd},
    journal_recorder::JournalRecorder,
    reader::JobReader,
    resume::{JournalCheck, ResumeConsumer},
    submit::JobSubmitter,
};
use crate::{
    error::RunError,
    event::{RunEvent, StopReason},
    input::InputSource,
    output::ReorderBuffer,
    parse::ParseOptions,
    report::MetricsRecorder,
};

/// Everything the reader thread needs besides the inputs.
pub(crate) struct ReaderThread {
    pub(crate) executor: Arc<dyn Executor<Builtin>>,
    pub(crate) buffer: Arc<ReorderBuffer>,
    pub(crate) recorder: Option<Arc<JournalRecorder>>,
    pub(crate) parse_options: ParseOptions,
    pub(crate) metrics: Option<Arc<MetricsRecorder>>,
    /// Check of the input against the records of an earlier run.
    pub(crate) check: Option<JournalCheck>,
}

impl ReaderThread {
    /// Starts the thread. It sends [`RunEvent::InputEnded`] when it is done.
    pub(crate) fn start(
        self,
        reader: JobReader,
        sources: Vec<InputSource>,
        events: &Sender<RunEvent>,
    ) -> io::Result<()> {
        let events = events.clone();
        thread::Builder::new().name("runner-intake".into()).spawn(move || {
            let timers = self.buffer.thread_timers().clone();
            timers.reader.begin(Stage::Read);
            let result = self.read(reader, sources, &events);
            timers.reader.end();
            let _ = events.send(RunEvent::InputEnded(result));
        })?;
        Ok(())
    }

    fn read(
        self,
        reader: JobReader,
        sources: Vec<InputSource>,
        events: &Sender<RunEvent>,
    ) -> Result<(), RunError> {
        // Dropped at the end of this function: its submit buffer is flushed to the executor before the
        // coordinator closes the executor.
        let (recorder, executor) = (self.recorder.as_ref(), &*self.executor);
        let options = (&self.parse_options, events);
        let metrics = self.metrics.as_ref();
        let submitter = JobSubmitter::new(&self.buffer, recorder, executor, options, metrics);
        let mut consumer: Box<dyn JobConsumer + '_> = match self.check {
            Some(check) => Box::new(ResumeConsumer::new(submitter, self.parse_options, check)),
            None => Box::new(submitter),
        };
        match reader.read_all(sources, &mut *consumer) {
            Ok(()) | Err(ReadEnd::Closed) => Ok(()),
            Err(ReadEnd::Failed(error)) => Err(error),
            Err(ReadEnd::InvalidJob) => {
                let _ = events.send(RunEvent::Stop(StopReason::InvalidJob));
                Ok(())
            }
        }
    }
}
