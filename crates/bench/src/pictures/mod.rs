//! Pictures of a [`Report`]: files for papers, and a page for people. Nothing here reads or writes anything.

mod answer;
mod bars;
mod batches;
mod chart;
mod codecs;
mod data;
mod draw;
mod ink;
mod labels;
mod ledger;
mod page;
mod panel;
mod scale;
mod speedup;
mod transports;
mod units;
mod workers;

#[cfg(test)]
mod tests;

use crate::report::Report;
use draw::Format;
use panel::Panel;

/// A picture as a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// What a file with it should be called, without an ending.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// The file: dark on white, without scripts or anything that is loaded, with a font that every system has.
    pub svg: String,
}

/// The names of all pictures that there can be.
pub const NAMES: [&str; 6] = ["speedup", "ledger", "workers", "batches", "codecs", "transports"];

/// All pictures that a report has figures for, as files.
pub fn svg(report: &Report) -> Vec<Picture> {
    let file = |panel: Panel| {
        debug_assert!(NAMES.contains(&panel.name), "{} is not in NAMES", panel.name);
        let svg = panel.sketch.draw(Format::WIDE, panel.name).file(&panel.title);
        Picture { name: panel.name, title: panel.title, svg }
    };
    panels(report).into_iter().map(file).collect()
}

/// All of a report as one page that needs nothing else: no other file, no network, no script.
pub fn html(report: &Report) -> String {
    page::page(report, &panels(report))
}

/// What there are figures for, in the order in which it is told.
fn panels(report: &Report) -> Vec<Panel> {
    let panels =
        [speedup::panel, ledger::panel, workers::panel, batches::panel, codecs::panel, transports::panel];
    panels.into_iter().filter_map(|panel| panel(report)).collect()
}
