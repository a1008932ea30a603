//! What to measure and where it goes, as plain data: checked, and nothing touched yet.

use std::path::PathBuf;

use bench::{
    Settings,
    report::{Report, Sweep},
};

use super::args::BenchArguments;
use crate::{args::When, error::UsageError, plan::Destination};

/// Everything that one call of `runner bench` was asked for.
#[derive(Debug)]
pub(super) struct BenchPlan {
    pub(super) settings: Settings,
    pub(super) forms: Vec<Form>,
    /// Where the pictures go.
    pub(super) pictures: Option<PathBuf>,
    pub(super) progress: When,
    pub(super) quiet: bool,
}

/// Makes text of a report.
type Render = fn(&Report) -> String;

/// A form that the report takes, and where it goes.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) option: &'static str,
    pub(super) destination: Destination,
    pub(super) render: Render,
}

impl BenchPlan {
    /// The plan that the arguments describe.
    pub(super) fn new(arguments: BenchArguments) -> Result<BenchPlan, UsageError> {
        let usual = Settings::usual(arguments.quick);
        let settings = Settings {
            workers: arguments.workers.map_or(usual.workers, usize::from),
            rounds: arguments.rounds.map_or(usual.rounds, usize::from),
            run_time: arguments.run_time.unwrap_or(usual.run_time),
            sweeps: sweeps(&arguments),
            ..usual
        };
        let asked: [(_, _, Render); 3] = [
            ("--json", arguments.json, json),
            ("--csv", arguments.csv, bench::csv),
            ("--html", arguments.html, bench::pictures::html),
        ];
        let forms = forms(asked)?;
        let pictures = arguments.svg;
        Ok(BenchPlan { settings, forms, pictures, progress: arguments.progress, quiet: arguments.quiet })
    }
}

/// In the order in which they are shown, each once.
fn sweeps(arguments: &BenchArguments) -> Vec<Sweep> {
    let only: Vec<Sweep> = arguments.only.iter().copied().map(Sweep::from).collect();
    Sweep::ALL.into_iter().filter(|sweep| only.is_empty() || only.contains(sweep)).collect()
}

/// What was asked for, and the table, unless something else takes its place on standard output.
fn forms(asked: [(&'static str, Option<PathBuf>, Render); 3]) -> Result<Vec<Form>, UsageError> {
    let mut forms: Vec<Form> = asked
        .into_iter()
        .filter_map(|(option, path, render)| {
            Some(Form { option, destination: Destination::new(path?), render })
        })
        .collect();
    let mut on_standard_output = forms.iter().filter(|form| form.destination == Destination::Standard);
    match (on_standard_output.next(), on_standard_output.next()) {
        (Some(first), Some(second)) => {
            return Err(UsageError::OneStandardOutput(first.option, second.option));
        }
        (Some(_), None) => {}
        (None, _) => {
            forms.push(Form { option: "", destination: Destination::Standard, render: bench::table });
        }
    }
    Ok(forms)
}

fn json(report: &Report) -> String {
    let text = serde_json::to_string_pretty(report);
    debug_assert!(text.is_ok(), "a report is plain data");
    text.unwrap_or_default() + "\n"
}
