//! A bar chart of stacked fields, with a legend.
//!
//! Every kind of field has a number, which is shown in the field and in the legend, so the chart can be read
//! without distinguishing colours or shades.

use super::draw::{Anchor, Fill, Format, Stroke, Style, Svg};
use super::palette::{self, Colour};
use super::units;
use crate::report::Side;

/// Groups of fields, in the order in which they are in a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Parent,
    Worker,
    Idle,
    Work,
}

/// A kind of field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) family: Family,
    pub(super) side: Side,
}

/// One bar.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    /// Label to the left of the bar.
    pub(super) name: String,
    /// Nanoseconds for each key.
    pub(super) parts: Vec<f64>,
}

/// Bars of equal length; each field is a share of its bar's total.
#[derive(Clone, Debug)]
pub(super) struct Bars {
    pub(super) keys: Vec<Key>,
    pub(super) bars: Vec<Bar>,
}

/// Fill of a kind of field.
struct FieldStyle {
    background: Colour,
    /// Name of its pattern, if it has one.
    pattern: Option<String>,
}

impl FieldStyle {
    fn fill(&self) -> Fill<'_> {
        self.pattern.as_deref().map_or(Fill::Plain(self.background), Fill::Pattern)
    }
}

/// Positions of the parts of the drawing.
struct BarLayout {
    left: f64,
    right: f64,
    top: f64,
    bar: f64,
    step: f64,
    row: f64,
}

impl Bars {
    /// Draws the bars; names of patterns start with `prefix`.
    pub(super) fn draw(&self, format: Format, prefix: &str) -> Svg {
        let layout = self.layout(&format);
        let legend = self.legend_rows() as f64 * layout.row;
        let bottom = layout.top + self.bars.len() as f64 * layout.step;
        let mut svg = Svg::new(format, bottom + legend + layout.row * 0.8);
        let styles = self.styles(&mut svg, &format!("{prefix}-{}", format.name));
        self.draw_head(&mut svg, &layout, &format);
        for (index, bar) in self.bars.iter().enumerate() {
            let top = layout.top + index as f64 * layout.step;
            draw_bar(&mut svg, &layout, &format, (bar, top), (&self.keys, &styles));
        }
        self.draw_legend(&mut svg, &layout, &format, (bottom + layout.row * 0.6, &styles));
        svg
    }

    fn layout(&self, format: &Format) -> BarLayout {
        let widest = |texts: &mut dyn Iterator<Item = String>| {
            texts.map(|text| format.width_of(&text)).fold(0.0, f64::max)
        };
        let left = widest(&mut self.bars.iter().map(|bar| bar.name.clone())) + 8.0;
        let right = format.width - widest(&mut self.bars.iter().map(whole)) - 8.0;
        let row = format.font * 1.6;
        BarLayout { left, right, top: row * 2.2, bar: format.font * 1.6, step: format.font * 2.1, row }
    }

    /// Assigns shades of the group's colour in turn; fields of workers are hatched.
    fn styles(&self, svg: &mut Svg, prefix: &str) -> Vec<FieldStyle> {
        let mut styles: Vec<FieldStyle> = Vec::new();
        for (index, key) in self.keys.iter().enumerate() {
            let rank = self.keys[..index].iter().filter(|other| other.family == key.family).count();
            let background = match key.family {
                Family::Parent => palette::PARENT[rank % palette::PARENT.len()],
                Family::Worker => palette::WORKER[rank % palette::WORKER.len()],
                Family::Idle => palette::IDLE,
                Family::Work => palette::WORK,
            };
            let pattern = (key.family == Family::Worker).then(|| format!("{prefix}-{index}"));
            if let Some(name) = &pattern {
                svg.hatch(name, background, palette::HATCH);
            }
            styles.push(FieldStyle { background, pattern });
        }
        styles
    }

    fn draw_head(&self, svg: &mut Svg, layout: &BarLayout, format: &Format) {
        let y = layout.row * 0.5;
        svg.text((0.0, y), "work in a job", Style::plain(palette::TEXT, Anchor::Right));
        svg.text((format.width, y), "total time", Style::plain(palette::TEXT, Anchor::Left));
        let bottom = layout.top + self.bars.len() as f64 * layout.step - (layout.step - layout.bar);
        for quarter in 0..=4 {
            let x = layout.left + (layout.right - layout.left) * f64::from(quarter) / 4.0;
            let text = format!("{} %", quarter * 25);
            svg.line(&[(x, layout.top - 4.0), (x, bottom + 3.0)], Stroke::plain(palette::GRID, 1.0));
            svg.text((x, layout.top - layout.row * 0.6), &text, Style::plain(palette::MUTED, Anchor::Middle));
        }
    }

    /// Indices of the keys in each of the two columns of the legend.
    fn columns(&self) -> [Vec<usize>; 2] {
        let of = |side: Side| {
            (0..self.keys.len()).filter(|index| self.keys[*index].side == side).collect::<Vec<usize>>()
        };
        [of(Side::Parent), of(Side::Worker)]
    }

    fn legend_rows(&self) -> usize {
        self.columns().iter().map(Vec::len).max().unwrap_or(0) + 1
    }

    fn draw_legend(
        &self,
        svg: &mut Svg,
        layout: &BarLayout,
        format: &Format,
        (top, styles): (f64, &[FieldStyle]),
    ) {
        let half = format.width / 2.0;
        for (column, heading) in self.columns().into_iter().zip(["in the parent", "in the workers"]) {
            if column.is_empty() {
                continue;
            }
            let left = if self.keys[column[0]].side == Side::Parent { 0.0 } else { half };
            svg.text(
                (left, top + layout.row * 0.5),
                heading,
                Style::plain(palette::TEXT, Anchor::Right).bold(),
            );
            for (rank, index) in column.into_iter().enumerate() {
                let y = top + (rank as f64 + 1.0) * layout.row;
                let key = &self.keys[index];
                let size = (format.font * 2.0, layout.row - 4.0);
                svg.field((left, y + 2.0), size, styles[index].fill(), &key.name);
                let number = Style::plain(palette::TEXT, Anchor::Middle);
                svg.text((left + format.font, y + layout.row * 0.5), &(index + 1).to_string(), number);
                let text = format.truncate(&legend_name(key), half - format.font * 2.6);
                let at = (left + format.font * 2.6, y + layout.row * 0.5);
                svg.text(at, &text, Style::plain(palette::TEXT, Anchor::Right));
            }
        }
    }
}

/// Name of a key in the legend; marks the one that is the work itself.
fn legend_name(key: &Key) -> String {
    match key.family {
        Family::Work => format!("{} (the work)", key.name),
        _ => key.name.clone(),
    }
}

/// Total time of a bar.
fn whole(bar: &Bar) -> String {
    units::time(bar.parts.iter().sum())
}

fn draw_bar(
    svg: &mut Svg,
    layout: &BarLayout,
    format: &Format,
    (bar, top): (&Bar, f64),
    (keys, styles): (&[Key], &[FieldStyle]),
) {
    let middle = top + layout.bar / 2.0;
    svg.text((layout.left - 8.0, middle), &bar.name, Style::plain(palette::TEXT, Anchor::Left));
    svg.text((format.width, middle), &whole(bar), Style::plain(palette::TEXT, Anchor::Left));
    let sum: f64 = bar.parts.iter().sum();
    let mut from = layout.left;
    for (index, ns) in bar.parts.iter().enumerate() {
        let to = from + (layout.right - layout.left) * ns / sum;
        // A narrow gap instead of an outline, which would hide thin fields.
        let width = if to - from > 3.0 { to - from - 1.0 } else { to - from };
        if width > 0.05 {
            let name = &keys[index].name;
            let note = format!("{name}: {} a job, {}", units::time(*ns), units::percent(ns / sum));
            svg.field((from, top), (width, layout.bar), styles[index].fill(), &note);
            if let Some(text) = fitting(format, &keys[index], (index, *ns), width - 4.0) {
                let style = Style::plain(palette::TEXT, Anchor::Middle);
                svg.text((from + width / 2.0, middle), &text, style);
            }
        }
        from = to;
    }
}

/// The longest label that fits into a field of a width.
fn fitting(format: &Format, key: &Key, (index, ns): (usize, f64), width: f64) -> Option<String> {
    let (number, time) = (index + 1, units::time(ns));
    [format!("{number} {}: {time}", key.name), format!("{number}: {time}"), number.to_string()]
        .into_iter()
        .find(|text| format.width_of(text) <= width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_as_long_as_fits() {
        let key = Key { name: "send".into(), family: Family::Parent, side: Side::Parent };
        let label = |width| fitting(&Format::WIDE, &key, (1, 12.0), width);
        assert_eq!(label(200.0).as_deref(), Some("2 send: 12 ns"));
        assert_eq!(label(80.0).as_deref(), Some("2: 12 ns"));
        assert_eq!(label(10.0).as_deref(), Some("2"));
        assert_eq!(label(3.0), None);
    }
}
