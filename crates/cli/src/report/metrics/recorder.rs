//! Records what the metrics count, as it happens.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use ops::Builtin;
use parking_lot::Mutex;
use pool::{
    metrics::{BatchId, Observer, PoolEvent, WorkerId},
    stream::{Resolved, Sink},
};

use super::histogram::Histogram;
use crate::{
    output::{Layout, OutcomeKind},
    parse::{DefinedOp, Op},
};

/// Index of an op in the list of all ops.
type OpIndex = usize;

/// Recorder of the outcomes and durations of jobs, by op, and of the events of workers. Used only with
/// `--metrics`, because it keeps the op of each job in flight.
pub(crate) struct MetricsRecorder {
    names: Vec<&'static str>,
    layout: Layout,
    state: Mutex<Recorded>,
}

/// What was recorded so far.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    /// Ops of the jobs without an outcome, by position.
    in_flight: HashMap<u64, OpIndex>,
    ops: Vec<OpRecord>,
    workers: WorkerEvents,
    /// Workers that have not exited.
    live: HashSet<WorkerId>,
    /// Worker and ops of the jobs without an outcome of each batch.
    batches: HashMap<BatchId, (WorkerId, VecDeque<OpIndex>)>,
}

/// What was recorded of the jobs of one op.
#[derive(Clone, Debug, Default)]
pub(super) struct OpRecord {
    pub(super) by_kind: [u64; OutcomeKind::ALL.len()],
    pub(super) durations: Histogram,
}

/// Numbers of events of workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WorkerEvents {
    pub(super) starts: u64,
    /// Starts that replaced an earlier worker.
    pub(super) restarts: u64,
    pub(super) failed_starts: u64,
    /// Exits that the pool did not ask for, or enforced because of a limit.
    pub(super) crashes: u64,
}

impl MetricsRecorder {
    pub(crate) fn new(defined: &'static [DefinedOp], layout: Layout) -> MetricsRecorder {
        let names: Vec<&'static str> = Op::names(defined).collect();
        let ops = vec![OpRecord::default(); names.len()];
        MetricsRecorder { names, layout, state: Mutex::new(Recorded { ops, ..Recorded::default() }) }
    }

    /// Registers a job that will be submitted at this position.
    pub(crate) fn expect(&self, position: u64, op: Op) {
        if let Some(op) = self.names.iter().position(|&name| name == op.name()) {
            self.state.lock().in_flight.insert(position, op);
        }
    }

    /// Returns a sink that counts outcomes and passes them on.
    pub(crate) fn sink(self: &Arc<Self>, next: Arc<dyn Sink<Builtin>>) -> Arc<dyn Sink<Builtin>> {
        Arc::new(CountingSink { recorder: self.clone(), next })
    }

    /// Returns the ops that had jobs, with their names, and the events of workers.
    pub(super) fn recorded(&self) -> (Vec<(&'static str, OpRecord)>, WorkerEvents) {
        let state = self.state.lock();
        let is_used =
            |record: &OpRecord| record.durations.count() > 0 || record.by_kind.iter().any(|&count| count > 0);
        let ops = self.names.iter().copied().zip(state.ops.iter().cloned());
        (ops.filter(|(_, record)| is_used(record)).collect(), state.workers)
    }

    fn count(&self, resolved: &[Resolved<Builtin>]) {
        // Rendered without the lock; only failures are.
        let kind_of = |job: &Resolved<Builtin>| match &job.outcome {
            Ok(_) => OutcomeKind::Succeeded,
            failed => self.layout.body(failed).kind,
        };
        let kinds: Vec<OutcomeKind> = resolved.iter().map(kind_of).collect();
        let state = &mut *self.state.lock();
        for (job, kind) in resolved.iter().zip(kinds) {
            if let Some(op) = state.in_flight.remove(&job.tag) {
                state.ops[op].by_kind[kind as usize] += 1;
            }
        }
    }
}

impl Recorded {
    fn note_sent(&mut self, worker: WorkerId, batch: BatchId, jobs: impl Iterator<Item = u64>) {
        // A batch can be sent to a worker that has exited.
        if self.live.contains(&worker) {
            let ops = jobs.filter_map(|position| self.in_flight.get(&position).copied()).collect();
            self.batches.insert(batch, (worker, ops));
        }
    }

    fn note_durations(&mut self, batch: BatchId, durations: Vec<Duration>, last: bool) {
        if let Some((_, ops)) = self.batches.get_mut(&batch) {
            let count = durations.len().min(ops.len());
            for (op, duration) in ops.drain(..count).zip(durations) {
                self.ops[op].durations.add(duration);
            }
        }
        if last {
            self.batches.remove(&batch);
        }
    }

    fn note_exit(&mut self, worker: WorkerId) {
        self.live.remove(&worker);
        self.batches.retain(|_, (owner, _)| *owner != worker);
    }
}

impl Observer for MetricsRecorder {
    fn on_event(&self, event: &PoolEvent) {
        let state = &mut *self.state.lock();
        match event {
            PoolEvent::WorkerStarting { worker, .. } => {
                state.live.insert(*worker);
                state.workers.starts += 1;
                state.workers.restarts += u64::from(worker.generation > 0);
            }
            PoolEvent::WorkerStartFailed { worker, .. } => {
                state.workers.failed_starts += 1;
                state.note_exit(*worker);
            }
            PoolEvent::BatchSent { worker, batch, jobs, .. } => {
                state.note_sent(*worker, *batch, jobs.iter().cloned().flatten());
            }
            PoolEvent::OutcomesReceived { batch, outcomes, last, busy, durations, .. } => {
                let durations = spread(durations.as_deref().unwrap_or_default(), *outcomes, *busy);
                state.note_durations(*batch, durations, *last);
            }
            PoolEvent::WorkerExited { worker, expected, .. } => {
                state.workers.crashes += u64::from(!expected);
                state.note_exit(*worker);
            }
            _ => {}
        }
    }
}

/// Returns the durations of jobs that took `busy` together. Measured durations are capped at the range of
/// their type; those at the cap share the time that the others leave.
fn spread(measured: &[u32], outcomes: u64, busy: Duration) -> Vec<Duration> {
    if outcomes == 1 {
        return vec![busy];
    }
    let short: u64 = measured.iter().filter(|&&ns| ns < u32::MAX).map(|&ns| u64::from(ns)).sum();
    let capped = measured.iter().filter(|&&ns| ns == u32::MAX).count();
    let rest = busy.saturating_sub(Duration::from_nanos(short)) / u32::try_from(capped.max(1)).unwrap_or(1);
    let duration = |&ns: &u32| if ns == u32::MAX { rest } else { Duration::from_nanos(ns.into()) };
    measured.iter().map(duration).collect()
}

struct CountingSink {
    recorder: Arc<MetricsRecorder>,
    next: Arc<dyn Sink<Builtin>>,
}

impl Sink<Builtin> for CountingSink {
    fn resolve(&self, resolved: Vec<Resolved<Builtin>>) {
        self.recorder.count(&resolved);
        self.next.resolve(resolved);
    }
}

#[cfg(test)]
mod tests {
    use pool::{
        JobError,
        error::{Death, DeathCause},
        metrics::MonotonicInstant,
    };

    use super::*;

    const AT: MonotonicInstant = MonotonicInstant(0);
    const WORKER: WorkerId = WorkerId { slot: 0, generation: 1 };

    struct Discard;

    impl Sink<Builtin> for Discard {
        fn resolve(&self, _: Vec<Resolved<Builtin>>) {}
    }

    fn recorder() -> Arc<MetricsRecorder> {
        let recorder = MetricsRecorder::new(&[], Layout::Records);
        recorder.on_event(&PoolEvent::WorkerStarting { worker: WORKER, at: AT });
        Arc::new(recorder)
    }

    fn sent(batch: u64, jobs: std::ops::RangeInclusive<u64>) -> PoolEvent {
        let (batch, jobs, ids) = (BatchId(batch), vec![jobs], Vec::new());
        PoolEvent::BatchSent { worker: WORKER, batch, jobs, ids, bytes: 1, at: AT }
    }

    fn received(batch: u64, durations: Vec<u32>, busy: Duration, last: bool) -> PoolEvent {
        PoolEvent::OutcomesReceived {
            worker: WORKER,
            batch: BatchId(batch),
            outcomes: durations.len() as u64,
            last,
            started: AT,
            busy,
            durations: Some(durations),
            bytes: 1,
            at: AT,
        }
    }

    fn exited(expected: bool) -> PoolEvent {
        PoolEvent::WorkerExited {
            worker: WORKER,
            death: Death { pid: 7, cause: DeathCause::Signalled(9) },
            expected,
            cause: "killed".into(),
            running: None,
            recovered: None,
            at: AT,
        }
    }

    #[test]
    fn durations_and_outcomes_are_counted_by_op() {
        let recorder = recorder();
        (0..4).for_each(|position| recorder.expect(position, if position == 1 { Op::Sum } else { Op::Gcd }));
        recorder.on_event(&sent(5, 0..=3));
        recorder.on_event(&received(5, vec![10, 20], Duration::from_nanos(30), false));
        recorder.on_event(&received(5, vec![40], Duration::from_nanos(40), true));
        let cancelled = |tag| Resolved { tag, outcome: Err(JobError::Cancelled) };
        recorder.sink(Arc::new(Discard)).resolve((0..4).map(cancelled).collect());
        let (ops, workers) = recorder.recorded();
        let durations: Vec<_> =
            ops.iter().map(|(name, op)| (*name, op.durations.count(), op.durations.sum())).collect();
        assert_eq!(durations, [("gcd", 2, 5e-8), ("sum", 1, 2e-8)]);
        let cancelled: Vec<u64> =
            ops.iter().map(|(_, op)| op.by_kind[OutcomeKind::Cancelled as usize]).collect();
        assert_eq!(cancelled, [3, 1]);
        assert_eq!(workers, WorkerEvents { starts: 1, restarts: 1, ..WorkerEvents::default() });
        assert!(recorder.state.lock().in_flight.is_empty() && recorder.state.lock().batches.is_empty());
    }

    #[test]
    fn batches_of_workers_that_exited_are_forgotten() {
        let recorder = recorder();
        recorder.expect(0, Op::Sum);
        recorder.on_event(&sent(1, 0..=0));
        recorder.on_event(&exited(false));
        recorder.on_event(&sent(2, 0..=0));
        recorder.on_event(&received(1, vec![7], Duration::from_nanos(7), true));
        assert!(recorder.state.lock().batches.is_empty());
        let (ops, workers) = recorder.recorded();
        assert!(ops.is_empty());
        assert_eq!(workers.crashes, 1);
    }

    #[test]
    fn durations_beyond_the_range_are_the_remaining_time() {
        let seconds = Duration::from_secs;
        assert_eq!(spread(&[u32::MAX], 1, seconds(90)), [seconds(90)]);
        let measured = [1_000_000_000, u32::MAX, u32::MAX];
        assert_eq!(spread(&measured, 3, seconds(21)), [1, 10, 10].map(seconds));
        assert!(spread(&[], 2, seconds(1)).is_empty(), "not measured");
    }
}
