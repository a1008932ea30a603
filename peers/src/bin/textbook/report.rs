//! Results of the measurements, printed as a table and written as JSON.

use peers::{machine, rounds::Series};
use serde::Serialize;

use crate::{args::Args, python::Python};

/// All results, and the machine.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Whether smaller numbers were used, so that the times cannot be compared with those of the text.
    pub(crate) quick: bool,
    pub(crate) rounds: u16,
    pub(crate) cores: usize,
    /// Name of the processor.
    pub(crate) processor: String,
    /// Load average of the last minute, before and after the benchmark.
    pub(crate) load: [f64; 2],
    /// Version of the interpreter, if it is available.
    pub(crate) python: Option<String>,
    /// Reason why the interpreter is not available.
    pub(crate) python_missing: Option<String>,
    pub(crate) rows: Vec<Row>,
}

/// One way to run an experiment; all times are in seconds.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) experiment: &'static str,
    pub(crate) how: String,
    /// Time printed in the text.
    pub(crate) printed: Option<f64>,
    pub(crate) rust: Option<Figure>,
    pub(crate) python: Option<Figure>,
}

/// Statistics over all rounds.
#[derive(Serialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Report {
    /// Creates a report without rows.
    pub(crate) fn new(args: &Args, python: Result<&Python, &String>) -> Report {
        Report {
            quick: args.quick,
            rounds: args.rounds,
            cores: pool::settings::available_cores(),
            processor: machine::processor(),
            load: [machine::load(); 2],
            python: python.ok().map(|python| python.version.clone()),
            python_missing: python.err().cloned(),
            rows: Vec::new(),
        }
    }

    /// Records the load after the benchmark.
    pub(crate) fn note_load(&mut self) {
        self.load[1] = machine::load();
    }
}

impl Figure {
    /// Computes the statistics of one contender.
    pub(crate) fn of(series: &Series) -> Figure {
        let figures = series.figures.iter().copied();
        Figure {
            median: series.median(),
            least: figures.clone().fold(f64::INFINITY, f64::min),
            most: figures.fold(0.0, f64::max),
        }
    }
}
