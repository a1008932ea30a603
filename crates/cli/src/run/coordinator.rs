//! The coordinator: the only code that decides how a run continues and ends.

mod late_outputs;

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use nix::sys::signal::{Signal, raise};
use ops::Builtin;
use pool::Executor;

use super::{
    JobReader, RunEvent, StopReason,
    connect::{StartError, make_executor},
    event::receive_until,
    journal_recorder::JournalThread,
    open_files::{Files, Outputs},
    open_journal::{OpenedJournal, open_journal},
    reader_thread::ReaderThread,
    writer_thread::WriterThread,
};
use crate::{
    args::ExecutorKind,
    each::check_programs,
    error::{self, RunError},
    exit::ExitStatus,
    files::Output,
    input::Source,
    interrupt::{block_signals, suspend_alone, watch},
    output::ReorderBuffer,
    plan::Plan,
    report::{ParentTimes, Progress, Stats, print_summary},
    trace::Timeline,
};

/// Grace period of running jobs after the first signal.
pub(crate) const GRACE_PERIOD: Duration = Duration::from_secs(2);

/// Time for the writer to finish after the second signal.
const WRITER_TIMEOUT: Duration = Duration::from_millis(300);

/// Time for the run to end after the second signal, before the process exits regardless of its state.
const FORCED_EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Additional time for the executor to end running jobs after the grace period, before they are given up.
const GIVE_UP_DELAY: Duration = Duration::from_millis(500);

/// Interval at which signals are polled while waiting for a cluster or a reader.
const SIGNAL_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Grace period that does not expire: running jobs finish.
const UNLIMITED_GRACE: Duration = Duration::from_secs(1 << 32);

/// Runs the jobs and prints their results.
pub(crate) fn run(plan: &Plan) -> ExitStatus {
    let start = Instant::now();
    let (events, receiver) = channel();
    match begin(plan, start, &events, &receiver) {
        Ok(run) => run.finish(plan, &receiver),
        Err(StartError::Signalled(signal)) => ExitStatus::Signal(signal),
        Err(StartError::Failed(error)) => {
            error::print(&error);
            exit_status_of(&error)
        }
    }
}

/// Opens the inputs and outputs, starts the executor and then the threads of the run. Outputs are truncated only after everything that can be refused has succeeded.
fn begin(
    plan: &Plan,
    start: Instant,
    events: &Sender<RunEvent>,
    receiver: &Receiver<RunEvent>,
) -> Result<Run, StartError> {
    // Before any other thread is started, so that all of them inherit the blocked signals.
    let sender = events.clone();
    let notify = move |signal: Signal| sender.send(signal.into()).is_ok();
    watch(block_signals(), FORCED_EXIT_TIMEOUT, notify).map_err(RunError::Thread)?;
    check_programs(plan.programs())?;
    let mut files = Files::open(plan)?;
    let journal = plan.journal.as_ref().zip(files.journal.take());
    let journal = journal.map(|(journal, file)| open_journal(journal, plan, file)).transpose()?;
    let timeline = plan.trace.as_ref().map(|_| Timeline::start());
    let observer = timeline.as_ref().map(Timeline::observer);
    let executor = make_executor(plan, observer, (events, receiver))?;
    let (sources, outputs) = files.commit()?;
    let prepared = PreparedRun { start, executor, sources, outputs, journal, timeline };
    Ok(prepared.run(plan, events)?)
}

/// Everything that a run needs before its threads are started.
struct PreparedRun {
    start: Instant,
    executor: Arc<dyn Executor<Builtin>>,
    sources: Vec<Source>,
    outputs: Outputs,
    journal: Option<OpenedJournal>,
    timeline: Option<Timeline>,
}

/// A run in progress, as seen by the coordinator.
struct Run {
    executor: Arc<dyn Executor<Builtin>>,
    buffer: Arc<ReorderBuffer>,
    writing: WriterThread,
    recorder: Option<JournalThread>,
    /// Outputs written after all records.
    timeline: Option<(Timeline, Output)>,
    stats: Option<Output>,
    progress: Progress,
    start: Instant,
    ended: ExitStatus,
    /// Deadline of the whole run; `None` once it has passed, or without a limit.
    time_limit_at: Option<Instant>,
    /// Number of signals that requested the end.
    signals: u32,
    /// Time at which unfinished jobs are given up.
    give_up_at: Option<Instant>,
    given_up: bool,
    /// Whether running jobs have been given up, or will be.
    early: bool,
    /// Whether the failure of the executor has been reported.
    failure_reported: bool,
    /// Whether the reader of the results has closed the pipe. Nothing more is printed then.
    output_closed: bool,
}

impl PreparedRun {
    /// Starts the threads.
    fn run(self, plan: &Plan, events: &Sender<RunEvent>) -> Result<Run, RunError> {
        let PreparedRun {
            start,
            executor,
            sources,
            outputs: Outputs { results, stats, trace },
            journal,
            timeline,
        } = self;
        let buffer = ReorderBuffer::new(plan, events.clone());
        let (recorder, past) = match journal {
            Some(OpenedJournal { journal, past, one_at_a_time }) => {
                let recorder = JournalThread::start(&buffer, journal, one_at_a_time, events);
                (Some(recorder.map_err(RunError::Thread)?), past)
            }
            None => (None, None),
        };
        let intake = JobReader::new(plan).with_parsers(plan, buffer.thread_timers().clone());
        let sizes: Option<u64> = sources.iter().map(|source| source.size).sum();
        let progress = Progress::start(plan, &buffer, sizes, intake.bytes_read.clone());
        let feeding = ReaderThread {
            executor: executor.clone(),
            buffer: buffer.clone(),
            recorder: recorder.as_ref().map(|recorder| recorder.recorder.clone()),
            parse_options: plan.parse_options,
            past,
        };
        feeding.start(intake, sources, events).map_err(RunError::Thread)?;
        let writing = WriterThread::start(&buffer, results, events).map_err(RunError::Thread)?;
        Ok(Run {
            executor,
            buffer,
            writing,
            recorder,
            timeline: timeline.zip(trace),
            stats,
            progress,
            start,
            ended: ExitStatus::Succeeded,
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

impl Run {
    /// Hears the events until all records are written.
    fn finish(mut self, plan: &Plan, receiver: &Receiver<RunEvent>) -> ExitStatus {
        let output = loop {
            match self.next(receiver) {
                None if self.is_out_of_time() => self.out_of_time(plan),
                // Whoever asks twice does not want to wait for a reader that does not read.
                None if self.given_up && self.signals > 1 => break Ok(()),
                None => self.give_up(),
                // Heard before there was a run.
                Some(RunEvent::Connected) => {}
                Some(RunEvent::Signalled(signal)) => self.interrupted(signal),
                Some(RunEvent::Suspended) => self.suspend(),
                Some(RunEvent::PoolFailed(cause)) => {
                    self.broke(plan, &cause);
                    self.buffer.close();
                }
                Some(RunEvent::ProgramFailed(cause)) => self.program_failed(cause),
                Some(RunEvent::JournalFailed) => {
                    self.finish_recording(plan);
                    self.stop(Duration::ZERO);
                }
                Some(RunEvent::Stop(cause)) => self.enough(&cause),
                Some(RunEvent::InputEnded(result)) => self.input_ended(result),
                Some(RunEvent::OutputEnded(result)) => break result,
            }
        };
        // From here on this thread waits for readers, and not for events.
        suspend_alone();
        if let Err(error) = output {
            self.early = true;
            self.output_failed(error);
        }
        self.progress.finish();
        // A thread cannot be made to give up a job; it ends with this process.
        if !self.early || plan.executor == ExecutorKind::Processes {
            self.join(plan, receiver);
        }
        // No job may have been left to tell of it.
        if let Some(cause) = self.executor.broken().filter(|_| !self.failure_reported) {
            self.broke(plan, &cause);
        }
        self.finish_recording(plan);
        self.write_timeline(plan, receiver);
        let counts = self.buffer.counts();
        if counts.failed() > 0 {
            self.ended = self.ended.and(ExitStatus::JobsFailed);
        }
        if self.output_closed {
            return self.ended;
        }
        let figures = self.executor.worker_stats();
        let parent = ParentTimes::new(self.executor.parent_stats(), self.buffer.thread_timers());
        let elapsed = self.start.elapsed();
        print_summary(plan, &counts, elapsed);
        if let Some(format) = plan.stats {
            let stats = Stats::new(&counts, (&figures, &parent), elapsed);
            self.write_stats(plan, receiver, (format, &stats));
        }
        self.ended
    }

    /// Waits for the executor. A cluster may be far away: whoever asks twice for the end does not want to
    /// wait until it has taken back what it can.
    fn join(&mut self, plan: &Plan, receiver: &Receiver<RunEvent>) {
        if plan.cluster.is_none() {
            return self.executor.join();
        }
        while !self.executor.join_timeout(SIGNAL_POLL_INTERVAL) {
            if let Ok(RunEvent::Signalled(signal)) = receiver.try_recv() {
                self.interrupted(signal);
            }
            if self.signals > 1 {
                self.executor.join_timeout(WRITER_TIMEOUT);
                // The last owner would wait for it, too. It ends with this process.
                std::mem::forget(self.executor.clone());
                return;
            }
        }
    }

    fn broke(&mut self, plan: &Plan, cause: &str) {
        self.failure_reported = true;
        error::print(&plan.broken(cause));
        self.ended = self.ended.and(ExitStatus::Pool);
    }

    /// The next events; `None` when the time has come to give up, or to stop. Time in which this process did
    /// not run does not count.
    fn next(&mut self, receiver: &Receiver<RunEvent>) -> Option<RunEvent> {
        while let Some(at) = self.give_up_at.into_iter().chain(self.time_limit_at).min() {
            let (events, skipped) = receive_until(receiver, at);
            self.extend_limits(skipped);
            if events.is_some() || (skipped.is_zero() && at <= Instant::now()) {
                return events;
            }
        }
        receiver.recv().ok()
    }

    fn extend_limits(&mut self, by: Duration) {
        for limit in [&mut self.give_up_at, &mut self.time_limit_at] {
            *limit = limit.and_then(|at| at.checked_add(by));
        }
    }

    fn input_ended(&mut self, result: Result<(), RunError>) {
        self.buffer.close();
        self.executor.close();
        if let Err(error) = result {
            self.ended = self.ended.and(exit_status_of(&error));
            error::print(&error);
        }
    }

    /// The first signal stops the reading and gives running jobs some time, the second none.
    fn interrupted(&mut self, signal: Signal) {
        self.signals += 1;
        self.ended = self.ended.and(ExitStatus::Signal(signal));
        self.stop(if self.signals == 1 { GRACE_PERIOD } else { Duration::ZERO });
    }

    /// Stops the workers and this process; goes on when somebody continues it.
    fn suspend(&mut self) {
        let start = Instant::now();
        self.executor.pause();
        let _ = raise(Signal::SIGSTOP);
        self.executor.resume();
        // Limits stand still meanwhile.
        self.extend_limits(start.elapsed());
    }

    fn is_out_of_time(&self) -> bool {
        self.time_limit_at.is_some_and(|at| at <= Instant::now())
    }

    /// As the first signal, but it is not a signal that ends the program then.
    fn out_of_time(&mut self, plan: &Plan) {
        self.time_limit_at = None;
        self.ended = self.ended.and(ExitStatus::JobsFailed);
        self.stop(GRACE_PERIOD);
        let limit = plan.time_limit.unwrap_or_default().as_secs_f64();
        error::warn(&format!("the time limit of {limit} s is over; the run is stopped"));
    }

    /// What has no record by now gets none.
    fn program_failed(&mut self, cause: String) {
        let error = RunError::ProgramFailed(cause);
        self.ended = self.ended.and(exit_status_of(&error));
        self.stop(Duration::ZERO);
        error::print(&error);
    }

    /// No more jobs start; those that run may finish: their outcomes are paid for, and they have limits of
    /// their own.
    fn enough(&mut self, cause: &StopReason) {
        self.ended = self.ended.and(ExitStatus::JobsFailed);
        self.buffer.close();
        self.executor.stop(UNLIMITED_GRACE);
        error::warn(&cause.to_string());
    }

    /// Ends the recorder, and reports its error. After one nothing is left to be done: what cannot be
    /// recorded is not printed.
    fn finish_recording(&mut self, plan: &Plan) {
        let finished = self.recorder.take().map_or(Ok(()), JournalThread::finish);
        if let Err(error) = finished {
            let path = plan.journal.as_ref().map(|journal| journal.path.clone()).unwrap_or_default();
            error::print(&RunError::Journal { path, error: error.into() });
            self.ended = self.ended.and(ExitStatus::Journal);
        }
    }

    fn stop(&mut self, grace: Duration) {
        self.early = true;
        self.buffer.close();
        self.writing.stop_waiting();
        self.executor.stop(grace);
        let after = if grace.is_zero() { Duration::ZERO } else { GIVE_UP_DELAY };
        let at = Instant::now() + grace + after;
        self.give_up_at = Some(self.give_up_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Records what is still unfinished as cancelled, so that the writer can end.
    fn give_up(&mut self) {
        self.executor.stop(Duration::ZERO);
        self.buffer.cancel_rest();
        self.given_up = true;
        self.give_up_at = (self.signals > 1).then(|| Instant::now() + WRITER_TIMEOUT);
    }

    fn output_failed(&mut self, error: io::Error) {
        self.buffer.close();
        self.executor.stop(Duration::ZERO);
        // A reader that has seen enough is no error; the run ends as if the pipe had ended it.
        let ended = match error.kind() {
            io::ErrorKind::BrokenPipe => {
                self.output_closed = true;
                ExitStatus::Signal(Signal::SIGPIPE)
            }
            _ => {
                error::print(&RunError::WriteOutput(error));
                ExitStatus::InputOutput
            }
        };
        self.ended = self.ended.and(ended);
    }
}

pub(crate) fn exit_status_of(error: &RunError) -> ExitStatus {
    match error {
        RunError::SameFile { .. } => ExitStatus::Usage,
        RunError::Journal { .. }
        | RunError::JournalNotEmpty { .. }
        | RunError::JobMismatch { .. }
        | RunError::TooFewJobs { .. }
        | RunError::Spool(_) => ExitStatus::Journal,
        RunError::Program { .. }
        | RunError::ProgramFailed(_)
        | RunError::Pool(_)
        | RunError::PoolFailed(_)
        | RunError::Cluster(_)
        | RunError::Thread(_) => ExitStatus::Pool,
        _ => ExitStatus::InputOutput,
    }
}
