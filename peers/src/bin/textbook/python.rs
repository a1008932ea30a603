//! Runs in Python: one interpreter that performs one run per request.

use std::process::Command;

use peers::{child::LineClient, rounds::Result};
use serde::Deserialize;

use crate::{
    args::Args,
    experiments::{Measured, Run},
};

const SCRIPT: &str = "peers/python/textbook.py";

/// A running interpreter with the script.
pub(crate) struct Python {
    client: LineClient,
    /// Version, and start method of processes.
    pub(crate) version: String,
}

/// Reply to a run.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Done(f64, Vec<Vec<u64>>),
    Error(String),
}

impl Python {
    /// Starts the interpreter; returns the reason if that fails.
    pub(crate) fn start(args: &Args) -> std::result::Result<Python, String> {
        let program = args.python.as_ref().ok_or_else(|| args.no_python.clone())?;
        let mut command = Command::new(program);
        command.env("PYTHONDONTWRITEBYTECODE", "1").arg(SCRIPT);
        let started = LineClient::start(&mut command).and_then(|mut client| {
            let version = client.receive()?;
            Ok(Python { client, version })
        });
        started.map_err(|error| format!("{}: {error}", program.display()))
    }

    /// Performs a run, timed by the interpreter.
    pub(crate) fn measure(&mut self, run: &Run) -> Result<Measured> {
        let answer = self.client.ask(&serde_json::to_string(run)?)?;
        match serde_json::from_str(&answer)? {
            Answer::Done(seconds, results) => Ok(Measured { seconds, results }),
            Answer::Error(error) => Err(error.into()),
        }
    }
}
