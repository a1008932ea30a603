//! The plan of a measurement as plain data: arguments are checked, and no file is touched.

use std::path::PathBuf;

use bench::{
    Settings,
    report::{Report, Sweep},
};

use crate::{
    args::{BenchArguments, When},
    error::UsageError,
    files::Destination,
};

/// Settings and outputs of one `runner bench`.
#[derive(Debug)]
pub(super) struct BenchPlan {
    pub(super) settings: Settings,
    pub(super) renderings: Vec<Rendering>,
    /// Folder for the pictures.
    pub(super) pictures: Option<PathBuf>,
    pub(super) progress: When,
    pub(super) quiet: bool,
}

/// Renders a report as text.
type Render = fn(&Report) -> String;

/// A rendering of the report and its destination.
#[derive(Debug)]
pub(super) struct Rendering {
    pub(super) option: &'static str,
    pub(super) destination: Destination,
    pub(super) render: Render,
}

impl BenchPlan {
    /// Checks the arguments.
    pub(super) fn new(arguments: BenchArguments) -> Result<BenchPlan, UsageError> {
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
        let renderings = renderings(requested)?;
        let pictures = arguments.svg;
        Ok(BenchPlan { settings, renderings, pictures, progress: arguments.progress, quiet: arguments.quiet })
    }
}

/// Requested sweeps in the order in which they are shown, each once.
fn sweeps(arguments: &BenchArguments) -> Vec<Sweep> {
    let only: Vec<Sweep> = arguments.only.iter().copied().map(Sweep::from).collect();
    Sweep::ALL.into_iter().filter(|sweep| only.is_empty() || only.contains(sweep)).collect()
}

/// Requested renderings, and the table unless another rendering uses standard output.
fn renderings(requested: [(&'static str, Option<PathBuf>, Render); 3]) -> Result<Vec<Rendering>, UsageError> {
    let mut renderings: Vec<Rendering> = requested
        .into_iter()
        .filter_map(|(option, path, render)| {
            Some(Rendering { option, destination: Destination::new(path?), render })
        })
        .collect();
    let mut on_standard_output =
        renderings.iter().filter(|rendering| rendering.destination == Destination::Standard);
    match (on_standard_output.next(), on_standard_output.next()) {
        (Some(first), Some(second)) => {
            return Err(UsageError::OneStandardOutput(first.option, second.option));
        }
        (Some(_), None) => {}
        (None, _) => {
            renderings.push(Rendering {
                option: "",
                destination: Destination::Standard,
                render: bench::table,
            });
        }
    }
    Ok(renderings)
}

fn json(report: &Report) -> String {
    let text = serde_json::to_string_pretty(report);
    debug_assert!(text.is_ok(), "a report is plain data");
    text.unwrap_or_default() + "\n"
}
