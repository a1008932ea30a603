//! Measures the cluster beside the local pool, Ray and Dask; `scripts/bench-cluster` builds and runs it.
//!
//! A real server with two nodes of one worker each, on this machine: first tiny jobs, of which what counts is
//! how many are carried, then jobs of 10 ms, of which what counts is how little that costs. Results are
//! checked.

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

/// 2: something could not be measured or was wrong; 1: something that must be was not; of a quick run only
/// the first.
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

/// Measures and shows; whether something was missed.
fn measure(args: &Args) -> Result<bool> {
    print!("{}", table::head(args, machine::load(), &server_version()?));
    let (rounds, part) = (usize::from(args.rounds), if args.quick { 100 } else { 1 });
    let folder = tempfile::tempdir()?;
    // Before anything else runs that could disturb the finding of their length.
    let longer_jobs = longer_jobs(folder.path(), 1_000 / part)?;
    let tiny_jobs = Jobs::tiny(folder.path(), 1_000_000 / part)?;
    let cluster = Cluster::start(folder.path())?;
    let peers = python::start(args, folder.path());
    peers.iter().for_each(|peer| print!("{}", table::peer(peer)));
    let peers: Vec<_> = peers.into_iter().flatten().collect();
    // Workers are started by their first jobs; the peers have had theirs.
    cluster.run(&tiny_jobs)?;
    let mut missed = false;
    for (compare, jobs) in [(tiny as Compare, &tiny_jobs), (longer, &longer_jobs)] {
        let comparison = compare(&cluster, &peers, jobs, rounds)?;
        print!("{}", table::comparison(&comparison));
        missed |= comparison.lines.iter().any(Line::missed);
    }
    Ok(missed)
}
