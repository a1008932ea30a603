//! Keeps the order of the results, and the run within bounds.
//!
//! A job enters when it is read and leaves when its record has been written. Between the two it takes memory, for
//! its text, its outcome, and its place in the order; so entering waits while there is too much of that. A reader
//! of the output who is slow thereby slows down the reading of the input.

use std::{
    collections::VecDeque,
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::Sender,
    },
};

use builtin::Builtin;
use parking_lot::{Condvar, Mutex};
use pool::{Failure, Resolved, Sink, Stage};
use sys::lane::Attended;

use super::counts::Counts;
use super::{
    FailureReport, Layout,
    record::{Tail, cancelled_tail},
};
use crate::{
    plan::{Bounds, Plan},
    run::{Enough, News},
};

/// Records and buffers above this are allocated for one record only.
const LONG: usize = 1 << 20;

/// Room for what stands before and behind a record's tail and its name.
const LINE_ENDS: usize = 64;

/// Takes jobs in and records out.
pub(crate) struct Collector {
    state: Mutex<State>,
    /// Signalled when there is room for another job, or never will be.
    room: Condvar,
    /// Signalled when there is something to write, or never will be.
    ready: Condvar,
    ordered: bool,
    layout: Layout,
    least_jobs: usize,
    most: Bounds,
    max_failures: Option<NonZeroU64>,
    failures: FailureReport,
    news: Sender<News>,
    /// Records that have been written.
    written: AtomicU64,
    /// Who brings jobs, and waits for room.
    pub(crate) intake: Attended,
    /// Who takes lines, and waits for some.
    pub(crate) writer: Attended,
}

struct State {
    /// The position of the first slot.
    first: u64,
    slots: VecDeque<Slot>,
    /// Whole lines, in the order in which they are to be written.
    lines: Vec<u8>,
    /// Bytes of unfinished texts, of records, and of lines that are being written.
    held: usize,
    /// Mean size of a record, recent ones weighing most.
    mean_record: usize,
    counts: Counts,
    /// Jobs that did not succeed in this run.
    failures: u64,
    /// No more jobs enter.
    closed: bool,
    told_broken: bool,
    told_enough: bool,
}

struct Slot {
    id: Option<Box<str>>,
    text_bytes: usize,
    /// The record, once there is one; nothing more once it has been passed on.
    record: Record,
}

enum Record {
    Missing,
    Here(Tail),
    PassedOn,
}

impl Collector {
    /// A collector for a run, which is to keep all of its workers busy.
    pub(crate) fn new(plan: &Plan, news: Sender<News>) -> Arc<Collector> {
        let failures = FailureReport::new(plan);
        let most = (plan.bounds(), plan.max_failures);
        Collector::with((plan.layout, !plan.unordered), plan.workers, most, failures, news)
    }

    fn with(
        (layout, ordered): (Layout, bool),
        workers: usize,
        (most, max_failures): (Bounds, Option<NonZeroU64>),
        failures: FailureReport,
        news: Sender<News>,
    ) -> Arc<Collector> {
        let state = State {
            first: 0,
            slots: VecDeque::new(),
            lines: Vec::new(),
            held: 0,
            mean_record: 1 << 14,
            counts: Counts::default(),
            failures: 0,
            closed: false,
            told_broken: false,
            told_enough: false,
        };
        Arc::new(Collector {
            state: Mutex::new(state),
            room: Condvar::new(),
            ready: Condvar::new(),
            ordered,
            layout,
            least_jobs: 4 * workers,
            most,
            max_failures,
            failures,
            news,
            written: AtomicU64::new(0),
            intake: Attended::new("intake"),
            writer: Attended::new("writer"),
        })
    }

    /// Takes a job in whose text has so many bytes, and gives it its position. Waits until there is room; `None`
    /// when no more jobs are wanted.
    pub(crate) fn enter(&self, id: Option<Box<str>>, text_bytes: usize) -> Option<u64> {
        let mut state = self.state.lock();
        while !state.closed && !state.has_room(self.least_jobs, self.most) {
            self.intake.lane().enter(Stage::Wait);
            self.room.wait(&mut state);
            self.intake.lane().enter(Stage::Take);
        }
        (!state.closed).then(|| state.enter(id, text_bytes))
    }

    /// The same, but where it would have to wait it gives the name back instead.
    pub(crate) fn try_enter(&self, id: Option<Box<str>>, text_bytes: usize) -> Result<u64, Option<Box<str>>> {
        let mut state = self.state.lock();
        match !state.closed && state.has_room(self.least_jobs, self.most) {
            true => Ok(state.enter(id, text_bytes)),
            false => Err(id),
        }
    }

    /// Records what became of the job at this position.
    pub(crate) fn settle(&self, position: u64, tail: Tail) {
        let tails = [(position, tail)];
        self.count_failures(&tails);
        self.settle_all(tails);
    }

    /// Records what became of the jobs at these positions.
    pub(crate) fn settle_all(&self, tails: impl IntoIterator<Item = (u64, Tail)>) {
        let mut state = self.state.lock();
        for (position, tail) in tails {
            state.settle(position, tail, (self.layout, self.ordered));
        }
        self.tell(&state);
    }

    /// The executor cannot run jobs any more.
    pub(crate) fn broke(&self, cause: Arc<str>) {
        if !std::mem::replace(&mut self.state.lock().told_broken, true) {
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

    /// Gives every job that has no record the one of a cancelled job. What comes for them later is dropped.
    pub(crate) fn cancel_rest(&self) {
        let mut state = self.state.lock();
        let all = state.first..state.first + state.slots.len() as u64;
        for position in all {
            state.settle(position, cancelled_tail(), (self.layout, self.ordered));
        }
        self.tell(&state);
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = self.state.lock().counts;
        counts.written = self.written.load(Ordering::Relaxed);
        counts
    }

    /// Counts records that have been written.
    pub(crate) fn note_written(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
    }

    /// Waits for lines and moves them to the end of `into`; `false` when there will be no more. `written` bytes of
    /// those handed out before need no memory any more.
    pub(crate) fn take_lines(&self, into: &mut Vec<u8>, written: usize) -> bool {
        if into.capacity() > LONG {
            *into = Vec::new();
        }
        let mut state = self.state.lock();
        state.held -= written;
        if written > 0 {
            self.room.notify_all();
        }
        while state.lines.is_empty() {
            if state.closed && state.slots.is_empty() {
                return false;
            }
            self.writer.lane().enter(Stage::Wait);
            self.ready.wait(&mut state);
            self.writer.lane().enter(Stage::Merge);
        }
        std::mem::swap(into, &mut state.lines);
        true
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
        if state.failures >= most.get() && !std::mem::replace(&mut state.told_enough, true) {
            state.closed = true;
            self.room.notify_all();
            let _ = self.news.send(News::Enough(Enough::Failures(most)));
        }
    }

    /// What is to be written of these outcomes, worded before any lock is taken, and why the executor gave up, if it did.
    pub(crate) fn worded(&self, resolved: &[Resolved<Builtin>]) -> (Vec<(u64, Tail)>, Option<Arc<str>>) {
        let abandoned = resolved.iter().find_map(|job| match &job.outcome {
            Err(Failure::Abandoned(cause)) => Some(cause.clone()),
            _ => None,
        });
        let tails: Vec<(u64, Tail)> =
            resolved.iter().map(|job| (job.tag, self.layout.tail(&job.outcome))).collect();
        self.failures.report(&tails);
        (tails, abandoned)
    }

    fn tell(&self, state: &State) {
        if !state.lines.is_empty() || (state.closed && state.slots.is_empty()) {
            self.ready.notify_all();
        }
        if state.has_room(self.least_jobs, self.most) {
            self.room.notify_all();
        }
    }
}

impl Sink<Builtin> for Collector {
    fn resolve(&self, resolved: Vec<Resolved<Builtin>>) {
        let (tails, abandoned) = self.worded(&resolved);
        drop(resolved);
        self.count_failures(&tails);
        // Before the records: with the last one of them the run ends, and hears nothing more.
        if let Some(cause) = abandoned {
            self.broke(cause);
        }
        self.settle_all(tails);
    }
}

impl State {
    fn has_room(&self, least_jobs: usize, most: Bounds) -> bool {
        let by_records = (most.bytes / self.mean_record.max(1)).clamp(least_jobs, most.jobs);
        self.slots.is_empty() && self.held == 0 || (self.slots.len() < by_records && self.held < most.bytes)
    }

    fn enter(&mut self, id: Option<Box<str>>, text_bytes: usize) -> u64 {
        let position = self.first + self.slots.len() as u64;
        self.slots.push_back(Slot { id, text_bytes, record: Record::Missing });
        self.held += text_bytes;
        self.counts.read += 1;
        position
    }

    fn settle(&mut self, position: u64, tail: Tail, (layout, ordered): (Layout, bool)) {
        let Some(index) = position.checked_sub(self.first) else { return };
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        if !matches!(slot.record, Record::Missing) {
            return;
        }
        self.counts.add(&tail);
        let id_bytes = slot.id.as_ref().map_or(0, |id| id.len());
        self.mean_record = (self.mean_record * 15 + tail.len() + id_bytes + 64) / 16;
        self.held = self.held - slot.text_bytes + tail.len() + id_bytes;
        if ordered {
            slot.record = Record::Here(tail);
        } else {
            slot.record = Record::PassedOn;
            let (id, lines) = (slot.id.take(), &mut self.lines);
            pass_on(layout, (id, position), &tail, lines, &mut self.held);
        }
        self.advance(layout);
    }

    /// Lets the slots go whose turn has come.
    fn advance(&mut self, layout: Layout) {
        while let Some(slot) = self.slots.front_mut() {
            match &slot.record {
                Record::Missing => return,
                Record::PassedOn => {}
                Record::Here(tail) => {
                    let (id, lines) = (slot.id.take(), &mut self.lines);
                    pass_on(layout, (id, self.first), tail, lines, &mut self.held);
                }
            }
            self.slots.pop_front();
            self.first += 1;
        }
    }
}

/// Makes a line of a record; from then on the line is what takes memory.
fn pass_on(
    layout: Layout,
    (id, position): (Option<Box<str>>, u64),
    tail: &Tail,
    lines: &mut Vec<u8>,
    held: &mut usize,
) {
    let before = lines.len();
    if tail.len() > LONG {
        // Not twice as much as there is: that is what would need the most memory of all.
        lines.reserve_exact(tail.len() + id.as_ref().map_or(0, |id| id.len()) + LINE_ENDS);
    }
    layout.write_line(tail, id.as_deref(), position, lines);
    *held = *held - tail.len() - id.map_or(0, |id| id.len()) + lines.len() - before;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Kind, record::outcome_tail};
    use builtin::Value;
    use std::sync::mpsc::channel;

    fn tail(number: u64) -> Tail {
        outcome_tail(&Ok(Value::Natural(number.into())))
    }

    fn collector(ordered: bool) -> Arc<Collector> {
        let most = (Bounds { jobs: 8_192, bytes: 24 << 20 }, None);
        Collector::with((Layout::Records, ordered), 1, most, FailureReport::default(), channel().0)
    }

    fn lines(collector: &Collector) -> Vec<String> {
        let mut bytes = Vec::new();
        if !collector.take_lines(&mut bytes, 0) {
            return Vec::new();
        }
        String::from_utf8(bytes).unwrap().lines().map(|line| line[..7].to_owned()).collect()
    }

    #[test]
    fn records_leave_in_the_order_of_their_jobs() {
        let collector = collector(true);
        let positions: Vec<u64> = (0..3).map(|_| collector.enter(None, 1).unwrap()).collect();
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
    fn without_order_they_leave_at_once_under_their_names() {
        let collector = collector(false);
        collector.enter(None, 1);
        let named = collector.enter(Some("\"b\"".into()), 1).unwrap();
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
        assert_eq!(collector.enter(None, 1), None);
    }

    #[test]
    fn what_is_held_is_what_is_there() {
        for ordered in [true, false] {
            let collector = collector(ordered);
            let name = |n: u64| n.is_multiple_of(2).then(|| "\"a name\"".into());
            (0..10).for_each(|n| assert_eq!(collector.enter(name(n), 100), Some(n)));
            (0..10).rev().for_each(|n| collector.settle(n, tail(n)));
            let mut bytes = Vec::new();
            assert!(collector.take_lines(&mut bytes, 0));
            assert_eq!(collector.state.lock().held, bytes.len());
            collector.close();
            assert!(!collector.take_lines(&mut Vec::new(), bytes.len()));
            assert_eq!(collector.state.lock().held, 0);
        }
    }
}
