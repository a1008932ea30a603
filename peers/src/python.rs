//! The Python peers: one process each that keeps its pool running and performs one run per request.

use std::{process::Command, time::Duration};

use crate::{
    bench::{Bench, checked, ns_each},
    child::LineClient,
    report::Missing,
    rounds::Result,
};

/// Chunk sizes of which the best is chosen; 0 is the default of the pool.
const CHUNKS: [usize; 5] = [0, 100, 1_000, 10_000, 100_000];

/// A pool in Python.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    /// Name for users.
    pub(crate) name: &'static str,
    script: &'static str,
    /// Whether its default chunk size is one job, which is too slow for many jobs.
    single: bool,
}

/// The pool of the standard library, which has separate rows.
pub(crate) const EXECUTOR: Peer =
    Peer { name: "ProcessPoolExecutor.map", script: "executor.py", single: true };

/// All Python pools.
pub(crate) const ALL: [Peer; 4] = [
    EXECUTOR,
    Peer { name: "multiprocessing.Pool.map", script: "pool.py", single: false },
    Peer { name: "loky", script: "loky_peer.py", single: true },
    Peer { name: "joblib", script: "joblib_peer.py", single: false },
];

/// A running peer.
pub(crate) struct Running {
    client: LineClient,
}

impl Peer {
    /// Starts the peer, which generates `jobs` jobs in advance; returns the reason if that fails.
    pub(crate) fn start(self, bench: &Bench, jobs: usize) -> std::result::Result<Running, Missing> {
        self.attempt(bench, jobs)
            .map_err(|reason| Missing { peer: self.name.to_owned(), reason: reason.to_string() })
    }

    fn attempt(self, bench: &Bench, jobs: usize) -> Result<Running> {
        let script = format!("peers/python/{}", self.script);
        let mut command = Command::new(bench.python()?);
        let mut client =
            LineClient::start(command.env("PYTHONDONTWRITEBYTECODE", "1").args([script, jobs.to_string()]))?;
        match client.receive()?.split_once(' ') {
            None => Ok(Running { client }),
            Some((_, reason)) => Err(reason.into()),
        }
    }

    /// Returns the fastest chunk size, by one run of each.
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
    /// Maps over the first jobs and returns the nanoseconds per job.
    pub(crate) fn map(&mut self, bench: &Bench, jobs: usize, chunk: usize) -> Result<f64> {
        let (time, sum) = self.ask(&format!("map {jobs} {chunk}"))?;
        checked([sum], bench.sum(jobs))?;
        Ok(ns_each(time, jobs))
    }

    /// Submits jobs, each after the result of the previous one, and returns the nanoseconds per job.
    pub(crate) fn round_trips(&mut self, jobs: usize) -> Result<f64> {
        let (time, _) = self.ask(&format!("trips {jobs} 0"))?;
        Ok(time.as_nanos() as f64)
    }

    fn ask(&mut self, request: &str) -> Result<(Duration, u64)> {
        let answer = self.client.ask(request)?;
        let (nanos, sum) = answer.split_once(' ').ok_or_else(|| answer.clone())?;
        Ok((Duration::from_nanos(nanos.parse()?), sum.parse()?))
    }
}
