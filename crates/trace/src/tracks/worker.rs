//! The track of a worker.

use pool::metrics::{BatchId, MonotonicInstant, WorkerId};
use serde_json::json;

use super::{
    item::{TimedItem, in_order},
    slot::{ended, jobs},
};
use crate::{
    event::{Event, Phase, Track},
    timeline::TimelineData,
    worker_trace::{BatchRun, RunEnd, WorkerTrace},
};

/// Largest number of ranges of jobs that are listed for a batch.
const MAX_RANGES: usize = 20;

enum WorkerItem<'a> {
    Start,
    /// It replaces another worker.
    Restart,
    Wait,
    Run(&'a BatchRun),
    Job(u64),
    Recall(BatchId),
    End,
}

/// Events of a worker that became a process; `order` is the position of its track.
pub(super) fn events<'a>(
    data: &'a TimelineData,
    worker: WorkerId,
    trace: &'a WorkerTrace,
    order: u32,
) -> impl Iterator<Item = Event<'a>> {
    let track = trace.pid.map(|pid| Track { pid, tid: pid });
    track.into_iter().flat_map(move |track| {
        let items = in_order(items(data, worker, trace));
        let drawn = items.into_iter().flat_map(move |item| draw(&item, track, worker, trace));
        names(track, worker, order).into_iter().chain(drawn)
    })
}

fn names(track: Track, worker: WorkerId, order: u32) -> [Event<'static>; 3] {
    [
        track.metadata("process_name", json!({ "name": worker.to_string() })),
        track.metadata("process_sort_index", json!({ "sort_index": order })),
        track.metadata("thread_name", json!({ "name": worker.to_string() })),
    ]
}

fn items<'a>(
    data: &TimelineData,
    worker: WorkerId,
    trace: &'a WorkerTrace,
) -> Vec<TimedItem<WorkerItem<'a>>> {
    let slice = |from: MonotonicInstant, to: MonotonicInstant, what| {
        let ts = data.since_start(from);
        TimedItem { ts, dur: Some(data.since_start(to).saturating_sub(ts)), what }
    };
    let moment = |at, what| TimedItem { ts: data.since_start(at), dur: None, what };
    let end = trace.end.as_ref().map_or(data.last, |end| end.at);
    let mut items = vec![slice(trace.starting, trace.ready.unwrap_or(end), WorkerItem::Start)];
    if worker.generation > 0 {
        items.push(moment(trace.starting, WorkerItem::Restart));
    }
    let wait =
        |from: MonotonicInstant, to: MonotonicInstant| (from < to).then(|| slice(from, to, WorkerItem::Wait));
    for run in &trace.runs {
        items.extend(wait(run.idle_since, run.began));
        items.push(slice(run.began, run.end, WorkerItem::Run(run)));
        items.extend(job_times(run).map(|(name, from, to)| slice(from, to, WorkerItem::Job(name))));
    }
    if trace.ready.is_some() {
        items.extend(wait(trace.idle_since, end));
    }
    items.extend(trace.recalls.iter().map(|&(below, at)| moment(at, WorkerItem::Recall(below))));
    items.extend(trace.end.as_ref().map(|end| moment(end.at, WorkerItem::End)));
    items
}

/// Times of the jobs of a run, if they were measured: one after the other from its start. Durations that
/// exceed the range of the measurement share the time that the others leave.
fn job_times(run: &BatchRun) -> impl Iterator<Item = (u64, MonotonicInstant, MonotonicInstant)> + '_ {
    let measured: u64 = run.durations.iter().map(|&duration| u64::from(duration)).sum();
    let overflowed = run.durations.iter().filter(|&&duration| duration == u32::MAX).count() as u64;
    let rest = (run.end.0 - run.began.0).saturating_sub(measured) / overflowed.max(1);
    let mut at = run.began;
    run.jobs.iter().zip(&run.durations).map(move |(name, &duration)| {
        let more = if duration == u32::MAX { rest } else { 0 };
        let from = at;
        at = MonotonicInstant(at.0 + u64::from(duration) + more).min(run.end);
        (name, from, at)
    })
}

fn draw<'a>(
    item: &TimedItem<WorkerItem<'a>>,
    track: Track,
    worker: WorkerId,
    trace: &'a WorkerTrace,
) -> impl Iterator<Item = Event<'a>> + use<'a> {
    let (ts, dur) = (item.ts, item.dur.unwrap_or(0));
    let plain = |name: &'static str| Event { cat: name, ..track.slice(name, ts, dur) };
    let event = match &item.what {
        WorkerItem::Start => Some(plain("start")),
        WorkerItem::Restart => Some(restart(track, worker, ts)),
        WorkerItem::Wait => Some(plain("wait")),
        WorkerItem::Run(run) => {
            Some(Event { cat: "run", args: about(run), ..track.slice(title(run), ts, dur) })
        }
        WorkerItem::Job(name) => Some(Event { cat: "job", ..track.slice(format!("job {name}"), ts, dur) }),
        WorkerItem::Recall(below) => {
            let args = json!({ "below": below.0 });
            Some(Event { args, cat: "recall", ..track.instant("recall", ts) })
        }
        WorkerItem::End => trace.end.as_ref().map(|end| ended(track, worker, end, ts)),
    };
    let arrow = match item.what {
        WorkerItem::Run(run) => Some(track.arrow(Phase::ArrowStep, run.batch.0, ts)),
        _ => None,
    };
    event.into_iter().chain(arrow)
}

fn restart(track: Track, worker: WorkerId, ts: u64) -> Event<'static> {
    let before = WorkerId { generation: worker.generation.saturating_sub(1), ..worker };
    let args = json!({ "worker": worker.to_string(), "after": before.to_string() });
    Event { args, cat: "restart", ..track.instant("restart", ts) }
}

fn title(run: &BatchRun) -> String {
    let (batch, finished) = (run.batch.0, jobs(run.jobs.count()));
    match run.outcome {
        RunEnd::Returned(_) => format!("batch {batch}: {finished}"),
        RunEnd::Died(Some(job)) => format!("batch {batch}: died in job {job}"),
        RunEnd::Died(None) => format!("batch {batch}: {finished}, died"),
    }
}

fn about(run: &BatchRun) -> serde_json::Value {
    let mut about = json!({
        "batch": run.batch.0,
        "jobs": run.jobs.count(),
        "numbers": run.jobs.text(MAX_RANGES),
    });
    if let RunEnd::Died(Some(job)) = run.outcome {
        about["died_in"] = job.into();
    }
    about
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_numbers::JobNumbers;

    fn run(durations: &[u32], end: u64) -> BatchRun {
        BatchRun {
            batch: BatchId(0),
            jobs: JobNumbers::new(vec![5..=4 + durations.len() as u64]),
            idle_since: MonotonicInstant(0),
            began: MonotonicInstant(100),
            end: MonotonicInstant(end),
            durations: durations.into(),
            sent: None,
            outcome: RunEnd::Died(None),
        }
    }

    fn times(run: &BatchRun) -> Vec<(u64, u64, u64)> {
        job_times(run).map(|(name, from, to)| (name, from.0, to.0)).collect()
    }

    #[test]
    fn jobs_are_consecutive() {
        assert_eq!(times(&run(&[10, 0, 30], 150)), [(5, 100, 110), (6, 110, 110), (7, 110, 140)]);
        assert_eq!(times(&run(&[10, 500], 150)), [(5, 100, 110), (6, 110, 150)], "not beyond their batch");
    }

    #[test]
    fn a_duration_beyond_the_range_is_the_remaining_time() {
        let end = 100 + 10_000_000_000;
        let times = times(&run(&[10, u32::MAX, 30], end));
        assert_eq!(times, [(5, 100, 110), (6, 110, end - 30), (7, end - 30, end)]);
    }
}
