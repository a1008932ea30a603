//! The one place that decides how a run goes on and how it ends.

mod last;

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
    Enough, Intake, News,
    connecting::{NotBegun, make_executor},
    feeding::Feeding,
    journaling::{self, Opened},
    news::receive_until,
    opening::{Files, Outputs},
    recorder::Recording,
    writing::Writing,
};
use crate::{
    args::ExecutorKind,
    each::check_programs,
    error::{self, RunError},
    exit::Ended,
    files::Output,
    input::Source,
    interrupt::{block_signals, suspend_alone, watch},
    output::Collector,
    plan::Plan,
    report::{Parent, Progress, Stats, print_summary},
    trace::Timeline,
};

/// How long running jobs may go on after the first signal.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// How long the writer may take after the second signal.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How long the run may take to end after the second signal, before it is ended wherever it stands.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How much longer the executor may take to end them before they are given up.
const AFTER_GRACE: Duration = Duration::from_millis(500);

/// While a cluster is waited for.
const LOOK_FOR_SIGNALS_AFTER: Duration = Duration::from_millis(50);

/// Running jobs may take as long as they do.
const NO_HURRY: Duration = Duration::from_secs(1 << 32);

/// Runs the jobs and prints their results.
pub(crate) fn run(plan: &Plan) -> Ended {
    let start = Instant::now();
    let (news, heard) = channel();
    match begin(plan, start, &news, &heard) {
        Ok(run) => run.finish(plan, &heard),
        Err(NotBegun::Signalled(signal)) => Ended::Signal(signal),
        Err(NotBegun::Failed(error)) => {
            error::print(&error);
            ending_of(&error)
        }
    }
}

/// Opens what the run reads and writes, and starts it. Outputs keep what is in them until nothing can be refused any more.
fn begin(plan: &Plan, start: Instant, news: &Sender<News>, heard: &Receiver<News>) -> Result<Run, NotBegun> {
    // Before any thread is started, so that none of them is interrupted in place of the watcher.
    let sender = news.clone();
    let notify = move |signal: Signal| sender.send(signal.into()).is_ok();
    watch(block_signals(), AT_ONCE, notify).map_err(RunError::Thread)?;
    check_programs(plan.programs())?;
    let mut files = Files::open(plan)?;
    let journal = plan.journal.as_ref().zip(files.journal.take());
    let journal = journal.map(|(journal, file)| journaling::open(journal, plan, file)).transpose()?;
    let timeline = plan.trace.as_ref().map(|_| Timeline::start());
    let observer = timeline.as_ref().map(Timeline::observer);
    let executor = make_executor(plan, observer, (news, heard))?;
    let (sources, outputs) = files.commit()?;
    let begun = Begun { start, executor, sources, outputs, journal, timeline };
    Ok(begun.run(plan, news)?)
}

/// All that a run needs.
struct Begun {
    start: Instant,
    executor: Arc<dyn Executor<Builtin>>,
    sources: Vec<Source>,
    outputs: Outputs,
    journal: Option<Opened>,
    timeline: Option<Timeline>,
}

/// A run under way.
struct Run {
    executor: Arc<dyn Executor<Builtin>>,
    collector: Arc<Collector>,
    writing: Writing,
    recording: Option<Recording>,
    /// What is written when all records are.
    timeline: Option<(Timeline, Output)>,
    stats: Option<Output>,
    progress: Progress,
    start: Instant,
    ended: Ended,
    /// When the whole run is to be over, until it is.
    time_limit_at: Option<Instant>,
    /// How many signals have asked for the end.
    signals: u32,
    /// When unfinished jobs are given up.
    give_up_at: Option<Instant>,
    given_up: bool,
    /// Running jobs have been given up, or will be.
    early: bool,
    /// It has been said why the executor cannot go on.
    told_broken: bool,
    /// The reader of the results has left: nobody wants to hear more.
    unheard: bool,
}

impl Begun {
    /// Starts the threads.
    fn run(self, plan: &Plan, news: &Sender<News>) -> Result<Run, RunError> {
        let Begun { start, executor, sources, outputs: Outputs { results, stats, trace }, journal, timeline } =
            self;
        let collector = Collector::new(plan, news.clone());
        let (recording, past) = match journal {
            Some(Opened { journal, past, one_by_one }) => {
                let recording = Recording::start(&collector, journal, one_by_one, news);
                (Some(recording.map_err(RunError::Thread)?), past)
            }
            None => (None, None),
        };
        let intake = Intake::new(plan).with_parsers(plan, collector.lanes().clone());
        let sizes: Option<u64> = sources.iter().map(|source| source.size).sum();
        let progress = Progress::start(plan, &collector, sizes, intake.bytes_read.clone());
        let feeding = Feeding {
            executor: executor.clone(),
            collector: collector.clone(),
            recorder: recording.as_ref().map(|recording| recording.recorder.clone()),
            rules: plan.rules,
            past,
        };
        feeding.start(intake, sources, news).map_err(RunError::Thread)?;
        let writing = Writing::start(&collector, results, news).map_err(RunError::Thread)?;
        Ok(Run {
            executor,
            collector,
            writing,
            recording,
            timeline: timeline.zip(trace),
            stats,
            progress,
            start,
            ended: Ended::Succeeded,
            time_limit_at: plan.time_limit.and_then(|limit| start.checked_add(limit)),
            signals: 0,
            give_up_at: None,
            given_up: false,
            early: false,
            told_broken: false,
            unheard: false,
        })
    }
}

impl Run {
    /// Hears the news until all records are written.
    fn finish(mut self, plan: &Plan, heard: &Receiver<News>) -> Ended {
        let output = loop {
            match self.next(heard) {
                None if self.is_out_of_time() => self.out_of_time(plan),
                // Whoever asks twice does not want to wait for a reader that does not read.
                None if self.given_up && self.signals > 1 => break Ok(()),
                None => self.give_up(),
                // Heard before there was a run.
                Some(News::Connected) => {}
                Some(News::Signalled(signal)) => self.interrupted(signal),
                Some(News::Suspended) => self.suspend(),
                Some(News::Broken(cause)) => {
                    self.broke(plan, &cause);
                    self.collector.close();
                }
                Some(News::ProgramFailed(cause)) => self.program_failed(cause),
                Some(News::JournalFailed) => {
                    self.finish_recording(plan);
                    self.stop(Duration::ZERO);
                }
                Some(News::Enough(cause)) => self.enough(&cause),
                Some(News::InputEnded(result)) => self.input_ended(result),
                Some(News::OutputEnded(result)) => break result,
            }
        };
        // From here on this thread waits for readers, and not for news.
        suspend_alone();
        if let Err(error) = output {
            self.early = true;
            self.output_failed(error);
        }
        self.progress.finish();
        // A thread cannot be made to give up a job; it ends with this process.
        if !self.early || plan.executor == ExecutorKind::Processes {
            self.join(plan, heard);
        }
        // No job may have been left to tell of it.
        if let Some(cause) = self.executor.broken().filter(|_| !self.told_broken) {
            self.broke(plan, &cause);
        }
        self.finish_recording(plan);
        self.write_timeline(plan, heard);
        let counts = self.collector.counts();
        if counts.failed() > 0 {
            self.ended = self.ended.and(Ended::JobsFailed);
        }
        if self.unheard {
            return self.ended;
        }
        let figures = self.executor.worker_stats();
        let parent = Parent::new(self.executor.parent_stats(), self.collector.lanes());
        let elapsed = self.start.elapsed();
        print_summary(plan, &counts, elapsed);
        if let Some(format) = plan.stats {
            let stats = Stats::new(&counts, (&figures, &parent), elapsed);
            self.write_stats(plan, heard, (format, &stats));
        }
        self.ended
    }

    /// Waits for the executor. A cluster may be far away: whoever asks twice for the end does not want to wait until it has taken
    /// back what it can.
    fn join(&mut self, plan: &Plan, heard: &Receiver<News>) {
        if plan.cluster.is_none() {
            return self.executor.join();
        }
        while !self.executor.join_timeout(LOOK_FOR_SIGNALS_AFTER) {
            if let Ok(News::Signalled(signal)) = heard.try_recv() {
                self.interrupted(signal);
            }
            if self.signals > 1 {
                self.executor.join_timeout(LAST_WORDS);
                // The last owner would wait for it, too. It ends with this process.
                std::mem::forget(self.executor.clone());
                return;
            }
        }
    }

    fn broke(&mut self, plan: &Plan, cause: &str) {
        self.told_broken = true;
        error::print(&plan.broken(cause));
        self.ended = self.ended.and(Ended::Pool);
    }

    /// The next news; `None` when the time has come to give up, or to stop. Time in which this process did not run does not
    /// count.
    fn next(&mut self, heard: &Receiver<News>) -> Option<News> {
        while let Some(at) = self.give_up_at.into_iter().chain(self.time_limit_at).min() {
            let (news, skipped) = receive_until(heard, at);
            self.extend_limits(skipped);
            if news.is_some() || (skipped.is_zero() && at <= Instant::now()) {
                return news;
            }
        }
        heard.recv().ok()
    }

    fn extend_limits(&mut self, by: Duration) {
        for limit in [&mut self.give_up_at, &mut self.time_limit_at] {
            *limit = limit.and_then(|at| at.checked_add(by));
        }
    }

    fn input_ended(&mut self, result: Result<(), RunError>) {
        self.collector.close();
        self.executor.close();
        if let Err(error) = result {
            self.ended = self.ended.and(ending_of(&error));
            error::print(&error);
        }
    }

    /// The first signal stops the reading and gives running jobs some time, the second none.
    fn interrupted(&mut self, signal: Signal) {
        self.signals += 1;
        self.ended = self.ended.and(Ended::Signal(signal));
        self.stop(if self.signals == 1 { GRACE } else { Duration::ZERO });
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
        self.ended = self.ended.and(Ended::JobsFailed);
        self.stop(GRACE);
        let limit = plan.time_limit.unwrap_or_default().as_secs_f64();
        error::warn(&format!("the time limit of {limit} s is over; the run is stopped"));
    }

    /// What has no record by now gets none.
    fn program_failed(&mut self, cause: String) {
        let error = RunError::ProgramFailed(cause);
        self.ended = self.ended.and(ending_of(&error));
        self.stop(Duration::ZERO);
        error::print(&error);
    }

    /// No more jobs start; those that run may finish: their outcomes are paid for, and they have limits of their own.
    fn enough(&mut self, cause: &Enough) {
        self.ended = self.ended.and(Ended::JobsFailed);
        self.collector.close();
        self.executor.stop(NO_HURRY);
        error::warn(&cause.to_string());
    }

    /// Ends the recording, and reports its error. After one nothing is left to be done: what cannot be recorded is not
    /// printed.
    fn finish_recording(&mut self, plan: &Plan) {
        let finished = self.recording.take().map_or(Ok(()), Recording::finish);
        if let Err(error) = finished {
            let path = plan.journal.as_ref().map(|journal| journal.path.clone()).unwrap_or_default();
            error::print(&RunError::Journal { path, error: error.into() });
            self.ended = self.ended.and(Ended::Journal);
        }
    }

    fn stop(&mut self, grace: Duration) {
        self.early = true;
        self.collector.close();
        self.writing.stop_waiting();
        self.executor.stop(grace);
        let after = if grace.is_zero() { Duration::ZERO } else { AFTER_GRACE };
        let at = Instant::now() + grace + after;
        self.give_up_at = Some(self.give_up_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Records what is still unfinished as cancelled, so that the writer can end.
    fn give_up(&mut self) {
        self.executor.stop(Duration::ZERO);
        self.collector.cancel_rest();
        self.given_up = true;
        self.give_up_at = (self.signals > 1).then(|| Instant::now() + LAST_WORDS);
    }

    fn output_failed(&mut self, error: io::Error) {
        self.collector.close();
        self.executor.stop(Duration::ZERO);
        // A reader that has seen enough is no error; the run ends as if the pipe had ended it.
        let ended = match error.kind() {
            io::ErrorKind::BrokenPipe => {
                self.unheard = true;
                Ended::Signal(Signal::SIGPIPE)
            }
            _ => {
                error::print(&RunError::WriteOutput(error));
                Ended::InputOutput
            }
        };
        self.ended = self.ended.and(ended);
    }
}

pub(crate) fn ending_of(error: &RunError) -> Ended {
    match error {
        RunError::SameFile { .. } => Ended::Misused,
        RunError::Journal { .. }
        | RunError::JournalNotEmpty { .. }
        | RunError::OtherJob { .. }
        | RunError::TooFewJobs { .. }
        | RunError::Spool(_) => Ended::Journal,
        RunError::Program { .. }
        | RunError::ProgramFailed(_)
        | RunError::Pool(_)
        | RunError::Broken(_)
        | RunError::Cluster(_)
        | RunError::Thread(_) => Ended::Pool,
        _ => Ended::InputOutput,
    }
}
