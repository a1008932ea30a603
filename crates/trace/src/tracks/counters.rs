//! The counters of jobs in flight and of workers.

use pool::metrics::MonotonicInstant;

use crate::{
    event::{Event, Track},
    timeline::TimelineData,
    worker_trace::{RunEnd, Sample, WorkerTrace},
};

pub(super) fn events(data: &TimelineData, track: Track) -> impl Iterator<Item = Event<'_>> {
    let jobs = jobs_in_flight(data).into_iter().map(|sample| (sample, "jobs under way"));
    let mut counts: Vec<(Sample, &str)> =
        jobs.chain(workers(data).into_iter().map(|sample| (sample, "workers"))).collect();
    counts.sort_by_key(|(sample, _)| sample.at);
    counts
        .into_iter()
        .map(move |(sample, name)| track.counter(name, data.since_start(sample.at), sample.value))
}

fn jobs_in_flight(data: &TimelineData) -> Vec<Sample> {
    let mut samples = data.after_exits.clone();
    for trace in data.workers.values() {
        samples.extend(trace.lost.iter().map(|sent| sent.in_flight));
        for run in &trace.runs {
            samples.extend(run.sent.as_ref().map(|sent| sent.in_flight));
            if let RunEnd::Returned(received) = &run.outcome {
                samples.push(received.in_flight);
            }
        }
    }
    samples
}

fn workers(data: &TimelineData) -> Vec<Sample> {
    let ready = || data.workers.values().filter(|trace| trace.ready.is_some());
    let starts = ready().filter_map(|trace| trace.ready.map(|at| (at, true)));
    let ends = ready().filter_map(|trace: &WorkerTrace| trace.end.as_ref().map(|end| (end.at, false)));
    let mut changes: Vec<(MonotonicInstant, bool)> = starts.chain(ends).collect();
    changes.sort_unstable();
    let mut running = 0u64;
    let sample = |(at, starts): (MonotonicInstant, bool)| {
        running = if starts { running + 1 } else { running.saturating_sub(1) };
        Sample { at, value: running }
    };
    changes.into_iter().map(sample).collect()
}
