//! The Python peers: one process each, which keeps its pool warm and is asked for one run at a time.

use std::{process::Command, time::Duration};

use crate::{
    bench::{Bench, checked, ns_each},
    child::Talker,
    report::Missing,
    rounds::Result,
};

/// The chunk sizes to choose the best from; 0 is the pool's own choice.
const CHUNKS: [usize; 5] = [0, 100, 1_000, 10_000, 100_000];

/// A pool in Python.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    /// How its users call it.
    pub(crate) name: &'static str,
    script: &'static str,
    /// Whether its own choice of a chunk size is one job, which takes too long to be tried on many.
    single: bool,
}

/// The standard library's, which has rows of its own.
pub(crate) const EXECUTOR: Peer =
    Peer { name: "ProcessPoolExecutor.map", script: "executor.py", single: true };

/// All of them.
pub(crate) const ALL: [Peer; 4] = [
    EXECUTOR,
    Peer { name: "multiprocessing.Pool.map", script: "pool.py", single: false },
    Peer { name: "loky", script: "loky_peer.py", single: true },
    Peer { name: "joblib", script: "joblib_peer.py", single: false },
];

/// A peer that runs.
pub(crate) struct Running {
    talker: Talker,
}

impl Peer {
    /// Starts it with so many jobs at hand, or says why it cannot be had.
    pub(crate) fn start(self, bench: &Bench, jobs: usize) -> std::result::Result<Running, Missing> {
        self.attempt(bench, jobs)
            .map_err(|reason| Missing { peer: self.name.to_owned(), reason: reason.to_string() })
    }

    fn attempt(self, bench: &Bench, jobs: usize) -> Result<Running> {
        let script = format!("peers/python/{}", self.script);
        let mut command = Command::new(bench.python()?);
        let mut talker =
            Talker::start(command.env("PYTHONDONTWRITEBYTECODE", "1").args([script, jobs.to_string()]))?;
        match talker.hear()?.split_once(' ') {
            None => Ok(Running { talker }),
            Some((_, reason)) => Err(reason.into()),
        }
    }

    /// The chunk size with which it is fastest, by one run of each.
    pub(crate) fn best_chunk(self, running: &mut Running, bench: &Bench, jobs: usize) -> Result<usize> {
        let mut best = (f64::INFINITY, 0);
        for chunk in CHUNKS.into_iter().skip(usize::from(self.single)) {
            let cost = running.map(bench, jobs, chunk)?;
            if cost < best.0 {
                best = (cost, chunk);
            }
        }
        Ok(best.1)
    }
}

impl Running {
    /// `map` over the first jobs; nanoseconds a job.
    pub(crate) fn map(&mut self, bench: &Bench, jobs: usize, chunk: usize) -> Result<f64> {
        let (time, sum) = self.ask(&format!("map {jobs} {chunk}"))?;
        checked([sum], bench.sum(jobs))?;
        Ok(ns_each(time, jobs))
    }

    /// Submits one job after the other, each when the one before has come back; nanoseconds a job.
    pub(crate) fn round_trips(&mut self, jobs: usize) -> Result<f64> {
        let (time, _) = self.ask(&format!("trips {jobs} 0"))?;
        Ok(time.as_nanos() as f64)
    }

    fn ask(&mut self, request: &str) -> Result<(Duration, u64)> {
        let answer = self.talker.ask(request)?;
        let (nanos, sum) = answer.split_once(' ').ok_or_else(|| answer.clone())?;
        Ok((Duration::from_nanos(nanos.parse()?), sum.parse()?))
    }
}
