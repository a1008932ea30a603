//! A picture with all that belongs to it.

use super::bars::Bars;
use super::chart::Chart;
use super::draw::{Format, Svg};

/// A picture, what to say of it, and its figures.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// Its name, for files and links.
    pub(super) name: &'static str,
    /// What it shows.
    pub(super) title: String,
    /// What it says here; may be empty.
    pub(super) finding: String,
    /// How to read it.
    pub(super) reading: String,
    /// What is drawn.
    pub(super) sketch: Sketch,
    /// The same in figures.
    pub(super) table: Table,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub(super) enum Sketch {
    Chart(Chart),
    Bars(Bars),
}

impl Sketch {
    /// Draws it; names inside start with the prefix, because those of all drawings on a page have to differ.
    pub(super) fn draw(&self, format: Format, prefix: &str) -> Svg {
        match self {
            Sketch::Chart(chart) => chart.draw(format),
            Sketch::Bars(bars) => bars.draw(format, prefix),
        }
    }
}

/// Figures in rows.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// What is in each column.
    pub(super) head: Vec<String>,
    /// Row by row.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// A table whose columns are always the same.
    pub(super) fn new(head: &[&str], rows: Vec<Vec<String>>) -> Self {
        Table { head: head.iter().map(|name| (*name).into()).collect(), rows }
    }
}
