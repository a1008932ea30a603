//! The coordinator: the only code that decides how a run continues and ends.

mod late_outputs;
mod live;
mod startup;

pub(super) use startup::begin;

use std::{
    io,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use console::{ExitStatus, signals::suspend_self_only};
use nix::sys::signal::{Signal, raise};
use ops::Builtin;
use pool::Executor;
use trace::Timeline;

use self::live::Companions;
use super::{journal_recorder::JournalThread, writer_thread::WriterThread};
use crate::{
    args::ExecutorKind,
    error::{self, RunError},
    event::{RunEvent, StopReason, receive_until},
    files::Output,
    output::ReorderBuffer,
    plan::Plan,
    report::{ParentTimes, SandboxRow, Stats, print_summary},
};

/// Grace period of running jobs after the first signal.
pub(crate) const GRACE_PERIOD: Duration = Duration::from_secs(2);

/// Time for the writer to finish after the second signal.
const WRITER_TIMEOUT: Duration = Duration::from_millis(300);

/// Additional time for the executor to end running jobs after the grace period, before they are given up.
const GIVE_UP_DELAY: Duration = Duration::from_millis(500);

/// Interval at which signals are polled while waiting for a cluster or a reader.
const SIGNAL_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Grace period that does not expire: running jobs finish.
const UNLIMITED_GRACE: Duration = Duration::from_secs(1 << 32);

/// A run in progress, as seen by the coordinator.
pub(super) struct Coordinator {
    executor: Arc<dyn Executor<Builtin>>,
    buffer: Arc<ReorderBuffer>,
    writer: WriterThread,
    recorder: Option<JournalThread>,
    /// Outputs written after all records.
    timeline: Option<(Timeline, Output)>,
    stats: Option<Output>,
    companions: Companions,
    start: Instant,
    status: ExitStatus,
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

impl Coordinator {
    /// Runs until all records are written, then ends the executor and writes the other outputs.
    pub(super) fn finish(mut self, plan: &Plan, receiver: &Receiver<RunEvent>) -> ExitStatus {
        let output = self.handle_events(plan, receiver);
        // From here on this thread blocks on readers instead of receiving events.
        suspend_self_only();
        if let Err(error) = output {
            self.early = true;
            self.output_failed(error);
        }
        self.companions.end_display();
        // A thread cannot be forced to abandon a job; it ends with this process.
        if !self.early || plan.executor == ExecutorKind::Processes {
            self.join(plan, receiver);
        }
        // The failure may not have been reported, because no job was left to report it.
        if let Some(cause) = self.executor.broken().filter(|_| !self.failure_reported) {
            self.pool_failed(plan, &cause);
        }
        self.finish_recorder(plan);
        self.write_timeline(plan, receiver);
        self.status = self.status.and(self.companions.finish_metrics());
        let counts = self.buffer.counts();
        if counts.failed() > 0 {
            self.status = self.status.and(ExitStatus::JobsFailed);
        }
        if self.output_closed {
            return self.status;
        }
        let workers = self.executor.worker_stats();
        let parent = ParentTimes::new(self.executor.parent_stats(), self.buffer.thread_timers());
        let elapsed = self.start.elapsed();
        print_summary(plan, &counts, elapsed);
        if let Some(format) = plan.stats {
            let stats = Stats::new(&counts, (&workers, &parent), elapsed, SandboxRow::new(plan));
            self.write_stats(plan, receiver, (format, &stats));
        }
        self.status
    }

    /// Handles events until all records are written. Returns the result of the writer.
    fn handle_events(&mut self, plan: &Plan, receiver: &Receiver<RunEvent>) -> io::Result<()> {
        loop {
            match self.next(receiver) {
                None if self.is_out_of_time() => self.out_of_time(plan),
                // After a second signal, do not wait for a reader that does not read.
                None if self.given_up && self.signals > 1 => break Ok(()),
                None => self.give_up(),
                // Sent before the run starts.
                Some(RunEvent::Connected) => {}
                Some(RunEvent::Signalled(signal)) => self.interrupted(signal),
                Some(RunEvent::Suspended) => self.suspend(),
                Some(RunEvent::SnapshotRequested) => self.companions.print_snapshot(),
                Some(RunEvent::PoolFailed(cause)) => {
                    self.pool_failed(plan, &cause);
                    self.buffer.close();
                }
                Some(RunEvent::ProgramFailed(cause)) => self.program_failed(cause),
                Some(RunEvent::JournalFailed) => {
                    self.finish_recorder(plan);
                    self.stop(Duration::ZERO);
                }
                Some(RunEvent::Stop(cause)) => self.stop_starting_jobs(&cause),
                Some(RunEvent::InputEnded(result)) => self.input_ended(result),
                Some(RunEvent::OutputEnded(result)) => break result,
            }
        }
    }

    /// Waits for the executor. With a cluster, which may be slow to respond, a second signal ends the wait
    /// before all messages have been taken back.
    fn join(&mut self, plan: &Plan, receiver: &Receiver<RunEvent>) {
        if plan.cluster.is_none() {
            return self.executor.join();
        }
        while !self.executor.shutdown_timeout(SIGNAL_POLL_INTERVAL) {
            if let Ok(RunEvent::Signalled(signal)) = receiver.try_recv() {
                self.interrupted(signal);
            }
            if self.signals > 1 {
                let _ = self.executor.shutdown_timeout(WRITER_TIMEOUT);
                // Dropping the last reference would wait for it, too. It ends with this process.
                std::mem::forget(self.executor.clone());
                return;
            }
        }
    }

    fn pool_failed(&mut self, plan: &Plan, cause: &str) {
        self.failure_reported = true;
        error::print(&plan.executor_error(cause));
        self.status = self.status.and(ExitStatus::Pool);
    }

    /// Returns the next event, or `None` when the deadline of the run or of unfinished jobs has passed. Time
    /// during which this process was stopped does not count.
    fn next(&mut self, receiver: &Receiver<RunEvent>) -> Option<RunEvent> {
        while let Some(at) = self.give_up_at.into_iter().chain(self.time_limit_at).min() {
            let (event, skipped) = receive_until(receiver, at);
            self.extend_limits(skipped);
            if event.is_some() || (skipped.is_zero() && at <= Instant::now()) {
                return event;
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
            self.status = self.status.and(error.exit_status());
            error::print(&error);
        }
    }

    /// Stops the run. The first signal gives running jobs a grace period, the second does not.
    fn interrupted(&mut self, signal: Signal) {
        self.signals += 1;
        self.status = self.status.and(ExitStatus::Signal(signal));
        self.stop(if self.signals == 1 { GRACE_PERIOD } else { Duration::ZERO });
    }

    /// Stops the workers and this process; resumes the workers when this process is continued.
    fn suspend(&mut self) {
        let start = Instant::now();
        self.executor.pause();
        let _ = raise(Signal::SIGSTOP);
        self.executor.resume();
        // Suspended time does not count against the limits.
        self.extend_limits(start.elapsed());
    }

    fn is_out_of_time(&self) -> bool {
        self.time_limit_at.is_some_and(|at| at <= Instant::now())
    }

    /// Stops the run as the first signal does, but the exit status is not that of a signal.
    fn out_of_time(&mut self, plan: &Plan) {
        self.time_limit_at = None;
        self.status = self.status.and(ExitStatus::JobsFailed);
        self.stop(GRACE_PERIOD);
        let limit = plan.time_limit.unwrap_or_default().as_secs_f64();
        error::warn(&format!("time limit of {limit} s reached; stopping the run"));
    }

    /// Ends the run because the program of an op does not work. Jobs without a record get `cancelled`
    /// records.
    fn program_failed(&mut self, cause: String) {
        let error = RunError::ProgramFailed(cause);
        self.status = self.status.and(error.exit_status());
        self.stop(Duration::ZERO);
        error::print(&error);
    }

    /// Stops starting jobs. Running jobs finish: their work would be lost otherwise, and they have time
    /// limits of their own.
    fn stop_starting_jobs(&mut self, cause: &StopReason) {
        self.status = self.status.and(ExitStatus::JobsFailed);
        self.buffer.close();
        self.executor.stop(UNLIMITED_GRACE);
        error::warn(&cause.to_string());
    }

    /// Ends the recorder and reports its error. After an error nothing else needs to be done: outcomes that
    /// cannot be recorded are not printed.
    fn finish_recorder(&mut self, plan: &Plan) {
        let finished = self.recorder.take().map_or(Ok(()), JournalThread::finish);
        if let Err(error) = finished {
            let path = plan.journal.as_ref().map(|journal| journal.path.clone()).unwrap_or_default();
            error::print(&RunError::Journal { path, error: error.into() });
            self.status = self.status.and(ExitStatus::Journal);
        }
    }

    fn stop(&mut self, grace: Duration) {
        self.early = true;
        self.buffer.close();
        self.writer.stop_waiting();
        self.executor.stop(grace);
        let after = if grace.is_zero() { Duration::ZERO } else { GIVE_UP_DELAY };
        let at = Instant::now() + grace + after;
        self.give_up_at = Some(self.give_up_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Records unfinished jobs as cancelled, so that the writer can finish.
    fn give_up(&mut self) {
        self.executor.stop(Duration::ZERO);
        self.buffer.cancel_rest();
        self.given_up = true;
        self.give_up_at = (self.signals > 1).then(|| Instant::now() + WRITER_TIMEOUT);
    }

    fn output_failed(&mut self, error: io::Error) {
        self.buffer.close();
        self.executor.stop(Duration::ZERO);
        // A reader that closes the pipe is not an error; the run ends as if by SIGPIPE.
        let status = match error.kind() {
            io::ErrorKind::BrokenPipe => {
                self.output_closed = true;
                ExitStatus::Signal(Signal::SIGPIPE)
            }
            _ => {
                error::print(&RunError::WriteOutput(error));
                ExitStatus::InputOutput
            }
        };
        self.status = self.status.and(status);
    }
}
