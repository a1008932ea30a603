//! The track of a slot: actions of the parent for its workers.
//!
//! Sending and receiving are slices of a nanosecond and not instants, because arrows connect only slices.

use pool::metrics::WorkerId;
use serde_json::json;

use super::item::{TimedItem, in_order};
use crate::{
    event::{Event, Phase, Track},
    timeline::TimelineData,
    worker_trace::{BatchRun, ReceivedOutcomes, RunEnd, SentBatch, WorkerEnd, WorkerEndKind, WorkerTrace},
};

/// Duration of such a slice in nanoseconds.
const MARK: u64 = 1;

enum SlotItem<'a> {
    Start(WorkerId),
    /// A batch is sent; an arrow leads from here to its run.
    Sent(&'a SentBatch, Option<Arrow>),
    Received(&'a BatchRun, &'a ReceivedOutcomes),
    End(WorkerId, &'a WorkerEnd),
}

/// The start of an arrow.
struct Arrow;

pub(super) fn events<'a>(data: &'a TimelineData, slot: u32, track: Track) -> impl Iterator<Item = Event<'a>> {
    let name = track.metadata("thread_name", json!({ "name": format!("slot {slot}") }));
    let workers = data.workers.iter().filter(move |(worker, _)| worker.slot == slot);
    let mut items = in_order(workers.flat_map(|(&worker, trace)| items(data, worker, trace)).collect());
    spread(&mut items);
    std::iter::once(name).chain(items.into_iter().flat_map(move |item| draw(&item, track)))
}

fn items<'a>(
    data: &'a TimelineData,
    worker: WorkerId,
    trace: &'a WorkerTrace,
) -> Vec<TimedItem<SlotItem<'a>>> {
    let mark = |at, what| TimedItem { ts: data.since_start(at), dur: Some(MARK), what };
    let ended = trace.end.as_ref().map_or(data.last, |end| end.at);
    let start = TimedItem {
        ts: data.since_start(trace.starting),
        dur: Some(nanos(trace.ready.unwrap_or(ended), trace.starting)),
        what: SlotItem::Start(worker),
    };
    let mut items = vec![start];
    items.extend(trace.lost.iter().map(|sent| mark(sent.at, SlotItem::Sent(sent, None))));
    for run in &trace.runs {
        items.extend(run.sent.as_ref().map(|sent| mark(sent.at, SlotItem::Sent(sent, Some(Arrow)))));
        if let RunEnd::Returned(received) = &run.outcome {
            items.push(mark(received.at, SlotItem::Received(run, received)));
        }
    }
    let end = |end: &'a WorkerEnd| TimedItem {
        ts: data.since_start(end.at),
        dur: None,
        what: SlotItem::End(worker, end),
    };
    items.extend(trace.end.as_ref().map(end));
    items
}

fn nanos(later: pool::metrics::MonotonicInstant, earlier: pool::metrics::MonotonicInstant) -> u64 {
    later.0.saturating_sub(earlier.0)
}

/// Separates slices of the same nanosecond.
fn spread(items: &mut [TimedItem<SlotItem<'_>>]) {
    let mut free = 0;
    for item in items {
        let end = item.ts + item.dur.unwrap_or(0);
        item.ts = item.ts.max(free);
        if item.dur.is_some() {
            let min = if matches!(item.what, SlotItem::Start(_)) { 0 } else { MARK };
            item.dur = Some(end.saturating_sub(item.ts).max(min));
            free = item.ts + item.dur.unwrap_or(0);
        }
    }
}

fn draw<'a>(item: &TimedItem<SlotItem<'a>>, track: Track) -> impl Iterator<Item = Event<'a>> + use<'a> {
    let (ts, dur) = (item.ts, item.dur.unwrap_or(0));
    let (event, arrow) = match &item.what {
        SlotItem::Start(worker) => (start(track.slice(format!("start {worker}"), ts, dur), *worker), None),
        SlotItem::Sent(sent, arrow) => {
            let name = format!("send batch {}: {}", sent.batch.0, jobs(sent.jobs));
            let args = json!({ "batch": sent.batch.0, "sent_jobs": sent.jobs, "bytes": sent.bytes });
            let from_here = |_: &Arrow| track.arrow(Phase::ArrowStart, sent.batch.0, ts);
            (Event { args, cat: "send", ..track.slice(name, ts, dur) }, arrow.as_ref().map(from_here))
        }
        SlotItem::Received(run, received) => {
            let name = format!("outcomes of batch {}: {}", run.batch.0, run.jobs.count());
            let args = json!({
                "batch": run.batch.0,
                "outcomes": run.jobs.count(),
                "bytes": received.bytes,
                "given_back": received.returned_without_outcome,
                "after_ns": nanos(received.at, run.end),
            });
            let to_here = received.last.then(|| track.arrow(Phase::ArrowEnd, run.batch.0, ts));
            (Event { args, cat: "receive", ..track.slice(name, ts, dur) }, to_here)
        }
        SlotItem::End(worker, end) => (ended(track, *worker, end, ts), None),
    };
    std::iter::once(event).chain(arrow)
}

fn start(slice: Event<'_>, worker: WorkerId) -> Event<'_> {
    let args = json!({ "slot": worker.slot, "generation": worker.generation });
    Event { args, cat: "start", ..slice }
}

/// Event for the exit of a worker, on any track.
pub(super) fn ended<'a>(track: Track, worker: WorkerId, end: &WorkerEnd, ts: u64) -> Event<'a> {
    let cause = &*end.cause;
    let name = match end.kind {
        WorkerEndKind::StartFailed => format!("start failed: {cause}"),
        WorkerEndKind::ShutDown => "left".to_owned(),
        WorkerEndKind::Died => format!("death: {cause}"),
    };
    let args = json!({ "worker": worker.to_string(), "cause": cause });
    Event { args, cat: "end", ..track.instant(name, ts) }
}

pub(super) fn jobs(count: u64) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") }
}
