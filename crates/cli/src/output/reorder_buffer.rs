//! Keeps the window of the results, and the run within bounds.
//!
//! A job enters when it is read and leaves when its record has been written. Between the two it takes memory,
//! for its text, its outcome, and its place in the window; so entering waits while there is too much of that.
//! A reader of the output who is slow thereby slows down the reading of the input.

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
use pool::{JobError, Resolved, Sink, Stage};

use super::{
    FailureReport, Layout,
    counts::Counts,
    record::{RecordBody, cancelled_body},
    rendered::Rendered,
    window::ReorderWindow,
};
use crate::{
    plan::{BufferLimits, Plan},
    run::{MAX_PARSERS, RunEvent, StopReason},
    thread_timers::ThreadTimers,
};

/// Returns the name of a job that enters, and the bytes of its text, given its index.
pub(crate) type Entering<'a> = &'a mut dyn FnMut(usize) -> (Option<Box<str>>, usize);

/// Takes jobs in and records out.
///
/// Its lock is taken once for the jobs of a chunk of the input, twice for the outcomes that a worker sends
/// together, and once for the lines that are ready: never for a single job, where there are more.
pub(crate) struct ReorderBuffer {
    state: Mutex<BufferState>,
    /// Signalled when there is room for other jobs, or never will be.
    room: Condvar,
    /// Signalled when there is something to write, or never will be.
    ready: Condvar,
    layout: Layout,
    least_jobs: usize,
    most: BufferLimits,
    max_failures: Option<NonZeroU64>,
    failures: FailureReport,
    events: Sender<RunEvent>,
    /// Records that have been written.
    written: AtomicU64,
    timers: Arc<ThreadTimers>,
}

struct BufferState {
    window: ReorderWindow,
    /// Jobs that did not succeed in this run.
    failures: u64,
    /// No more jobs enter.
    closed: bool,
    failure_reported: bool,
    stop_reported: bool,
}

impl ReorderBuffer {
    /// A buffer for a run, which is to keep all of its workers busy.
    pub(crate) fn new(plan: &Plan, events: Sender<RunEvent>) -> Arc<ReorderBuffer> {
        let timers = ThreadTimers::new(plan.parsers.unwrap_or(MAX_PARSERS));
        let failures = FailureReport::new(plan);
        let most = (plan.buffer_limits(), plan.max_failures);
        ReorderBuffer::with((plan.layout, !plan.unordered), plan.workers, most, failures, (timers, events))
    }

    fn with(
        (layout, is_ordered): (Layout, bool),
        workers: usize,
        (most, max_failures): (BufferLimits, Option<NonZeroU64>),
        failures: FailureReport,
        (timers, events): (Arc<ThreadTimers>, Sender<RunEvent>),
    ) -> Arc<ReorderBuffer> {
        let window = ReorderWindow::new(is_ordered);
        let state =
            BufferState { window, failures: 0, closed: false, failure_reported: false, stop_reported: false };
        Arc::new(ReorderBuffer {
            state: state.into(),
            room: Condvar::new(),
            ready: Condvar::new(),
            layout,
            least_jobs: 4 * workers,
            most,
            max_failures,
            failures,
            events,
            written: AtomicU64::new(0),
            timers,
        })
    }

    /// Time accounting of the threads that bring jobs and take lines.
    pub(crate) fn thread_timers(&self) -> &Arc<ThreadTimers> {
        &self.timers
    }

    /// Takes in jobs, up to `count` of them, and gives them positions that follow each other. Waits until
    /// there is room for one; `None` when no more jobs are wanted.
    pub(crate) fn enter_all(&self, count: usize, job: Entering<'_>) -> Option<Range<u64>> {
        let mut state = self.state.lock();
        while !state.closed && !state.window.has_room(self.least_jobs, self.most) {
            self.timers.reader.lane().enter(Stage::Wait);
            self.room.wait(&mut state);
            self.timers.reader.lane().enter(Stage::Take);
        }
        self.enter(&mut state, count, job)
    }

    /// The same, but returns `None` where it would have to wait, too.
    pub(crate) fn try_enter_all(&self, count: usize, job: Entering<'_>) -> Option<Range<u64>> {
        self.enter(&mut self.state.lock(), count, job)
    }

    fn enter(&self, state: &mut BufferState, count: usize, job: Entering<'_>) -> Option<Range<u64>> {
        let first = state.window.next_position();
        for index in 0..count {
            if state.closed || !state.window.has_room(self.least_jobs, self.most) {
                break;
            }
            let (id, text_bytes) = job(index);
            state.window.enter(id, text_bytes);
        }
        let positions = first..state.window.next_position();
        (!positions.is_empty()).then_some(positions)
    }

    /// Records what became of the job at this position.
    pub(crate) fn settle(&self, position: u64, body: RecordBody) {
        let body = [(position, body)];
        self.count_failures(&body);
        self.settle_all(&body);
    }

    /// Records what became of the jobs at these positions.
    pub(crate) fn settle_all(&self, bodies: &[(u64, RecordBody)]) {
        let claims = self.state.lock().window.claim(bodies.iter().map(|&(position, _)| position));
        let rendered = Rendered::of_tails(bodies, claims, self.layout);
        self.add_lines(rendered);
    }

    /// Takes lines of jobs that were claimed.
    fn add_lines(&self, rendered: Rendered) {
        let mut state = self.state.lock();
        state.window.settle(rendered);
        self.notify(&state);
    }

    /// The executor cannot run jobs any more.
    pub(crate) fn broke(&self, cause: Arc<str>) {
        if !mem::replace(&mut self.state.lock().failure_reported, true) {
            // Nobody listens any more only when the run is over.
            let _ = self.events.send(RunEvent::PoolFailed(cause));
        }
    }

    /// No more jobs will enter, or may.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        self.room.notify_all();
        self.notify(&state);
    }

    /// Whether no more jobs may enter.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Gives every job that has no outcome the record of a cancelled job. What comes for them later is
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

    /// Counts records that have been written.
    pub(crate) fn note_written(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
    }

    /// Waits for lines and returns all that there are, in pieces; `None` when there will be no more.
    /// `written` bytes of those handed out before need no memory any more.
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
            self.timers.writer.lane().enter(Stage::Wait);
            self.ready.wait(&mut state);
            self.timers.writer.lane().enter(Stage::Merge);
        }
        Some(state.window.take_lines())
    }

    /// Counts the jobs that did not succeed in this run, and lets no more in when there are enough of them:
    /// as soon as they are known, which may be some time before they are settled.
    pub(crate) fn count_failures(&self, bodies: &[(u64, RecordBody)]) {
        let Some(most) = self.max_failures else { return };
        let failures = bodies.iter().filter(|(_, body)| body.is_failure()).count() as u64;
        if failures == 0 {
            return;
        }
        let mut state = self.state.lock();
        state.failures += failures;
        if state.failures >= most.get() && !mem::replace(&mut state.stop_reported, true) {
            state.closed = true;
            self.room.notify_all();
            let _ = self.events.send(RunEvent::Stop(StopReason::MaxFailures(most)));
        }
    }

    /// What a journal keeps of these outcomes, and why the executor gave up, if it did.
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

    /// Each wake-up of the intake costs as much as some dozens of short jobs, so it is for more than one.
    fn notify_reader(&self, state: &BufferState) {
        if state.window.has_much_room(self.least_jobs, self.most) {
            self.room.notify_all();
        }
    }
}

/// Why the executor gave up, if this is an outcome of that.
fn abandoned(job: &Resolved<Builtin>) -> Option<Arc<str>> {
    match &job.outcome {
        Err(JobError::Abandoned(cause)) => Some(cause.clone()),
        _ => None,
    }
}

impl BufferState {
    /// Whether nothing will be written any more, besides what is ready.
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
        // Before the records: with the last one of them the run ends, and hears nothing more.
        if let Some(cause) = abandoned {
            self.broke(cause);
        }
        self.add_lines(rendered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{OutcomeKind, record::outcome_body};
    use ops::Value;
    use std::sync::mpsc::channel;

    fn body(number: u64) -> RecordBody {
        outcome_body(&Ok(Value::Natural(number.into())))
    }

    fn buffer(ordered: bool) -> Arc<ReorderBuffer> {
        let most = (BufferLimits { jobs: 8_192, bytes: 24 << 20 }, None);
        let report = FailureReport::default();
        ReorderBuffer::with((Layout::Records, ordered), 1, most, report, (ThreadTimers::new(0), channel().0))
    }

    fn enter(buffer: &ReorderBuffer, id: Option<&str>, text_bytes: usize) -> u64 {
        buffer.enter_all(1, &mut |_| (id.map(Box::from), text_bytes)).unwrap().start
    }

    fn lines(buffer: &ReorderBuffer) -> Vec<String> {
        let bytes = buffer.take_lines(0).unwrap_or_default().concat();
        String::from_utf8(bytes).unwrap().lines().map(|line| line[..7].to_owned()).collect()
    }

    #[test]
    fn records_leave_in_the_order_of_their_jobs() {
        let buffer = buffer(true);
        let positions: Vec<u64> = (0..3).map(|_| enter(&buffer, None, 1)).collect();
        buffer.settle(positions[2], body(2));
        buffer.settle(positions[0], body(0));
        assert_eq!(lines(&buffer), ["{\"id\":0"]);
        buffer.settle(positions[1], body(1));
        buffer.settle(positions[1], body(9));
        assert_eq!(lines(&buffer), ["{\"id\":1", "{\"id\":2"]);
        assert_eq!(buffer.counts().of(OutcomeKind::Succeeded), 3);
        buffer.close();
        assert!(lines(&buffer).is_empty());
    }

    #[test]
    fn outcomes_that_come_together_are_put_into_order() {
        let buffer = buffer(true);
        let name = |index: usize| (index == 4).then(|| "\"x\"".into());
        assert_eq!(buffer.enter_all(6, &mut |index| (name(index), 1)), Some(0..6));
        let resolve = |tags: &[u64]| {
            let outcome = |&tag: &u64| Resolved { tag, outcome: Ok(Value::Natural(tag.into())) };
            buffer.resolve(tags.iter().map(outcome).collect());
        };
        // Two runs, one of which has an outcome already the second time; the last job never entered.
        resolve(&[1, 4, 5]);
        resolve(&[0, 1, 9]);
        assert_eq!(lines(&buffer), ["{\"id\":0", "{\"id\":1"]);
        resolve(&[2, 3]);
        assert_eq!(lines(&buffer), ["{\"id\":2", "{\"id\":3", "{\"id\":\"", "{\"id\":5"]);
        assert_eq!(buffer.counts().of(OutcomeKind::Succeeded), 6);
        let lines = 6 * "{\"id\":0,\"ok\":true,\"result\":0}\n".len();
        assert_eq!(buffer.state.lock().window.held(), lines + "\"x\"".len() - "4".len());
    }

    #[test]
    fn as_many_jobs_enter_as_there_is_room_for() {
        let most = (BufferLimits { jobs: 5, bytes: 1 << 30 }, None);
        let report = FailureReport::default();
        let rest = (ThreadTimers::new(0), channel().0);
        let buffer = ReorderBuffer::with((Layout::Records, true), 1, most, report, rest);
        let enter = |count| buffer.try_enter_all(count, &mut |_| (None, 1));
        assert_eq!(enter(3), Some(0..3));
        assert_eq!(enter(3), Some(3..5));
        assert_eq!(enter(3), None);
        buffer.settle(0, body(0));
        assert_eq!(enter(3), Some(5..6));
        buffer.close();
        assert_eq!(enter(1), None);
    }

    #[test]
    fn without_order_they_leave_at_once_under_their_names() {
        let buffer = buffer(false);
        enter(&buffer, None, 1);
        let named = enter(&buffer, Some("\"b\""), 1);
        buffer.settle(named, body(1));
        assert_eq!(lines(&buffer), ["{\"id\":\""]);
        buffer.close();
        buffer.cancel_rest();
        assert_eq!(buffer.counts().of(OutcomeKind::Cancelled), 1);
        assert_eq!(lines(&buffer), ["{\"id\":0"]);
        assert!(lines(&buffer).is_empty());
    }

    #[test]
    fn nothing_enters_a_closed_collector() {
        let buffer = buffer(true);
        buffer.close();
        assert_eq!(buffer.enter_all(1, &mut |_| (None, 1)), None);
    }

    #[test]
    fn what_is_held_is_what_is_there() {
        for ordered in [true, false] {
            let buffer = buffer(ordered);
            let name = |n: u64| n.is_multiple_of(2).then_some("\"a name\"");
            (0..10).for_each(|n| assert_eq!(enter(&buffer, name(n), 100), n));
            (0..10).rev().for_each(|n| buffer.settle(n, body(n)));
            let bytes = buffer.take_lines(0).unwrap().concat();
            assert_eq!(buffer.state.lock().window.held(), bytes.len());
            buffer.close();
            assert!(buffer.take_lines(bytes.len()).is_none());
            assert_eq!(buffer.state.lock().window.held(), 0);
        }
    }
}
