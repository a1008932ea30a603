//! Reproduces the tables of the original text with this library and with Python, next to the times that the
//! text prints; `scripts/bench-textbook` builds and runs this program.
//!
//! The program is its own worker.

mod args;
mod await_all;
mod experiments;
mod python;
mod report;
mod rust;
mod table;
mod work;

use std::{cell::RefCell, fs, process::ExitCode};

use clap::Parser;
use peers::rounds::{Contender, Result, alternate};

use crate::{
    args::Args,
    experiments::{Experiment, Line},
    python::Python,
    report::{Figure, Report, Row},
};

fn main() -> ExitCode {
    pool::enter_if_worker::<work::Work>();
    match reproduce(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("textbook: {error}");
            ExitCode::from(2)
        }
    }
}

/// Measures and prints one experiment after the other.
fn reproduce(args: &Args) -> Result<()> {
    let python = Python::start(args);
    let mut report = Report::new(args, python.as_ref());
    print!("{}", table::head(&report));
    let python = python.ok().map(RefCell::new);
    for experiment in experiments::all(args.quick) {
        let rows = measure(&experiment, python.as_ref(), args.rounds.into())?;
        print!("{}", table::rows(&rows));
        report.rows.extend(rows);
    }
    report.note_load();
    match &args.json {
        Some(path) => Ok(fs::write(path, serde_json::to_vec_pretty(&report)?)?),
        None => Ok(()),
    }
}

/// Measures all lines of an experiment in both languages in turns.
fn measure(experiment: &Experiment, python: Option<&RefCell<Python>>, rounds: usize) -> Result<Vec<Row>> {
    let in_each_language = |line| contenders(experiment, line, python);
    let contenders: Vec<_> = experiment.lines.iter().flat_map(in_each_language).collect();
    let mut series = alternate(contenders, rounds)?.into_iter();
    let mut next = || series.next().as_ref().map(Figure::of);
    let row = |line: &Line| Row {
        experiment: experiment.name,
        how: line.how.clone(),
        printed: line.printed,
        rust: next(),
        python: python.and_then(|_| next()),
    };
    Ok(experiment.lines.iter().map(row).collect())
}

/// Returns the contenders for a line: Rust, and Python if it is available.
fn contenders<'a>(
    experiment: &Experiment,
    line: &'a Line,
    python: Option<&'a RefCell<Python>>,
) -> Vec<Contender<'a>> {
    let name = |language| format!("{}, {}, {language}", experiment.name, line.how);
    let rust = Contender::new(name("Rust"), || rust::measure(&line.run)?.checked(&line.run));
    let python = python.map(|python| {
        Contender::new(name("Python"), || python.borrow_mut().measure(&line.run)?.checked(&line.run))
    });
    [Some(rust), python].into_iter().flatten().collect()
}
