//! What one worker did.

use pool::{BatchId, MonotonicInstant, WorkerId};
use serde_json::json;

use super::{
    Item, in_order,
    slot::{ended, jobs},
};
use crate::trace::{
    book::Book,
    event::{Event, Line, Phase},
    life::{Fate, Life, Run},
};

/// The most ranges of jobs that are listed for a batch.
const MOST_RANGES: usize = 20;

enum What<'a> {
    Start,
    /// It takes the place of another.
    Restart,
    Wait,
    Run(&'a Run),
    Job(u64),
    Recall(BatchId),
    End,
}

/// The line of a worker, if it came to be a process; `order` is its place among all lines.
pub(super) fn events<'a>(
    book: &'a Book,
    worker: WorkerId,
    life: &'a Life,
    order: u32,
) -> impl Iterator<Item = Event<'a>> {
    let line = life.pid.map(|pid| Line { pid, tid: pid });
    line.into_iter().flat_map(move |line| {
        let items = in_order(items(book, worker, life));
        let drawn = items.into_iter().flat_map(move |item| draw(&item, line, worker, life));
        names(line, worker, order).into_iter().chain(drawn)
    })
}

fn names(line: Line, worker: WorkerId, order: u32) -> [Event<'static>; 3] {
    [
        line.metadata("process_name", json!({ "name": worker.to_string() })),
        line.metadata("process_sort_index", json!({ "sort_index": order })),
        line.metadata("thread_name", json!({ "name": worker.to_string() })),
    ]
}

fn items<'a>(book: &Book, worker: WorkerId, life: &'a Life) -> Vec<Item<What<'a>>> {
    let slice = |from: MonotonicInstant, to: MonotonicInstant, what| {
        let ts = book.since_start(from);
        Item { ts, dur: Some(book.since_start(to).saturating_sub(ts)), what }
    };
    let moment = |at, what| Item { ts: book.since_start(at), dur: None, what };
    let end = life.end.as_ref().map_or(book.last, |end| end.at);
    let mut items = vec![slice(life.starting, life.ready.unwrap_or(end), What::Start)];
    if worker.generation > 0 {
        items.push(moment(life.starting, What::Restart));
    }
    let wait =
        |from: MonotonicInstant, to: MonotonicInstant| (from < to).then(|| slice(from, to, What::Wait));
    for run in &life.runs {
        items.extend(wait(run.free_since, run.began));
        items.push(slice(run.began, run.end, What::Run(run)));
        items.extend(job_times(run).map(|(name, from, to)| slice(from, to, What::Job(name))));
    }
    if life.ready.is_some() {
        items.extend(wait(life.free_since, end));
    }
    items.extend(life.recalls.iter().map(|&(below, at)| moment(at, What::Recall(below))));
    items.extend(life.end.as_ref().map(|end| moment(end.at, What::End)));
    items
}

/// The jobs of a run whose times are known: one after the other since its beginning. A time that was too long to be told is
/// what the others leave.
fn job_times(run: &Run) -> impl Iterator<Item = (u64, MonotonicInstant, MonotonicInstant)> + '_ {
    let told: u64 = run.durations.iter().map(|&duration| u64::from(duration)).sum();
    let untold = run.durations.iter().filter(|&&duration| duration == u32::MAX).count() as u64;
    let rest = (run.end.0 - run.began.0).saturating_sub(told) / untold.max(1);
    let mut at = run.began;
    run.jobs.iter().zip(&run.durations).map(move |(name, &duration)| {
        let more = if duration == u32::MAX { rest } else { 0 };
        let from = at;
        at = MonotonicInstant(at.0 + u64::from(duration) + more).min(run.end);
        (name, from, at)
    })
}

fn draw<'a>(
    item: &Item<What<'a>>,
    line: Line,
    worker: WorkerId,
    life: &'a Life,
) -> impl Iterator<Item = Event<'a>> + use<'a> {
    let (ts, dur) = (item.ts, item.dur.unwrap_or(0));
    let plain = |name: &'static str| Event { cat: name, ..line.slice(name, ts, dur) };
    let event = match &item.what {
        What::Start => Some(plain("start")),
        What::Restart => Some(restart(line, worker, ts)),
        What::Wait => Some(plain("wait")),
        What::Run(run) => Some(Event { cat: "run", args: about(run), ..line.slice(title(run), ts, dur) }),
        What::Job(name) => Some(Event { cat: "job", ..line.slice(format!("job {name}"), ts, dur) }),
        What::Recall(below) => {
            let args = json!({ "below": below.0 });
            Some(Event { args, cat: "recall", ..line.instant("recall", ts) })
        }
        What::End => life.end.as_ref().map(|end| ended(line, worker, end, ts)),
    };
    let arrow = match item.what {
        What::Run(run) => Some(line.arrow(Phase::ArrowStep, run.batch.0, ts)),
        _ => None,
    };
    event.into_iter().chain(arrow)
}

fn restart(line: Line, worker: WorkerId, ts: u64) -> Event<'static> {
    let before = WorkerId { generation: worker.generation.saturating_sub(1), ..worker };
    let args = json!({ "worker": worker.to_string(), "after": before.to_string() });
    Event { args, cat: "restart", ..line.instant("restart", ts) }
}

fn title(run: &Run) -> String {
    let (batch, finished) = (run.batch.0, jobs(run.jobs.count()));
    match run.fate {
        Fate::Returned(_) => format!("batch {batch}: {finished}"),
        Fate::Died(Some(job)) => format!("batch {batch}: died in job {job}"),
        Fate::Died(None) => format!("batch {batch}: {finished}, died"),
    }
}

fn about(run: &Run) -> serde_json::Value {
    let mut about = json!({
        "batch": run.batch.0,
        "jobs": run.jobs.count(),
        "numbers": run.jobs.words(MOST_RANGES),
    });
    if let Fate::Died(Some(job)) = run.fate {
        about["died_in"] = job.into();
    }
    about
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::names::Names;

    fn run(durations: &[u32], end: u64) -> Run {
        Run {
            batch: BatchId(0),
            jobs: Names::new(vec![5..=4 + durations.len() as u64]),
            free_since: MonotonicInstant(0),
            began: MonotonicInstant(100),
            end: MonotonicInstant(end),
            durations: durations.into(),
            sending: None,
            fate: Fate::Died(None),
        }
    }

    fn times(run: &Run) -> Vec<(u64, u64, u64)> {
        job_times(run).map(|(name, from, to)| (name, from.0, to.0)).collect()
    }

    #[test]
    fn jobs_follow_each_other() {
        assert_eq!(times(&run(&[10, 0, 30], 150)), [(5, 100, 110), (6, 110, 110), (7, 110, 140)]);
        assert_eq!(
            times(&run(&[10, 500], 150)),
            [(5, 100, 110), (6, 110, 150)],
            "no further than their batch"
        );
    }

    #[test]
    fn a_time_too_long_to_be_told_is_what_is_left() {
        let end = 100 + 10_000_000_000;
        let times = times(&run(&[10, u32::MAX, 30], end));
        assert_eq!(times, [(5, 100, 110), (6, 110, end - 30), (7, end - 30, end)]);
    }
}
