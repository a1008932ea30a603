//! Ray and Dask: one process each that keeps its workers running and performs one run per request.

use std::{cell::RefCell, path::Path, process::Command};

use peers::{
    child::LineClient,
    numbers::{gcd, pairs},
    rounds::Result,
};

use crate::{args::Args, jobs::total};

/// Number of pairs that a peer generates in advance.
const PAIRS: usize = 1_000_000;

/// A running peer.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    client: RefCell<LineClient>,
}

/// A peer that could not be started, and the reason.
pub(crate) struct Missing {
    pub(crate) name: &'static str,
    pub(crate) reason: String,
}

/// Starts both peers, with their temporary files in `folder`.
pub(crate) fn start(args: &Args, folder: &Path) -> [std::result::Result<Peer, Missing>; 2] {
    [("Ray", "ray_peer.py"), ("Dask", "dask_peer.py")].map(|(name, script)| {
        let peer = Peer::start(name, script, args, folder);
        peer.map_err(|error| Missing { name, reason: error.to_string() })
    })
}

impl Peer {
    fn start(name: &'static str, script: &str, args: &Args, folder: &Path) -> Result<Peer> {
        let python = args.python.as_ref().ok_or_else(|| args.no_python.clone())?;
        let mut command = Command::new(python);
        command.args([format!("peers/python/{script}"), PAIRS.to_string()]);
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("TMPDIR", folder);
        // Disables usage statistics.
        command.env("RAY_USAGE_STATS_ENABLED", "0");
        let mut client = LineClient::start(&mut command)?;
        let hello = client.receive()?;
        let version = hello.strip_prefix("version ").ok_or_else(|| reason(&hello))?.to_owned();
        match client.receive()?.as_str() {
            "ready" => Ok(Peer { name, version, client: RefCell::new(client) }),
            other => Err(reason(other).into()),
        }
    }

    /// Returns the seconds for `count` gcds, `in_task` of them per task.
    pub(crate) fn gcds(&self, count: usize, in_task: usize) -> Result<f64> {
        let expected = pairs(count).into_iter().map(|(a, b)| u128::from(gcd(a, b))).sum();
        self.ask(&format!("map {count} {in_task}"), expected)
    }

    /// Returns the seconds for `count` sums of 1 to n.
    pub(crate) fn sums(&self, count: usize, n: u64) -> Result<f64> {
        self.ask(&format!("totals {count} {n}"), count as u128 * u128::from(total(n)))
    }

    /// Estimates the number of gcds that take about three seconds.
    pub(crate) fn gcds_in_turn(&self, in_task: usize) -> Result<usize> {
        let tasks = 1000;
        let count = tasks * in_task;
        let tasks_in_turn = tasks as f64 * 3.0 / self.gcds(count, in_task)?;
        Ok(((tasks_in_turn / 1000.0).round().max(1.0) as usize * count).min(PAIRS))
    }

    /// Returns the number of summands that this interpreter adds up in `seconds`, by the fastest of ten
    /// attempts.
    pub(crate) fn summands(&self, seconds: f64) -> Result<u64> {
        const N: u64 = 200_000;
        let attempt = |_| self.ask(&format!("alone 1 {N}"), total(N).into());
        let attempts = (0..10).map(attempt).collect::<Result<Vec<f64>>>()?;
        let fastest = attempts.into_iter().fold(f64::INFINITY, f64::min);
        Ok((N as f64 * seconds / fastest) as u64)
    }

    /// Sends a request and returns the seconds by the peer's clock.
    ///
    /// # Errors
    /// If the sum of the results is wrong.
    fn ask(&self, request: &str, expected: u128) -> Result<f64> {
        let answer = self.client.borrow_mut().ask(request)?;
        let (nanos, sum) = answer.split_once(' ').ok_or_else(|| answer.clone())?;
        match sum.parse::<u128>()? {
            sum if sum == expected => Ok(nanos.parse::<f64>()? / 1e9),
            sum => Err(format!("{}: results add up to {sum} instead of {expected}", self.name).into()),
        }
    }
}

fn reason(line: &str) -> String {
    line.strip_prefix("missing ").unwrap_or(line).to_owned()
}
