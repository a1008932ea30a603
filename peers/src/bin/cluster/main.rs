//! Compares the cluster with the local pool, Ray and Dask; `scripts/bench-cluster` builds and runs this
//! program. Uses a server with two nodes of one worker each on this machine: tiny jobs measure the throughput
//! of the transport, jobs of 10 ms its overhead. Results are checked.

mod args;
mod cluster;
mod comparison;
mod daemon;
mod jobs;
mod python;
mod table;

use std::process::ExitCode;

use clap::Parser;
use peers::{machine, rounds::Result};

use crate::{
    args::Args,
    cluster::{Cluster, server_version},
    comparison::{Comparison, Line, longer, longer_jobs, tiny},
    jobs::Jobs,
    python::Peer,
};

type Compare = fn(&Cluster, &[Peer], &Jobs, usize) -> Result<Comparison>;

/// Exits with 2 if a measurement failed or a result was wrong, and with 1 if a requirement was missed, except
/// in quick runs.
fn main() -> ExitCode {
    let args = Args::parse();
    match measure(&args) {
        Ok(missed) if missed && !args.quick => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster: {error}");
            ExitCode::from(2)
        }
    }
}

/// Measures and prints; returns whether a requirement was missed.
fn measure(args: &Args) -> Result<bool> {
    print!("{}", table::head(args, machine::load(), &server_version()?));
    let (rounds, part) = (usize::from(args.rounds), if args.quick { 100 } else { 1 });
    let folder = tempfile::tempdir()?;
    // Calibrated before other programs run that could disturb it.
    let longer_jobs = longer_jobs(folder.path(), 1_000 / part)?;
    let tiny_jobs = Jobs::tiny(folder.path(), 1_000_000 / part)?;
    let cluster = Cluster::start(folder.path())?;
    let peers = python::start(args, folder.path());
    peers.iter().for_each(|peer| print!("{}", table::peer(peer)));
    let peers: Vec<_> = peers.into_iter().flatten().collect();
    // The first jobs start the workers; the peers have already run jobs.
    cluster.run(&tiny_jobs)?;
    let mut missed = false;
    for (compare, jobs) in [(tiny as Compare, &tiny_jobs), (longer, &longer_jobs)] {
        let comparison = compare(&cluster, &peers, jobs, rounds)?;
        print!("{}", table::comparison(&comparison));
        missed |= comparison.lines.iter().any(Line::missed);
    }
    Ok(missed)
}
