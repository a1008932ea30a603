//! Compares the pool with other pools on the same jobs, in turns; `scripts/bench-peers` builds and runs this
//! program.
//!
//! The program is also its own worker, a worker of `procspawn`, and the [helper](roles) process of some rows.

mod affinity;
mod args;
mod bare;
mod bench;
mod calibrate;
mod python;
mod report;
mod roles;
mod rows;
mod syscalls;
mod table;
mod task;

use std::{fs, process::ExitCode};

use clap::Parser;
use peers::{child, machine, rounds};

use crate::{args::Args, bench::Bench, report::Report, rounds::Result};

fn main() -> ExitCode {
    pool::enter_if_worker::<task::Task>();
    pool::enter_if_worker::<task::Load>();
    procspawn::init();
    if let Some(code) = roles::enter_if_helper() {
        return code;
    }
    let args = Args::parse();
    let (json, quick) = (args.json.clone(), args.quick);
    let save = |report: &Report| -> Result<()> {
        match &json {
            Some(path) => Ok(fs::write(path, serde_json::to_vec_pretty(report)?)?),
            None => Ok(()),
        }
    };
    match measure(&Bench::new(args), quick, save) {
        Ok(report) => verdict(&report),
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::from(2)
        }
    }
}

/// Measures and prints row by row; the report is saved after each, since the next one may take long.
fn measure(bench: &Bench, quick: bool, save: impl Fn(&Report) -> Result<()>) -> Result<Report> {
    let mut report = Report::new(quick);
    print!("{}", table::head(&report));
    for rows in rows::measure(bench) {
        rows.iter().for_each(|row| print!("{}", table::row(row)));
        report.rows.extend(rows);
        report.load[1] = machine::load();
        save(&report)?;
    }
    Ok(report)
}

/// Returns 2 if a row could not be measured or had wrong results, and 1 if a goal was missed, except in quick
/// runs.
fn verdict(report: &Report) -> ExitCode {
    if report.rows.iter().any(|row| row.error.is_some()) {
        ExitCode::from(2)
    } else if !report.quick && report.rows.iter().any(report::Row::missed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
