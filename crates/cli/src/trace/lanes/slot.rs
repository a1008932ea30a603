//! What the parent did for the workers of one slot.
//!
//! Sending and receiving are marks of a nanosecond and not mere moments, because arrows lead from slice to slice only.

use pool::WorkerId;
use serde_json::json;

use super::{Item, in_order};
use crate::trace::{
    book::Book,
    event::{Event, Line, Phase},
    life::{End, EndKind, Fate, Life, Returning, Run, Sending},
};

/// How long a mark is.
const MARK: u64 = 1;

enum What<'a> {
    Start(WorkerId),
    /// A batch is sent, and an arrow leads from here to where it runs.
    Sent(&'a Sending, Option<Arrow>),
    Received(&'a Run, &'a Returning),
    End(WorkerId, &'a End),
}

/// An arrow begins.
struct Arrow;

pub(super) fn events<'a>(book: &'a Book, slot: u32, line: Line) -> impl Iterator<Item = Event<'a>> {
    let name = line.metadata("thread_name", json!({ "name": format!("slot {slot}") }));
    let lives = book.lives.iter().filter(move |(worker, _)| worker.slot == slot);
    let mut items = in_order(lives.flat_map(|(&worker, life)| items(book, worker, life)).collect());
    spread(&mut items);
    std::iter::once(name).chain(items.into_iter().flat_map(move |item| draw(&item, line)))
}

fn items<'a>(book: &'a Book, worker: WorkerId, life: &'a Life) -> Vec<Item<What<'a>>> {
    let mark = |at, what| Item { ts: book.since_start(at), dur: Some(MARK), what };
    let ended = life.end.as_ref().map_or(book.last, |end| end.at);
    let start = Item {
        ts: book.since_start(life.starting),
        dur: Some(nanos(life.ready.unwrap_or(ended), life.starting)),
        what: What::Start(worker),
    };
    let mut items = vec![start];
    items.extend(life.lost.iter().map(|sending| mark(sending.at, What::Sent(sending, None))));
    for run in &life.runs {
        items.extend(run.sending.as_ref().map(|sending| mark(sending.at, What::Sent(sending, Some(Arrow)))));
        if let Fate::Returned(returning) = &run.fate {
            items.push(mark(returning.at, What::Received(run, returning)));
        }
    }
    let end = |end: &'a End| Item { ts: book.since_start(end.at), dur: None, what: What::End(worker, end) };
    items.extend(life.end.as_ref().map(end));
    items
}

fn nanos(later: pool::MonotonicInstant, earlier: pool::MonotonicInstant) -> u64 {
    later.0.saturating_sub(earlier.0)
}

/// Moves marks of the same nanosecond apart.
fn spread(items: &mut [Item<What<'_>>]) {
    let mut free = 0;
    for item in items {
        let end = item.ts + item.dur.unwrap_or(0);
        item.ts = item.ts.max(free);
        if item.dur.is_some() {
            let least = if matches!(item.what, What::Start(_)) { 0 } else { MARK };
            item.dur = Some(end.saturating_sub(item.ts).max(least));
            free = item.ts + item.dur.unwrap_or(0);
        }
    }
}

fn draw<'a>(item: &Item<What<'a>>, line: Line) -> impl Iterator<Item = Event<'a>> + use<'a> {
    let (ts, dur) = (item.ts, item.dur.unwrap_or(0));
    let (event, arrow) = match &item.what {
        What::Start(worker) => (start(line.slice(format!("start {worker}"), ts, dur), *worker), None),
        What::Sent(sending, arrow) => {
            let name = format!("send batch {}: {}", sending.batch.0, jobs(sending.jobs));
            let args = json!({ "batch": sending.batch.0, "sent_jobs": sending.jobs, "bytes": sending.bytes });
            let from_here = |_: &Arrow| line.arrow(Phase::ArrowStart, sending.batch.0, ts);
            (Event { args, cat: "send", ..line.slice(name, ts, dur) }, arrow.as_ref().map(from_here))
        }
        What::Received(run, returning) => {
            let name = format!("outcomes of batch {}: {}", run.batch.0, run.jobs.count());
            let args = json!({
                "batch": run.batch.0,
                "outcomes": run.jobs.count(),
                "bytes": returning.bytes,
                "given_back": returning.given_back,
                "after_ns": nanos(returning.at, run.end),
            });
            let to_here = returning.last.then(|| line.arrow(Phase::ArrowEnd, run.batch.0, ts));
            (Event { args, cat: "receive", ..line.slice(name, ts, dur) }, to_here)
        }
        What::End(worker, end) => (ended(line, *worker, end, ts), None),
    };
    std::iter::once(event).chain(arrow)
}

fn start(slice: Event<'_>, worker: WorkerId) -> Event<'_> {
    let args = json!({ "slot": worker.slot, "generation": worker.generation });
    Event { args, cat: "start", ..slice }
}

/// The end of a worker, on any line.
pub(super) fn ended<'a>(line: Line, worker: WorkerId, end: &End, ts: u64) -> Event<'a> {
    let cause = &*end.cause;
    let name = match end.kind {
        EndKind::StartFailed => format!("start failed: {cause}"),
        EndKind::Left => "left".to_owned(),
        EndKind::Died => format!("death: {cause}"),
    };
    let args = json!({ "worker": worker.to_string(), "cause": cause });
    Event { args, cat: "end", ..line.instant(name, ts) }
}

pub(super) fn jobs(count: u64) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") }
}
