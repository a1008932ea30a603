//! What was measured, as data: the table and the JSON show the same.

use peers::{machine, rounds::Series};
use serde::Serialize;

use crate::{args::Args, python::Python};

/// All that was measured, and where.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Smaller numbers: the figures cannot be compared with those of the text.
    pub(crate) quick: bool,
    pub(crate) rounds: u16,
    pub(crate) cores: usize,
    /// The processor, as the system calls it.
    pub(crate) processor: String,
    /// Before and after: the average number of programs that wanted to run in the last minute.
    pub(crate) load: [f64; 2],
    /// The version of the interpreter, if there is one.
    pub(crate) python: Option<String>,
    /// Why there is none.
    pub(crate) python_missing: Option<String>,
    pub(crate) rows: Vec<Row>,
}

/// One way to do an experiment; all times are seconds.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) experiment: &'static str,
    pub(crate) how: String,
    /// What the text prints.
    pub(crate) printed: Option<f64>,
    pub(crate) rust: Option<Figure>,
    pub(crate) python: Option<Figure>,
}

/// What the rounds gave.
#[derive(Serialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Report {
    /// A report without rows.
    pub(crate) fn new(args: &Args, python: Result<&Python, &String>) -> Report {
        Report {
            quick: args.quick,
            rounds: args.rounds,
            cores: pool::available_cores(),
            processor: machine::processor(),
            load: [machine::load(); 2],
            python: python.ok().map(|python| python.version.clone()),
            python_missing: python.err().cloned(),
            rows: Vec::new(),
        }
    }

    /// Notes what else has been going on meanwhile.
    pub(crate) fn note_load(&mut self) {
        self.load[1] = machine::load();
    }
}

impl Figure {
    /// Of one contender.
    pub(crate) fn of(series: &Series) -> Figure {
        let figures = series.figures.iter().copied();
        Figure {
            median: series.median(),
            least: figures.clone().fold(f64::INFINITY, f64::min),
            most: figures.fold(0.0, f64::max),
        }
    }
}
