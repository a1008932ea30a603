//! Renders a [`Report`] as SVG files and as an HTML page. This module does no input or output.

mod bars;
mod batches;
mod chart;
mod codecs;
mod data;
mod draw;
mod labels;
mod ledger;
mod page;
mod palette;
mod panel;
mod scale;
mod speedup;
mod summary;
mod transports;
mod units;
mod workers;

#[cfg(test)]
mod tests;

use crate::report::Report;
use draw::Format;
use panel::Panel;

/// A picture as a standalone SVG file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// File name without the extension.
    pub name: &'static str,
    /// Title.
    pub title: String,
    /// Contents of the file: dark on white, without scripts or external resources, in a generic font.
    pub svg: String,
}

/// Names of all possible pictures.
pub const NAMES: [&str; 6] = ["speedup", "ledger", "workers", "batches", "codecs", "transports"];

/// Renders the pictures for which the report has data, as files.
pub fn svg(report: &Report) -> Vec<Picture> {
    let file = |panel: Panel| {
        debug_assert!(NAMES.contains(&panel.name), "{} is not in NAMES", panel.name);
        let svg = panel.sketch.draw(Format::WIDE, panel.name).file(&panel.title);
        Picture { name: panel.name, title: panel.title, svg }
    };
    panels(report).into_iter().map(file).collect()
}

/// Renders the report as one page without external resources: no other file, no network, no script.
pub fn html(report: &Report) -> String {
    page::page(report, &panels(report))
}

/// Returns the panels for which the report has data, in the order of the page.
fn panels(report: &Report) -> Vec<Panel> {
    let panels =
        [speedup::panel, ledger::panel, workers::panel, batches::panel, codecs::panel, transports::panel];
    panels.into_iter().filter_map(|panel| panel(report)).collect()
}
