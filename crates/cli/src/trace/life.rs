//! What is remembered of one worker.

use std::{sync::Arc, time::Duration};

use pool::{BatchId, MonotonicInstant};

use super::{names::Names, sampling::Sampling};

/// A worker, from the decision to start it.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) pid: Option<u32>,
    pub(super) starting: MonotonicInstant,
    pub(super) ready: Option<MonotonicInstant>,
    pub(super) end: Option<End>,
    /// What it did, in order.
    pub(super) runs: Vec<Run>,
    /// What it was asked to give back: batches below a number.
    pub(super) recalls: Vec<(BatchId, MonotonicInstant)>,
    /// Batches that it never began with.
    pub(super) lost: Vec<Sending>,
    /// Batches that it has.
    open: Vec<Open>,
    /// Since when it has done nothing, if it does nothing.
    pub(super) free_since: MonotonicInstant,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) kind: EndKind,
    pub(super) cause: Arc<str>,
    pub(super) at: MonotonicInstant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndKind {
    /// It was never ready.
    StartFailed,
    /// The pool no longer needed it.
    Left,
    Died,
}

/// A batch on its way to a worker.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    pub(super) batch: BatchId,
    pub(super) jobs: u64,
    pub(super) bytes: u64,
    pub(super) at: MonotonicInstant,
    /// How many jobs were under way then.
    pub(super) under_way: Sample,
}

/// A batch of which not all has come back.
#[derive(Debug)]
struct Open {
    batch: BatchId,
    left: Names,
    /// How it was sent, until the first slice of it tells.
    sending: Option<Sending>,
    /// How many outcomes have come back.
    returned: u64,
}

/// What a worker did without a break: jobs whose outcomes came back together, or that it died in.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) batch: BatchId,
    /// The jobs that it finished.
    pub(super) jobs: Names,
    /// Since when it had waited.
    pub(super) free_since: MonotonicInstant,
    pub(super) began: MonotonicInstant,
    pub(super) end: MonotonicInstant,
    /// How long each job took, in nanoseconds, where that is kept.
    pub(super) durations: Box<[u32]>,
    /// How the batch was sent, if this is the first of it.
    pub(super) sending: Option<Sending>,
    pub(super) fate: Fate,
}

#[derive(Debug)]
pub(super) enum Fate {
    Returned(Returning),
    /// The worker died; the job that it was in, if it was in one.
    Died(Option<u64>),
}

/// Outcomes on their way back.
#[derive(Debug)]
pub(super) struct Returning {
    pub(super) at: MonotonicInstant,
    pub(super) bytes: u64,
    /// Whether they were the last of their batch.
    pub(super) last: bool,
    /// How many jobs came back without an outcome.
    pub(super) given_back: u64,
    pub(super) under_way: Sample,
}

/// How many there were of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sample {
    pub(super) at: MonotonicInstant,
    pub(super) value: u64,
}

/// Outcomes as the pool tells of them.
#[derive(Debug)]
pub(super) struct Outcomes {
    pub(super) batch: BatchId,
    pub(super) count: u64,
    pub(super) last: bool,
    pub(super) began: MonotonicInstant,
    pub(super) busy: Duration,
    /// How long each job took, in nanoseconds; none if that is not known.
    pub(super) durations: Vec<u32>,
    pub(super) bytes: u64,
    pub(super) at: MonotonicInstant,
}

impl Run {
    /// How many slices it takes: itself, the wait before it, its ends at the parent, and its jobs.
    pub(super) fn slices(&self) -> usize {
        3 + self.jobs.ranges().max(1) + self.durations.len()
    }
}

impl Life {
    pub(super) fn new(starting: MonotonicInstant) -> Life {
        Life {
            pid: None,
            starting,
            ready: None,
            end: None,
            runs: Vec::new(),
            recalls: Vec::new(),
            lost: Vec::new(),
            open: Vec::new(),
            free_since: starting,
        }
    }

    pub(super) fn note_ready(&mut self, pid: u32, at: MonotonicInstant) {
        (self.pid, self.ready, self.free_since) = (Some(pid), Some(at), at);
    }

    /// A batch goes out. One that comes too late counts as sent when the worker ended.
    pub(super) fn note_sent(&mut self, jobs: Names, mut sending: Sending) {
        match &self.end {
            Some(end) => {
                sending.at = sending.at.min(end.at);
                self.lost.push(sending);
            }
            None => {
                let batch = sending.batch;
                self.open.push(Open { batch, left: jobs, sending: Some(sending), returned: 0 });
            }
        }
    }

    /// How many jobs are no longer under way when these outcomes have come: those without an outcome included.
    pub(super) fn would_end(&self, batch: BatchId, count: u64, last: bool) -> Option<u64> {
        let open = self.open.iter().find(|open| open.batch == batch)?;
        Some(if last { open.left.count() } else { open.left.count().min(count) })
    }

    /// Outcomes have come back, so many jobs being under way from now on. What a worker says of its time counts as far as it
    /// is possible.
    pub(super) fn note_returned(&mut self, outcomes: Outcomes, under_way: Sample) -> Option<Run> {
        let place = self.open.iter().position(|open| open.batch == outcomes.batch)?;
        let open = &mut self.open[place];
        let (jobs, sending) = (open.left.take_first(outcomes.count), open.sending.take());
        open.returned += jobs.count();
        let given_back = if outcomes.last { self.open.remove(place).left.count() } else { 0 };
        let began = outcomes.began.max(self.free_since).min(outcomes.at);
        let end = (began + outcomes.busy).min(outcomes.at);
        let free_since = std::mem::replace(&mut self.free_since, end);
        let Outcomes { batch, at, bytes, last, durations, .. } = outcomes;
        let durations = if durations.len() as u64 == jobs.count() { durations } else { Vec::new() }.into();
        let fate = Fate::Returned(Returning { at, bytes, last, given_back, under_way });
        Some(Run { batch, jobs, free_since, began, end, durations, sending, fate })
    }

    /// It is gone; how many jobs are no longer under way. What it was in when it ended becomes a run.
    pub(super) fn note_gone(
        &mut self,
        end: End,
        running: Option<(BatchId, u64)>,
        kept: Option<(BatchId, u64)>,
    ) -> u64 {
        let under_way = self.open.iter().map(|open| open.left.count()).sum();
        let at = end.at;
        self.end = Some(end);
        for mut open in std::mem::take(&mut self.open) {
            let of_this = |told: Option<(BatchId, u64)>| told.filter(|(batch, _)| *batch == open.batch);
            let (running, kept) = (of_this(running), of_this(kept));
            let died_in = running.and_then(|(_, place)| {
                let place = usize::try_from(place.checked_sub(open.returned)?).ok()?;
                open.left.iter().nth(place)
            });
            let sending = open.sending.take();
            if running.is_none() && kept.is_none() {
                self.lost.extend(sending);
                continue;
            }
            let jobs = open.left.take_first(kept.map_or(0, |(_, count)| count));
            let sent = sending.as_ref().map_or(self.free_since, |sending| sending.at);
            let began = self.free_since.max(sent).min(at);
            let free_since = std::mem::replace(&mut self.free_since, at);
            let (durations, fate) = (Box::default(), Fate::Died(died_in));
            self.runs.push(Run {
                batch: open.batch,
                jobs,
                free_since,
                began,
                end: at,
                durations,
                sending,
                fate,
            });
        }
        under_way
    }

    /// Leaves out what is not to be kept. What it died in stays.
    pub(super) fn thin(&mut self, sampling: &Sampling) {
        self.runs.retain(|run| sampling.keeps(run.batch) || matches!(run.fate, Fate::Died(_)));
        for run in self.runs.iter_mut().filter(|run| !sampling.keeps_jobs_of(run.batch)) {
            run.durations = Box::default();
        }
    }
}
