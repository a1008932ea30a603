//! What to measure and where it goes, as plain data: checked, and nothing touched yet.

use std::path::{Path, PathBuf};

use bench::{
    Settings,
    report::{Report, Sweep},
};

use super::args::BenchArguments;
use crate::{args::When, error::Misuse};

/// Everything that one call of `runner bench` was asked for.
#[derive(Debug)]
pub(super) struct BenchPlan {
    pub(super) settings: Settings,
    pub(super) outputs: Vec<Output>,
    /// Where the pictures go.
    pub(super) pictures: Option<PathBuf>,
    pub(super) progress: When,
    pub(super) quiet: bool,
}

/// Makes text of a report.
type Render = fn(&Report) -> String;

/// A form that the report takes, and where it goes.
#[derive(Debug)]
pub(super) struct Output {
    /// Nothing: standard output.
    pub(super) path: Option<PathBuf>,
    pub(super) render: Render,
}

impl BenchPlan {
    /// The plan that the arguments describe.
    pub(super) fn new(arguments: BenchArguments) -> Result<BenchPlan, Misuse> {
        let usual = Settings::usual(arguments.quick);
        let settings = Settings {
            workers: arguments.workers.map_or(usual.workers, usize::from),
            rounds: arguments.rounds.map_or(usual.rounds, usize::from),
            run_time: arguments.run_time.unwrap_or(usual.run_time),
            sweeps: sweeps(&arguments),
            ..usual
        };
        let texts: [(_, Render); 3] =
            [(arguments.json, json), (arguments.csv, bench::csv), (arguments.html, bench::pictures::html)];
        let outputs = outputs(texts)?;
        let pictures = arguments.svg;
        Ok(BenchPlan { settings, outputs, pictures, progress: arguments.progress, quiet: arguments.quiet })
    }
}

/// In the order in which they are shown, each once.
fn sweeps(arguments: &BenchArguments) -> Vec<Sweep> {
    let only: Vec<Sweep> = arguments.only.iter().copied().map(Sweep::from).collect();
    Sweep::ALL.into_iter().filter(|sweep| only.is_empty() || only.contains(sweep)).collect()
}

/// What was asked for, and the table, unless something else takes its place on standard output.
fn outputs(asked: [(Option<PathBuf>, Render); 3]) -> Result<Vec<Output>, Misuse> {
    let mut outputs: Vec<Output> = asked
        .into_iter()
        .filter_map(|(path, render)| {
            Some(Output { path: path.map(|path| (path != Path::new("-")).then_some(path))?, render })
        })
        .collect();
    match outputs.iter().filter(|output| output.path.is_none()).count() {
        0 => outputs.push(Output { path: None, render: bench::table }),
        1 => {}
        _ => return Err(Misuse::OneStandardOutput),
    }
    Ok(outputs)
}

fn json(report: &Report) -> String {
    let text = serde_json::to_string_pretty(report);
    debug_assert!(text.is_ok(), "a report is plain data");
    text.unwrap_or_default() + "\n"
}
