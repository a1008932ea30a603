//! A section of the page: a picture with its texts and its table.

use super::bars::Bars;
use super::chart::Chart;
use super::draw::{Format, Svg};

/// A picture with its title, texts and values.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// Name in files and links.
    pub(super) name: &'static str,
    /// Title.
    pub(super) title: String,
    /// Result that the picture shows; may be empty.
    pub(super) finding: String,
    /// Caption: explains how to read the picture.
    pub(super) reading: String,
    /// The drawing.
    pub(super) sketch: Sketch,
    /// The same data as a table.
    pub(super) table: Table,
}

/// A drawing before it has a format.
#[derive(Clone, Debug)]
pub(super) enum Sketch {
    Chart(Chart),
    Bars(Bars),
}

impl Sketch {
    /// Draws it. Identifiers inside start with `prefix`, because those of all drawings on a page have to
    /// differ.
    pub(super) fn draw(&self, format: Format, prefix: &str) -> Svg {
        match self {
            Sketch::Chart(chart) => chart.draw(format),
            Sketch::Bars(bars) => bars.draw(format, prefix),
        }
    }
}

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Headings of the columns.
    pub(super) head: Vec<String>,
    /// Cells, row by row.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with fixed columns.
    pub(super) fn new(head: &[&str], rows: Vec<Vec<String>>) -> Self {
        Table { head: head.iter().map(|name| (*name).into()).collect(), rows }
    }
}
