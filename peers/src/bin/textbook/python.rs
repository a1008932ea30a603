//! A run by Python: one interpreter, which is asked for one run at a time.

use std::process::Command;

use peers::{child::Talker, rounds::Result};
use serde::Deserialize;

use crate::{
    args::Args,
    experiments::{Measured, Run},
};

const SCRIPT: &str = "peers/python/textbook.py";

/// An interpreter that runs the script.
pub(crate) struct Python {
    talker: Talker,
    /// Its version, and how it starts processes.
    pub(crate) version: String,
}

/// What it says after a run.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Done(f64, Vec<Vec<u64>>),
    Error(String),
}

impl Python {
    /// Starts it, or says why it cannot be had.
    pub(crate) fn start(args: &Args) -> std::result::Result<Python, String> {
        let program = args.python.as_ref().ok_or_else(|| args.no_python.clone())?;
        let mut command = Command::new(program);
        command.env("PYTHONDONTWRITEBYTECODE", "1").arg(SCRIPT);
        let started = Talker::start(&mut command).and_then(|mut talker| {
            let version = talker.hear()?;
            Ok(Python { talker, version })
        });
        started.map_err(|error| format!("{}: {error}", program.display()))
    }

    /// Does a run there; it looks at its own clock.
    pub(crate) fn measure(&mut self, run: &Run) -> Result<Measured> {
        let answer = self.talker.ask(&serde_json::to_string(run)?)?;
        match serde_json::from_str(&answer)? {
            Answer::Done(seconds, results) => Ok(Measured { seconds, results }),
            Answer::Error(error) => Err(error.into()),
        }
    }
}
