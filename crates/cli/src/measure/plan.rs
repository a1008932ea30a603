//! The plan of a measurement as plain data: arguments are checked, and no file is touched.

use std::path::PathBuf;

use bench::{
    Settings,
    report::{Report, Sweep},
};

use super::args::BenchArguments;
use crate::{args::When, error::Misuse, plan::Destination};

/// Settings and outputs of one `runner bench`.
#[derive(Debug)]
pub(super) struct BenchPlan {
    pub(super) settings: Settings,
    pub(super) forms: Vec<Form>,
    /// Folder for the pictures.
    pub(super) pictures: Option<PathBuf>,
    pub(super) progress: When,
    pub(super) quiet: bool,
}

/// Renders a report as text.
type Render = fn(&Report) -> String;

/// A rendering of the report and its destination.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) option: &'static str,
    pub(super) destination: Destination,
    pub(super) render: Render,
}

impl BenchPlan {
    /// Checks the arguments.
    pub(super) fn new(arguments: BenchArguments) -> Result<BenchPlan, Misuse> {
        let defaults = Settings::with_defaults(arguments.quick);
        let settings = Settings {
            workers: arguments.workers.map_or(defaults.workers, usize::from),
            rounds: arguments.rounds.map_or(defaults.rounds, usize::from),
            run_time: arguments.run_time.unwrap_or(defaults.run_time),
            sweeps: sweeps(&arguments),
            ..defaults
        };
        let requested: [(_, _, Render); 3] = [
            ("--json", arguments.json, json),
            ("--csv", arguments.csv, bench::csv),
            ("--html", arguments.html, bench::pictures::html),
        ];
        let forms = forms(requested)?;
        let pictures = arguments.svg;
        Ok(BenchPlan { settings, forms, pictures, progress: arguments.progress, quiet: arguments.quiet })
    }
}

/// Requested sweeps in the order in which they are shown, each once.
fn sweeps(arguments: &BenchArguments) -> Vec<Sweep> {
    let only: Vec<Sweep> = arguments.only.iter().copied().map(Sweep::from).collect();
    Sweep::ALL.into_iter().filter(|sweep| only.is_empty() || only.contains(sweep)).collect()
}

/// Requested forms, and the table unless another form uses standard output.
fn forms(requested: [(&'static str, Option<PathBuf>, Render); 3]) -> Result<Vec<Form>, Misuse> {
    let mut forms: Vec<Form> = requested
        .into_iter()
        .filter_map(|(option, path, render)| {
            Some(Form { option, destination: Destination::new(path?), render })
        })
        .collect();
    let mut on_standard_output = forms.iter().filter(|form| form.destination == Destination::Standard);
    match (on_standard_output.next(), on_standard_output.next()) {
        (Some(first), Some(second)) => return Err(Misuse::OneStandardOutput(first.option, second.option)),
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
