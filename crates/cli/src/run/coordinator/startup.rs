//! Starts a run.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    time::{Duration, Instant},
};

use console::{
    ExitStatus,
    signals::{block_signals_and_requests, watch},
};
use nix::sys::signal::Signal;
use pool::metrics::Observer;
use trace::Timeline;

use super::{Coordinator, live::Companions};
use crate::{
    error::RunError,
    event::RunEvent,
    input::InputSource,
    output::{FailureReport, ReorderBuffer},
    plan::{Plan, RunExecutor},
    report::{MetricsRecorder, Pauses, RunView},
    run::{
        admission::check_machine,
        connect::{StartError, make_executor},
        journal_recorder::JournalThread,
        observers::combine,
        open_files::{Files, RunOutputs},
        open_journal::{OpenedJournal, open_journal},
        parsers::MAX_PARSERS,
        programs::check_programs,
        reader::JobReader,
        reader_thread::ReaderThread,
        resume::JournalCheck,
        writer_thread::WriterThread,
    },
    thread_timers::ThreadTimers,
};

/// Time for the run to end after the second signal, before the process exits regardless of its state.
const FORCED_EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Opens the inputs and outputs, starts the executor and then the threads of the run. Outputs are truncated
/// only after everything that can be refused has succeeded.
pub(in crate::run) fn begin(
    plan: &Plan,
    start: Instant,
    events: &Sender<RunEvent>,
    receiver: &Receiver<RunEvent>,
) -> Result<Coordinator, StartError> {
    // Before any other thread is started, so that all of them inherit the blocked signals.
    let sender = events.clone();
    let notify = move |signal: Signal| sender.send(signal.into()).is_ok();
    watch(block_signals_and_requests(), FORCED_EXIT_TIMEOUT, notify).map_err(RunError::Thread)?;
    check_programs(plan.programs())?;
    check_machine(plan)?;
    plan.sandbox.check_programs()?;
    let mut files = Files::open(plan)?;
    let journal = plan.journal.as_ref().zip(files.journal.take());
    let journal = journal.map(|(journal, file)| open_journal(journal, plan, file)).transpose()?;
    let timeline = plan.trace.as_ref().map(|_| Timeline::start());
    let new_recorder = || MetricsRecorder::new(plan.parse_options.defined, plan.layout);
    let metrics = plan.metrics.as_ref().map(|_| Arc::new(new_recorder()));
    let recorder = metrics.clone().map(|metrics| metrics as Arc<dyn Observer>);
    let observer = combine(timeline.as_ref().map(Timeline::observer), recorder);
    let executor = make_executor(plan, observer, (events, receiver))?;
    let (sources, outputs) = files.commit()?;
    let prepared = PreparedRun { start, executor, sources, outputs, journal, timeline, metrics };
    Ok(prepared.start_threads(plan, events)?)
}

/// Everything that a run needs before its threads are started.
struct PreparedRun {
    start: Instant,
    executor: RunExecutor,
    sources: Vec<InputSource>,
    outputs: RunOutputs,
    journal: Option<OpenedJournal>,
    timeline: Option<Timeline>,
    metrics: Option<Arc<MetricsRecorder>>,
}

impl PreparedRun {
    /// Starts the threads.
    fn start_threads(self, plan: &Plan, events: &Sender<RunEvent>) -> Result<Coordinator, RunError> {
        let PreparedRun {
            start,
            executor: RunExecutor { executor, pool },
            sources,
            outputs: RunOutputs { results, stats, trace, metrics: metrics_file },
            journal,
            timeline,
            metrics,
        } = self;
        let timers = ThreadTimers::new(plan.parsers.unwrap_or(MAX_PARSERS));
        let failures = FailureReport::new(plan.layout, plan.quiet, plan.verbose);
        let buffer = ReorderBuffer::new(plan.buffer_settings(), failures, timers.clone(), events.clone());
        let (recorder, check) = start_recorder(journal, &buffer, events)?;
        let reader = JobReader::new(plan).with_parsers(plan, timers);
        let view = RunView {
            executor: executor.clone(),
            pool,
            buffer: buffer.clone(),
            pauses: Arc::new(Pauses::default()),
            start,
            input_bytes: sources.iter().map(|source| source.size).sum(),
            bytes_read: reader.bytes_read.clone(),
            counts_jobs: plan.cluster.is_none(),
        };
        let companions = Companions::start(plan, view, metrics_file.zip(metrics.clone()))?;
        let reader_thread = ReaderThread {
            executor: executor.clone(),
            buffer: buffer.clone(),
            recorder: recorder.as_ref().map(|recorder| recorder.recorder.clone()),
            parse_options: plan.parse_options,
            metrics,
            check,
        };
        reader_thread.start(reader, sources, events).map_err(RunError::Thread)?;
        let writer = WriterThread::start(&buffer, results, events).map_err(RunError::Thread)?;
        Ok(Coordinator {
            executor,
            buffer,
            writer,
            recorder,
            timeline: timeline.zip(trace),
            stats,
            companions,
            start,
            status: ExitStatus::Succeeded,
            time_limit_at: plan.time_limit.and_then(|limit| start.checked_add(limit)),
            signals: 0,
            give_up_at: None,
            given_up: false,
            early: false,
            failure_reported: false,
            output_closed: false,
        })
    }
}

/// Starts the thread that records outcomes, if there is a journal. Also returns the check against the records
/// of an earlier run.
fn start_recorder(
    journal: Option<OpenedJournal>,
    buffer: &Arc<ReorderBuffer>,
    events: &Sender<RunEvent>,
) -> Result<(Option<JournalThread>, Option<JournalCheck>), RunError> {
    let Some(OpenedJournal { journal, check, one_at_a_time }) = journal else { return Ok((None, None)) };
    let recorder = JournalThread::start(buffer, journal, one_at_a_time, events);
    Ok((Some(recorder.map_err(RunError::Thread)?), check))
}
