//! The one place that decides how a run goes on and how it ends.

use std::{
    fs::File,
    io,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use builtin::Builtin;
use nix::sys::signal::{Signal, raise};
use pool::Executor;

use super::{
    Intake, IntakeEnd, News,
    intake::Runner,
    watcher::{block_signals, watch},
};
use crate::{
    args::ExecutorKind,
    error::{self, RunError},
    exit::Ended,
    input::{Source, open_all},
    output::{Collector, open_target, write_all_lines},
    plan::Plan,
    report::{Progress, report},
};

/// How long running jobs may go on after the first signal.
const GRACE: Duration = Duration::from_secs(2);

/// How long the writer may take after the second signal.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How much longer the executor may take to end them before they are given up.
const AFTER_GRACE: Duration = Duration::from_millis(500);

/// Runs the jobs and prints their results.
pub(crate) fn run(plan: &Plan) -> Ended {
    let (news, heard) = channel();
    let started = Files::open(plan).and_then(|files| {
        // Before any thread is started, so that none of them is interrupted in place of the watcher; after opening,
        // which a pipe without a writer makes wait, and a signal must be able to end that.
        let signals = block_signals();
        watch(signals, news.clone()).map_err(RunError::Thread)?;
        Run::start(plan, files, &news)
    });
    match started {
        Ok(run) => run.finish(plan, &heard),
        Err(error) => {
            error::print(&error);
            ending_of(&error)
        }
    }
}

/// What a run reads and writes.
struct Files {
    sources: Vec<Source>,
    target: File,
}

impl Files {
    fn open(plan: &Plan) -> Result<Files, RunError> {
        let sources = open_all(plan)?;
        Ok(Files { target: open_target(plan, &sources)?, sources })
    }
}

/// A run under way.
struct Run {
    executor: Arc<dyn Executor<Builtin>>,
    collector: Arc<Collector>,
    progress: Progress,
    start: Instant,
    ended: Ended,
    /// How many signals have asked for the end.
    signals: u32,
    /// When unfinished jobs are given up.
    give_up_at: Option<Instant>,
    given_up: bool,
    /// The reader of the results has left: nobody wants to hear more.
    unheard: bool,
}

impl Run {
    fn start(plan: &Plan, files: Files, news: &Sender<News>) -> Result<Run, RunError> {
        let start = Instant::now();
        let Files { sources, target } = files;
        let executor = plan.make_executor()?;
        let collector = Collector::new(!plan.unordered, plan.workers, news.clone());
        let intake = Intake::new(plan);
        let sizes: Option<u64> = sources.iter().map(|source| source.size).sum();
        let progress = Progress::start(plan, &collector, sizes, intake.bytes_read.clone());
        start_intake(intake, sources, (&executor, &collector), news).map_err(RunError::Thread)?;
        start_writer(&collector, target, news).map_err(RunError::Thread)?;
        Ok(Run {
            executor,
            collector,
            progress,
            start,
            ended: Ended::Succeeded,
            signals: 0,
            give_up_at: None,
            given_up: false,
            unheard: false,
        })
    }

    /// Hears the news until all records are written.
    fn finish(mut self, plan: &Plan, heard: &Receiver<News>) -> Ended {
        let output = loop {
            match self.next(heard) {
                // Whoever asks twice does not want to wait for a reader that does not read.
                None if self.given_up && self.signals > 1 => break Ok(()),
                None => self.give_up(),
                Some(News::Signalled(signal)) => self.interrupted(signal),
                Some(News::Suspended) => self.suspend(),
                Some(News::Broken(cause)) => {
                    error::print(&RunError::Broken(cause.to_string()));
                    self.ended = self.ended.and(Ended::Pool);
                    self.collector.close();
                }
                Some(News::InputEnded(result)) => self.input_ended(result),
                Some(News::OutputEnded(result)) => break result,
            }
        };
        let early = self.signals > 0 || output.is_err();
        if let Err(error) = output {
            self.output_failed(error);
        }
        self.progress.finish();
        // A thread cannot be made to give up a job; it ends with this process.
        if !early || plan.executor == ExecutorKind::Processes {
            self.executor.join();
        }
        let counts = self.collector.counts();
        if counts.failed() > 0 {
            self.ended = self.ended.and(Ended::JobsFailed);
        }
        if self.unheard {
            return self.ended;
        }
        let figures = self.executor.figures();
        if let Err(error) = report(plan, &counts, &figures, self.start.elapsed()) {
            error::print(&RunError::WriteStats(error));
            self.ended = self.ended.and(Ended::InputOutput);
        }
        self.ended
    }

    /// The next news; `None` when the time has come to give up.
    fn next(&self, heard: &Receiver<News>) -> Option<News> {
        match self.give_up_at {
            Some(at) => heard.recv_timeout(at.saturating_duration_since(Instant::now())).ok(),
            None => heard.recv().ok(),
        }
    }

    fn input_ended(&mut self, result: Result<(), RunError>) {
        if let Err(error) = result {
            error::print(&error);
            self.ended = self.ended.and(Ended::InputOutput);
        }
        self.collector.close();
        self.executor.close();
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
        self.give_up_at = self.give_up_at.map(|at| at + start.elapsed());
    }

    fn stop(&mut self, grace: Duration) {
        self.collector.close();
        self.executor.stop(grace);
        let after = if grace.is_zero() { Duration::ZERO } else { AFTER_GRACE };
        self.give_up_at = Some(Instant::now() + grace + after);
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

fn start_intake(
    intake: Intake,
    sources: Vec<Source>,
    (executor, collector): (&Arc<dyn Executor<Builtin>>, &Arc<Collector>),
    news: &Sender<News>,
) -> io::Result<()> {
    let (executor, collector, news) = (executor.clone(), collector.clone(), news.clone());
    thread::Builder::new().name("runner-intake".into()).spawn(move || {
        let mut runner = Runner::new(&collector, &*executor);
        let result = match intake.read_all(sources, &mut runner) {
            Ok(()) | Err(IntakeEnd::NotWanted) => Ok(()),
            Err(IntakeEnd::Failed(error)) => Err(error),
        };
        // What has gathered goes to the executor before it is told that nothing more will come.
        drop(runner);
        let _ = news.send(News::InputEnded(result));
    })?;
    Ok(())
}

fn start_writer(collector: &Arc<Collector>, target: File, news: &Sender<News>) -> io::Result<()> {
    let (collector, news) = (collector.clone(), news.clone());
    thread::Builder::new().name("runner-writer".into()).spawn(move || {
        let _ = news.send(News::OutputEnded(write_all_lines(&collector, &target)));
    })?;
    Ok(())
}

fn ending_of(error: &RunError) -> Ended {
    match error {
        RunError::OutputIsInput { .. } => Ended::Misused,
        RunError::Pool(_) | RunError::Broken(_) | RunError::Thread(_) => Ended::Pool,
        _ => Ended::InputOutput,
    }
}
