//! Keeps the order of the results, and the run within bounds.
//!
//! A job enters when it is read and leaves when its record has been written. Between the two it takes memory, for
//! its text, its outcome, and its place in the order; so entering waits while there is too much of that. A reader
//! of the output who is slow thereby slows down the reading of the input.

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
    order::Order,
    record::{Tail, cancelled_tail},
    rendered::Rendered,
};
use crate::{
    lanes::Lanes,
    plan::{Bounds, Plan},
    run::{Enough, MAX_PARSERS, News},
};

/// Returns the name of a job that enters, and the bytes of its text, given its index.
pub(crate) type Entering<'a> = &'a mut dyn FnMut(usize) -> (Option<Box<str>>, usize);

/// Takes jobs in and records out.
///
/// Its lock is taken once for the jobs of a chunk of the input, twice for the outcomes that a worker sends together, and
/// once for the lines that are ready: never for a single job, where there are more.
pub(crate) struct Collector {
    state: Mutex<State>,
    /// Signalled when there is room for other jobs, or never will be.
    room: Condvar,
    /// Signalled when there is something to write, or never will be.
    ready: Condvar,
    layout: Layout,
    least_jobs: usize,
    most: Bounds,
    max_failures: Option<NonZeroU64>,
    failures: FailureReport,
    news: Sender<News>,
    /// Records that have been written.
    written: AtomicU64,
    lanes: Arc<Lanes>,
}

struct State {
    order: Order,
    /// Jobs that did not succeed in this run.
    failures: u64,
    /// No more jobs enter.
    closed: bool,
    told_broken: bool,
    told_enough: bool,
}

impl Collector {
    /// A collector for a run, which is to keep all of its workers busy.
    pub(crate) fn new(plan: &Plan, news: Sender<News>) -> Arc<Collector> {
        let lanes = Lanes::new(plan.parsers.unwrap_or(MAX_PARSERS));
        let failures = FailureReport::new(plan);
        let most = (plan.bounds(), plan.max_failures);
        Collector::with((plan.layout, !plan.unordered), plan.workers, most, failures, (lanes, news))
    }

    fn with(
        (layout, is_ordered): (Layout, bool),
        workers: usize,
        (most, max_failures): (Bounds, Option<NonZeroU64>),
        failures: FailureReport,
        (lanes, news): (Arc<Lanes>, Sender<News>),
    ) -> Arc<Collector> {
        let order = Order::new(is_ordered);
        let state = State { order, failures: 0, closed: false, told_broken: false, told_enough: false };
        Arc::new(Collector {
            state: state.into(),
            room: Condvar::new(),
            ready: Condvar::new(),
            layout,
            least_jobs: 4 * workers,
            most,
            max_failures,
            failures,
            news,
            written: AtomicU64::new(0),
            lanes,
        })
    }

    /// Time accounting of the threads that bring jobs and take lines.
    pub(crate) fn lanes(&self) -> &Arc<Lanes> {
        &self.lanes
    }

    /// Takes in jobs, up to `count` of them, and gives them positions that follow each other. Waits until there is room for
    /// one; `None` when no more jobs are wanted.
    pub(crate) fn enter_all(&self, count: usize, job: Entering<'_>) -> Option<Range<u64>> {
        let mut state = self.state.lock();
        while !state.closed && !state.order.has_room(self.least_jobs, self.most) {
            self.lanes.intake.lane().enter(Stage::Wait);
            self.room.wait(&mut state);
            self.lanes.intake.lane().enter(Stage::Take);
        }
        self.enter(&mut state, count, job)
    }

    /// The same, but returns `None` where it would have to wait, too.
    pub(crate) fn try_enter_all(&self, count: usize, job: Entering<'_>) -> Option<Range<u64>> {
        self.enter(&mut self.state.lock(), count, job)
    }

    fn enter(&self, state: &mut State, count: usize, job: Entering<'_>) -> Option<Range<u64>> {
        let first = state.order.next_position();
        for index in 0..count {
            if state.closed || !state.order.has_room(self.least_jobs, self.most) {
                break;
            }
            let (id, text_bytes) = job(index);
            state.order.enter(id, text_bytes);
        }
        let positions = first..state.order.next_position();
        (!positions.is_empty()).then_some(positions)
    }

    /// Records what became of the job at this position.
    pub(crate) fn settle(&self, position: u64, tail: Tail) {
        let tail = [(position, tail)];
        self.count_failures(&tail);
        self.settle_all(&tail);
    }

    /// Records what became of the jobs at these positions.
    pub(crate) fn settle_all(&self, tails: &[(u64, Tail)]) {
        let claims = self.state.lock().order.claim(tails.iter().map(|&(position, _)| position));
        let rendered = Rendered::of_tails(tails, claims, self.layout);
        self.take(rendered);
    }

    /// Takes lines of jobs that were claimed.
    fn take(&self, rendered: Rendered) {
        let mut state = self.state.lock();
        state.order.settle(rendered);
        self.tell(&state);
    }

    /// The executor cannot run jobs any more.
    pub(crate) fn broke(&self, cause: Arc<str>) {
        if !mem::replace(&mut self.state.lock().told_broken, true) {
            // Nobody listens any more only when the run is over.
            let _ = self.news.send(News::Broken(cause));
        }
    }

    /// No more jobs will enter, or may.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        self.room.notify_all();
        self.tell(&state);
    }

    /// Whether no more jobs may enter.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Gives every job that has no outcome the record of a cancelled job. What comes for them later is dropped.
    pub(crate) fn cancel_rest(&self) {
        let open = self.state.lock().order.open();
        let cancelled: Vec<_> = open.into_iter().map(|position| (position, cancelled_tail())).collect();
        self.settle_all(&cancelled);
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = self.state.lock().order.counts();
        counts.written = self.written.load(Ordering::Relaxed);
        counts
    }

    /// Counts records that have been written.
    pub(crate) fn note_written(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
    }

    /// Waits for lines and returns all that there are, in pieces; `None` when there will be no more. `written` bytes of those
    /// handed out before need no memory any more.
    pub(crate) fn take_lines(&self, written: usize) -> Option<Vec<Vec<u8>>> {
        let mut state = self.state.lock();
        if written > 0 {
            state.order.note_written(written);
            self.tell_of_room(&state);
        }
        while !state.order.has_lines() {
            if state.is_over() {
                return None;
            }
            self.lanes.writer.lane().enter(Stage::Wait);
            self.ready.wait(&mut state);
            self.lanes.writer.lane().enter(Stage::Merge);
        }
        Some(state.order.take_lines())
    }

    /// Counts the jobs that did not succeed in this run, and lets no more in when there are enough of them: as soon as
    /// they are known, which may be some time before they are settled.
    pub(crate) fn count_failures(&self, tails: &[(u64, Tail)]) {
        let Some(most) = self.max_failures else { return };
        let failures = tails.iter().filter(|(_, tail)| tail.is_failure()).count() as u64;
        if failures == 0 {
            return;
        }
        let mut state = self.state.lock();
        state.failures += failures;
        if state.failures >= most.get() && !mem::replace(&mut state.told_enough, true) {
            state.closed = true;
            self.room.notify_all();
            let _ = self.news.send(News::Enough(Enough::Failures(most)));
        }
    }

    /// What a journal keeps of these outcomes, and why the executor gave up, if it did.
    pub(crate) fn worded(&self, resolved: &[Resolved<Builtin>]) -> (Vec<(u64, Tail)>, Option<Arc<str>>) {
        let tails: Vec<(u64, Tail)> =
            resolved.iter().map(|job| (job.tag, self.layout.tail(&job.outcome))).collect();
        self.failures.report(&tails);
        (tails, resolved.iter().find_map(abandoned))
    }

    fn tell(&self, state: &State) {
        if state.order.has_lines() || state.is_over() {
            self.ready.notify_all();
        }
        self.tell_of_room(state);
    }

    /// Each wake-up of the intake costs as much as some dozens of short jobs, so it is for more than one.
    fn tell_of_room(&self, state: &State) {
        if state.order.has_much_room(self.least_jobs, self.most) {
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

impl State {
    /// Whether nothing will be written any more, besides what is ready.
    fn is_over(&self) -> bool {
        self.closed && self.order.is_empty()
    }
}

impl Sink<Builtin> for Collector {
    fn resolve(&self, resolved: Vec<Resolved<Builtin>>) {
        let claims = self.state.lock().order.claim(resolved.iter().map(|job| job.tag));
        let (rendered, failed) = Rendered::of_outcomes(&resolved, claims, self.layout);
        let abandoned = if failed.is_empty() { None } else { resolved.iter().find_map(abandoned) };
        drop(resolved);
        self.failures.report(&failed);
        self.count_failures(&failed);
        // Before the records: with the last one of them the run ends, and hears nothing more.
        if let Some(cause) = abandoned {
            self.broke(cause);
        }
        self.take(rendered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Kind, record::outcome_tail};
    use ops::Value;
    use std::sync::mpsc::channel;

    fn tail(number: u64) -> Tail {
        outcome_tail(&Ok(Value::Natural(number.into())))
    }

    fn collector(ordered: bool) -> Arc<Collector> {
        let most = (Bounds { jobs: 8_192, bytes: 24 << 20 }, None);
        let report = FailureReport::default();
        Collector::with((Layout::Records, ordered), 1, most, report, (Lanes::new(0), channel().0))
    }

    fn enter(collector: &Collector, id: Option<&str>, text_bytes: usize) -> u64 {
        collector.enter_all(1, &mut |_| (id.map(Box::from), text_bytes)).unwrap().start
    }

    fn lines(collector: &Collector) -> Vec<String> {
        let bytes = collector.take_lines(0).unwrap_or_default().concat();
        String::from_utf8(bytes).unwrap().lines().map(|line| line[..7].to_owned()).collect()
    }

    #[test]
    fn records_leave_in_the_order_of_their_jobs() {
        let collector = collector(true);
        let positions: Vec<u64> = (0..3).map(|_| enter(&collector, None, 1)).collect();
        collector.settle(positions[2], tail(2));
        collector.settle(positions[0], tail(0));
        assert_eq!(lines(&collector), ["{\"id\":0"]);
        collector.settle(positions[1], tail(1));
        collector.settle(positions[1], tail(9));
        assert_eq!(lines(&collector), ["{\"id\":1", "{\"id\":2"]);
        assert_eq!(collector.counts().of(Kind::Succeeded), 3);
        collector.close();
        assert!(lines(&collector).is_empty());
    }

    #[test]
    fn outcomes_that_come_together_are_put_into_order() {
        let collector = collector(true);
        let name = |index: usize| (index == 4).then(|| "\"x\"".into());
        assert_eq!(collector.enter_all(6, &mut |index| (name(index), 1)), Some(0..6));
        let resolve = |tags: &[u64]| {
            let outcome = |&tag: &u64| Resolved { tag, outcome: Ok(Value::Natural(tag.into())) };
            collector.resolve(tags.iter().map(outcome).collect());
        };
        // Two runs, one of which has an outcome already the second time; the last job never entered.
        resolve(&[1, 4, 5]);
        resolve(&[0, 1, 9]);
        assert_eq!(lines(&collector), ["{\"id\":0", "{\"id\":1"]);
        resolve(&[2, 3]);
        assert_eq!(lines(&collector), ["{\"id\":2", "{\"id\":3", "{\"id\":\"", "{\"id\":5"]);
        assert_eq!(collector.counts().of(Kind::Succeeded), 6);
        let lines = 6 * "{\"id\":0,\"ok\":true,\"result\":0}\n".len();
        assert_eq!(collector.state.lock().order.held(), lines + "\"x\"".len() - "4".len());
    }

    #[test]
    fn as_many_jobs_enter_as_there_is_room_for() {
        let most = (Bounds { jobs: 5, bytes: 1 << 30 }, None);
        let report = FailureReport::default();
        let rest = (Lanes::new(0), channel().0);
        let collector = Collector::with((Layout::Records, true), 1, most, report, rest);
        let enter = |count| collector.try_enter_all(count, &mut |_| (None, 1));
        assert_eq!(enter(3), Some(0..3));
        assert_eq!(enter(3), Some(3..5));
        assert_eq!(enter(3), None);
        collector.settle(0, tail(0));
        assert_eq!(enter(3), Some(5..6));
        collector.close();
        assert_eq!(enter(1), None);
    }

    #[test]
    fn without_order_they_leave_at_once_under_their_names() {
        let collector = collector(false);
        enter(&collector, None, 1);
        let named = enter(&collector, Some("\"b\""), 1);
        collector.settle(named, tail(1));
        assert_eq!(lines(&collector), ["{\"id\":\""]);
        collector.close();
        collector.cancel_rest();
        assert_eq!(collector.counts().of(Kind::Cancelled), 1);
        assert_eq!(lines(&collector), ["{\"id\":0"]);
        assert!(lines(&collector).is_empty());
    }

    #[test]
    fn nothing_enters_a_closed_collector() {
        let collector = collector(true);
        collector.close();
        assert_eq!(collector.enter_all(1, &mut |_| (None, 1)), None);
    }

    #[test]
    fn what_is_held_is_what_is_there() {
        for ordered in [true, false] {
            let collector = collector(ordered);
            let name = |n: u64| n.is_multiple_of(2).then_some("\"a name\"");
            (0..10).for_each(|n| assert_eq!(enter(&collector, name(n), 100), n));
            (0..10).rev().for_each(|n| collector.settle(n, tail(n)));
            let bytes = collector.take_lines(0).unwrap().concat();
            assert_eq!(collector.state.lock().order.held(), bytes.len());
            collector.close();
            assert!(collector.take_lines(bytes.len()).is_none());
            assert_eq!(collector.state.lock().order.held(), 0);
        }
    }
}
