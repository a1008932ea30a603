//! The recorded data of one worker.

use std::{sync::Arc, time::Duration};

use pool::metrics::{BatchId, MonotonicInstant};

use super::{job_numbers::JobNumbers, sampling::Sampling};

/// The trace of a worker, from the decision to start it.
#[derive(Debug)]
pub(super) struct WorkerTrace {
    pub(super) pid: Option<u32>,
    pub(super) starting: MonotonicInstant,
    pub(super) ready: Option<MonotonicInstant>,
    pub(super) end: Option<WorkerEnd>,
    /// Finished runs, in order.
    pub(super) runs: Vec<BatchRun>,
    /// Recall requests: batches below this number, and the time.
    pub(super) recalls: Vec<(BatchId, MonotonicInstant)>,
    /// Batches that the worker never started.
    pub(super) lost: Vec<SentBatch>,
    /// Batches assigned to the worker that are not complete.
    open: Vec<OpenBatch>,
    /// Start of the current idle time; while the worker runs jobs, the end of the last run.
    pub(super) idle_since: MonotonicInstant,
}

/// The exit of a worker.
#[derive(Debug)]
pub(super) struct WorkerEnd {
    pub(super) kind: WorkerEndKind,
    pub(super) cause: Arc<str>,
    pub(super) at: MonotonicInstant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerEndKind {
    /// It was never ready.
    StartFailed,
    /// The pool shut it down.
    ShutDown,
    Died,
}

/// A batch that was sent to a worker.
#[derive(Clone, Debug)]
pub(super) struct SentBatch {
    pub(super) batch: BatchId,
    pub(super) jobs: u64,
    pub(super) bytes: u64,
    pub(super) at: MonotonicInstant,
    /// Number of jobs in flight at that time.
    pub(super) in_flight: Sample,
}

/// A batch of which some jobs have not returned.
#[derive(Debug)]
struct OpenBatch {
    batch: BatchId,
    left: JobNumbers,
    /// When and how it was sent, until its first run takes this.
    sent: Option<SentBatch>,
    /// Number of outcomes received.
    returned: u64,
}

/// A period in which a worker ran jobs without a break: their outcomes returned together, or the worker
/// exited.
#[derive(Debug)]
pub(super) struct BatchRun {
    pub(super) batch: BatchId,
    /// Jobs that it finished.
    pub(super) jobs: JobNumbers,
    /// Start of the idle time before.
    pub(super) idle_since: MonotonicInstant,
    pub(super) began: MonotonicInstant,
    pub(super) end: MonotonicInstant,
    /// Duration of each job in nanoseconds; empty where the sampling drops it.
    pub(super) durations: Box<[u32]>,
    /// When and how the batch was sent, if this is its first run.
    pub(super) sent: Option<SentBatch>,
    pub(super) outcome: RunEnd,
}

#[derive(Debug)]
pub(super) enum RunEnd {
    Returned(ReceivedOutcomes),
    /// The worker exited; the job that was running, if any.
    Died(Option<u64>),
}

/// Receipt of outcomes.
#[derive(Debug)]
pub(super) struct ReceivedOutcomes {
    pub(super) at: MonotonicInstant,
    pub(super) bytes: u64,
    /// True if they were the last of their batch.
    pub(super) last: bool,
    /// Number of jobs that returned without an outcome.
    pub(super) returned_without_outcome: u64,
    pub(super) in_flight: Sample,
}

/// A value of a counter at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sample {
    pub(super) at: MonotonicInstant,
    pub(super) value: u64,
}

/// Outcomes as reported by the pool.
#[derive(Debug)]
pub(super) struct Outcomes {
    pub(super) batch: BatchId,
    pub(super) count: u64,
    pub(super) last: bool,
    pub(super) began: MonotonicInstant,
    pub(super) busy: Duration,
    /// Duration of each job in nanoseconds; empty if not measured.
    pub(super) durations: Vec<u32>,
    pub(super) bytes: u64,
    pub(super) at: MonotonicInstant,
}

impl BatchRun {
    /// Number of slices for it: itself, the idle time before it, its sending and receipt in the parent, and
    /// its jobs.
    pub(super) fn slices(&self) -> usize {
        3 + self.jobs.ranges().max(1) + self.durations.len()
    }
}

impl WorkerTrace {
    pub(super) fn new(starting: MonotonicInstant) -> WorkerTrace {
        WorkerTrace {
            pid: None,
            starting,
            ready: None,
            end: None,
            runs: Vec::new(),
            recalls: Vec::new(),
            lost: Vec::new(),
            open: Vec::new(),
            idle_since: starting,
        }
    }

    pub(super) fn note_ready(&mut self, pid: u32, at: MonotonicInstant) {
        (self.pid, self.ready, self.idle_since) = (Some(pid), Some(at), at);
    }

    /// Records that a batch was sent. For a batch sent after the exit, the time of the exit counts.
    pub(super) fn note_sent(&mut self, jobs: JobNumbers, mut sent: SentBatch) {
        match &self.end {
            Some(end) => {
                sent.at = sent.at.min(end.at);
                self.lost.push(sent);
            }
            None => {
                let batch = sent.batch;
                self.open.push(OpenBatch { batch, left: jobs, sent: Some(sent), returned: 0 });
            }
        }
    }

    /// Number of jobs that these outcomes remove from the jobs in flight, including those without an outcome.
    pub(super) fn would_end(&self, batch: BatchId, count: u64, last: bool) -> Option<u64> {
        let open = self.open.iter().find(|open| open.batch == batch)?;
        Some(if last { open.left.count() } else { open.left.count().min(count) })
    }

    /// Records outcomes; `in_flight` is the number of jobs in flight after them. Times reported by the worker
    /// are clamped to the possible range.
    pub(super) fn note_returned(&mut self, outcomes: Outcomes, in_flight: Sample) -> Option<BatchRun> {
        let place = self.open.iter().position(|open| open.batch == outcomes.batch)?;
        let open = &mut self.open[place];
        let (jobs, sent) = (open.left.take_first(outcomes.count), open.sent.take());
        open.returned += jobs.count();
        let returned_without_outcome = if outcomes.last { self.open.remove(place).left.count() } else { 0 };
        let began = outcomes.began.max(self.idle_since).min(outcomes.at);
        let end = (began + outcomes.busy).min(outcomes.at);
        let idle_since = std::mem::replace(&mut self.idle_since, end);
        let Outcomes { batch, at, bytes, last, durations, .. } = outcomes;
        let durations = if durations.len() as u64 == jobs.count() { durations } else { Vec::new() }.into();
        let outcome =
            RunEnd::Returned(ReceivedOutcomes { at, bytes, last, returned_without_outcome, in_flight });
        Some(BatchRun { batch, jobs, idle_since, began, end, durations, sent, outcome })
    }

    /// Records the exit of the worker; returns the number of its jobs that were in flight. The batch that was
    /// running becomes a run.
    pub(super) fn note_gone(
        &mut self,
        end: WorkerEnd,
        running: Option<(BatchId, u64)>,
        kept: Option<(BatchId, u64)>,
    ) -> u64 {
        let in_flight = self.open.iter().map(|open| open.left.count()).sum();
        let at = end.at;
        self.end = Some(end);
        for mut open in std::mem::take(&mut self.open) {
            let of_this = |place: Option<(BatchId, u64)>| place.filter(|(batch, _)| *batch == open.batch);
            let (running, kept) = (of_this(running), of_this(kept));
            let died_in = running.and_then(|(_, place)| {
                let place = usize::try_from(place.checked_sub(open.returned)?).ok()?;
                open.left.iter().nth(place)
            });
            let sent = open.sent.take();
            if running.is_none() && kept.is_none() {
                self.lost.extend(sent);
                continue;
            }
            let jobs = open.left.take_first(kept.map_or(0, |(_, count)| count));
            let sent_at = sent.as_ref().map_or(self.idle_since, |sent| sent.at);
            let began = self.idle_since.max(sent_at).min(at);
            let idle_since = std::mem::replace(&mut self.idle_since, at);
            let (durations, outcome) = (Box::default(), RunEnd::Died(died_in));
            self.runs.push(BatchRun {
                batch: open.batch,
                jobs,
                idle_since,
                began,
                end: at,
                durations,
                sent,
                outcome,
            });
        }
        in_flight
    }

    /// Drops what the sampling does not keep. Runs in which the worker exited are kept.
    pub(super) fn thin(&mut self, sampling: &Sampling) {
        self.runs.retain(|run| sampling.keeps(run.batch) || matches!(run.outcome, RunEnd::Died(_)));
        for run in self.runs.iter_mut().filter(|run| !sampling.keeps_jobs_of(run.batch)) {
            run.durations = Box::default();
        }
    }
}
