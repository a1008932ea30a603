//! How many jobs are under way, and how many workers there are.

use pool::MonotonicInstant;

use crate::trace::{
    book::Book,
    event::{Event, Line},
    life::{Fate, Life, Sample},
};

pub(super) fn events(book: &Book, line: Line) -> impl Iterator<Item = Event<'_>> {
    let jobs = jobs_under_way(book).into_iter().map(|sample| (sample, "jobs under way"));
    let mut counts: Vec<(Sample, &str)> =
        jobs.chain(workers(book).into_iter().map(|sample| (sample, "workers"))).collect();
    counts.sort_by_key(|(sample, _)| sample.at);
    counts
        .into_iter()
        .map(move |(sample, name)| line.counter(name, book.since_start(sample.at), sample.value))
}

fn jobs_under_way(book: &Book) -> Vec<Sample> {
    let mut samples = book.after_deaths.clone();
    for life in book.lives.values() {
        samples.extend(life.lost.iter().map(|sending| sending.under_way));
        for run in &life.runs {
            samples.extend(run.sending.as_ref().map(|sending| sending.under_way));
            if let Fate::Returned(returning) = &run.fate {
                samples.push(returning.under_way);
            }
        }
    }
    samples
}

fn workers(book: &Book) -> Vec<Sample> {
    let ready = || book.lives.values().filter(|life| life.ready.is_some());
    let births = ready().filter_map(|life| life.ready.map(|at| (at, true)));
    let deaths = ready().filter_map(|life: &Life| life.end.as_ref().map(|end| (end.at, false)));
    let mut changes: Vec<(MonotonicInstant, bool)> = births.chain(deaths).collect();
    changes.sort_unstable();
    let mut alive = 0u64;
    let count = |(at, born): (MonotonicInstant, bool)| {
        alive = if born { alive + 1 } else { alive.saturating_sub(1) };
        Sample { at, value: alive }
    };
    changes.into_iter().map(count).collect()
}
