//! The reorder buffer, which keeps records in input order and bounds the memory of a run.
//!
//! A job enters when it is read and leaves when its record has been written. In between it takes memory for
//! its text, its outcome and its slot, so entering blocks while there is too much of that. This is the
//! backpressure of a run: a slow reader of the output slows down reading of the input.

use std::{
    mem,
    num::NonZeroU64,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::Sender,
    },
};

use ops::Builtin;
use parking_lot::{Condvar, Mutex};
use pool::{
    JobError,
    metrics::Stage,
    stream::{Resolved, Sink},
};

use super::{
    BufferLimits, BufferSettings, FailureReport, Layout,
    counts::Counts,
    record::{RecordBody, cancelled_body},
    rendered::Rendered,
    window::ReorderWindow,
};
use crate::{
    event::{RunEvent, StopReason},
    thread_timers::ThreadTimers,
};

/// Function that returns the id of an entering job and the size of its text in bytes, given its index.
pub(crate) type Entering<'a> = &'a mut dyn FnMut(usize) -> (Option<Box<str>>, usize);

/// Sink of outcomes that returns their records in order.
///
/// The lock is taken once for the jobs of an input chunk, twice for the outcomes that a worker sends
/// together, and once for all lines that are ready. It is taken for a single job only where there is only
/// one.
pub(crate) struct ReorderBuffer {
    state: Mutex<BufferState>,
    /// Notified when there is room for jobs, or the buffer is closed.
    room: Condvar,
    /// Notified when there are lines to write, or there will be none.
    ready: Condvar,
    layout: Layout,
    min_jobs: usize,
    limits: BufferLimits,
    max_failures: Option<NonZeroU64>,
    failures: FailureReport,
    events: Sender<RunEvent>,
    /// Number of records that have been written.
    written: AtomicU64,
    timers: Arc<ThreadTimers>,
}

struct BufferState {
    window: ReorderWindow,
    /// Number of jobs that did not succeed in this run.
    failures: u64,
    /// Whether no more jobs may enter.
    closed: bool,
    failure_reported: bool,
    stop_reported: bool,
}

impl ReorderBuffer {
    /// Creates the buffer of a run, with room to keep all workers busy.
    pub(crate) fn new(
        settings: BufferSettings,
        failures: FailureReport,
        timers: Arc<ThreadTimers>,
        events: Sender<RunEvent>,
    ) -> Arc<ReorderBuffer> {
        let BufferSettings { layout, is_ordered, workers, limits, max_failures } = settings;
        let window = ReorderWindow::new(is_ordered);
        let state =
            BufferState { window, failures: 0, closed: false, failure_reported: false, stop_reported: false };
        Arc::new(ReorderBuffer {
            state: state.into(),
            room: Condvar::new(),
            ready: Condvar::new(),
            layout,
            min_jobs: 4 * workers,
            limits,
            max_failures,
            failures,
            events,
            written: AtomicU64::new(0),
            timers,
        })
    }

    /// Stage timers of the threads of the run.
    pub(crate) fn thread_timers(&self) -> &Arc<ThreadTimers> {
        &self.timers
    }

    /// Adds up to `count` jobs and returns their consecutive positions. Blocks until there is room for at
    /// least one; returns `None` when the buffer is closed.
    pub(crate) fn enter_all(&self, count: usize, job: Entering<'_>) -> Option<Range<u64>> {
        let mut state = self.state.lock();
        while !state.closed && !state.window.has_room(self.min_jobs, self.limits) {
            self.timers.reader.timer().enter(Stage::Wait);
            self.room.wait(&mut state);
            self.timers.reader.timer().enter(Stage::Read);
        }
        self.enter(&mut state, count, job)
    }

    /// Like [`enter_all`](Self::enter_all), but returns `None` instead of blocking.
    pub(crate) fn try_enter_all(&self, count: usize, job: Entering<'_>) -> Option<Range<u64>> {
        self.enter(&mut self.state.lock(), count, job)
    }

    fn enter(&self, state: &mut BufferState, count: usize, job: Entering<'_>) -> Option<Range<u64>> {
        let first = state.window.next_position();
        for index in 0..count {
            if state.closed || !state.window.has_room(self.min_jobs, self.limits) {
                break;
            }
            let (id, text_bytes) = job(index);
            state.window.enter(id, text_bytes);
        }
        let positions = first..state.window.next_position();
        (!positions.is_empty()).then_some(positions)
    }

    /// Adds the record of the job at this position.
    pub(crate) fn settle(&self, position: u64, body: RecordBody) {
        let body = [(position, body)];
        self.count_failures(&body);
        self.settle_all(&body);
    }

    /// Adds the records of the jobs at these positions.
    pub(crate) fn settle_all(&self, bodies: &[(u64, RecordBody)]) {
        let claims = self.state.lock().window.claim(bodies.iter().map(|&(position, _)| position));
        let rendered = Rendered::of_bodies(bodies, claims, self.layout);
        self.add_lines(rendered);
    }

    /// Adds the lines of claimed jobs.
    fn add_lines(&self, rendered: Rendered) {
        let mut state = self.state.lock();
        state.window.settle(rendered);
        self.notify(&state);
    }

    /// Reports, once, that the executor cannot run jobs any more.
    pub(crate) fn report_failure(&self, cause: Arc<str>) {
        if !mem::replace(&mut self.state.lock().failure_reported, true) {
            // Sending fails only when the run is over.
            let _ = self.events.send(RunEvent::PoolFailed(cause));
        }
    }

    /// Closes the buffer: no more jobs may enter.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        self.room.notify_all();
        self.notify(&state);
    }

    /// Returns whether no more jobs may enter.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Gives every job without an outcome the record of a cancelled job. Later outcomes of these jobs are
    /// dropped.
    pub(crate) fn cancel_rest(&self) {
        let open = self.state.lock().window.open();
        let cancelled: Vec<_> = open.into_iter().map(|position| (position, cancelled_body())).collect();
        self.settle_all(&cancelled);
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = self.state.lock().window.counts();
        counts.written = self.written.load(Ordering::Relaxed);
        counts
    }

    /// Returns the `id` of a job that has no outcome yet, as it was written; `None` if it has none.
    pub(crate) fn id_of(&self, position: u64) -> Option<Box<str>> {
        self.state.lock().window.id_of(position)
    }

    /// Counts records that have been written.
    pub(crate) fn note_written(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
    }

    /// Waits for lines and returns all that are ready, in pieces; `None` when there will be no more. Releases
    /// `written` bytes of lines returned earlier.
    pub(crate) fn take_lines(&self, written: usize) -> Option<Vec<Vec<u8>>> {
        let mut state = self.state.lock();
        if written > 0 {
            state.window.note_written(written);
            self.notify_reader(&state);
        }
        while !state.window.has_lines() {
            if state.is_over() {
                return None;
            }
            self.timers.writer.timer().enter(Stage::Wait);
            self.ready.wait(&mut state);
            self.timers.writer.timer().enter(Stage::Merge);
        }
        Some(state.window.take_lines())
    }

    /// Counts the jobs that did not succeed in this run, and closes the buffer when there are `max_failures`.
    /// Failures count as soon as they are known, which may be before they are settled.
    pub(crate) fn count_failures(&self, bodies: &[(u64, RecordBody)]) {
        let Some(max) = self.max_failures else { return };
        let failures = bodies.iter().filter(|(_, body)| body.is_failure()).count() as u64;
        if failures == 0 {
            return;
        }
        let mut state = self.state.lock();
        state.failures += failures;
        if state.failures >= max.get() && !mem::replace(&mut state.stop_reported, true) {
            state.closed = true;
            self.room.notify_all();
            let _ = self.events.send(RunEvent::Stop(StopReason::MaxFailures(max)));
        }
    }

    /// Returns the record bodies of outcomes for the journal, and why the executor failed, if it did.
    pub(crate) fn record_bodies(
        &self,
        resolved: &[Resolved<Builtin>],
    ) -> (Vec<(u64, RecordBody)>, Option<Arc<str>>) {
        let bodies: Vec<(u64, RecordBody)> =
            resolved.iter().map(|job| (job.tag, self.layout.body(&job.outcome))).collect();
        self.failures.report(&bodies);
        (bodies, resolved.iter().find_map(abandoned))
    }

    fn notify(&self, state: &BufferState) {
        if state.window.has_lines() || state.is_over() {
            self.ready.notify_all();
        }
        self.notify_reader(state);
    }

    /// Waking the reader thread costs as much as some dozens of short jobs, so it is woken only for many
    /// jobs.
    fn notify_reader(&self, state: &BufferState) {
        if state.window.has_much_room(self.min_jobs, self.limits) {
            self.room.notify_all();
        }
    }
}

/// Returns why the executor failed, if this outcome is a consequence of that.
fn abandoned(job: &Resolved<Builtin>) -> Option<Arc<str>> {
    match &job.outcome {
        Err(JobError::Broken(cause)) => Some(cause.clone()),
        _ => None,
    }
}

impl BufferState {
    /// Returns whether nothing will be written besides the lines that are ready.
    fn is_over(&self) -> bool {
        self.closed && self.window.is_empty()
    }
}

impl Sink<Builtin> for ReorderBuffer {
    fn resolve(&self, resolved: Vec<Resolved<Builtin>>) {
        let claims = self.state.lock().window.claim(resolved.iter().map(|job| job.tag));
        let (rendered, failed) = Rendered::of_outcomes(&resolved, claims, self.layout);
        let abandoned = if failed.is_empty() { None } else { resolved.iter().find_map(abandoned) };
        drop(resolved);
        self.failures.report(&failed);
        self.count_failures(&failed);
        // Before the records: after the last record the coordinator stops receiving events.
        if let Some(cause) = abandoned {
            self.report_failure(cause);
        }
        self.add_lines(rendered);
    }
}

#[cfg(test)]
mod tests;
