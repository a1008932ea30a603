//! Bars that are divided into fields, and a legend that says which field is what.
//!
//! Every kind of field has a number: it stands in the field and in the legend, so neither colours nor shades have to be
//! told apart.

use super::draw::{Fill, Format, Side as Anchor, Stroke, Style, Svg};
use super::ink::{self, Ink};
use super::units;
use crate::report::Side;

/// What fields have in common, in the order in which they stand in a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Parent,
    Worker,
    Idle,
    Work,
}

/// What a field means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) family: Family,
    pub(super) side: Side,
}

/// One bar.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    /// What stands in front of it.
    pub(super) name: String,
    /// Nanoseconds for each key.
    pub(super) parts: Vec<f64>,
}

/// Bars of equal length, whose fields are parts of a whole.
#[derive(Clone, Debug)]
pub(super) struct Bars {
    pub(super) keys: Vec<Key>,
    pub(super) bars: Vec<Bar>,
}

/// How a kind of field is drawn.
struct Look {
    ground: Ink,
    /// The name of its pattern, if it has one.
    pattern: Option<String>,
}

impl Look {
    fn fill(&self) -> Fill<'_> {
        self.pattern.as_deref().map_or(Fill::Plain(self.ground), Fill::Pattern)
    }
}

/// Where a drawing's parts go.
struct Plan {
    left: f64,
    right: f64,
    top: f64,
    bar: f64,
    step: f64,
    row: f64,
}

impl Bars {
    /// Draws them; patterns are named after the prefix.
    pub(super) fn draw(&self, format: Format, prefix: &str) -> Svg {
        let plan = self.plan(&format);
        let legend = self.legend_rows() as f64 * plan.row;
        let bottom = plan.top + self.bars.len() as f64 * plan.step;
        let mut svg = Svg::new(format, bottom + legend + plan.row * 0.8);
        let looks = self.looks(&mut svg, &format!("{prefix}-{}", format.name));
        self.draw_head(&mut svg, &plan, &format);
        for (index, bar) in self.bars.iter().enumerate() {
            let top = plan.top + index as f64 * plan.step;
            draw_bar(&mut svg, &plan, &format, (bar, top), (&self.keys, &looks));
        }
        self.draw_legend(&mut svg, &plan, &format, (bottom + plan.row * 0.6, &looks));
        svg
    }

    fn plan(&self, format: &Format) -> Plan {
        let widest = |texts: &mut dyn Iterator<Item = String>| {
            texts.map(|text| format.width_of(&text)).fold(0.0, f64::max)
        };
        let left = widest(&mut self.bars.iter().map(|bar| bar.name.clone())) + 8.0;
        let right = format.width - widest(&mut self.bars.iter().map(whole)) - 8.0;
        let row = format.font * 1.6;
        Plan { left, right, top: row * 2.2, bar: format.font * 1.6, step: format.font * 2.1, row }
    }

    /// Shades of the family's colour in turn; a worker's are hatched.
    fn looks(&self, svg: &mut Svg, prefix: &str) -> Vec<Look> {
        let mut looks: Vec<Look> = Vec::new();
        for (index, key) in self.keys.iter().enumerate() {
            let rank = self.keys[..index].iter().filter(|other| other.family == key.family).count();
            let ground = match key.family {
                Family::Parent => ink::PARENT[rank % ink::PARENT.len()],
                Family::Worker => ink::WORKER[rank % ink::WORKER.len()],
                Family::Idle => ink::IDLE,
                Family::Work => ink::WORK,
            };
            let pattern = (key.family == Family::Worker).then(|| format!("{prefix}-{index}"));
            if let Some(name) = &pattern {
                svg.hatch(name, ground, ink::HATCH);
            }
            looks.push(Look { ground, pattern });
        }
        looks
    }

    fn draw_head(&self, svg: &mut Svg, plan: &Plan, format: &Format) {
        let y = plan.row * 0.5;
        svg.text((0.0, y), "work in a job", Style::plain(ink::TEXT, Anchor::Right));
        svg.text((format.width, y), "time in all", Style::plain(ink::TEXT, Anchor::Left));
        let bottom = plan.top + self.bars.len() as f64 * plan.step - (plan.step - plan.bar);
        for quarter in 0..=4 {
            let x = plan.left + (plan.right - plan.left) * f64::from(quarter) / 4.0;
            let text = format!("{} %", quarter * 25);
            svg.line(&[(x, plan.top - 4.0), (x, bottom + 3.0)], Stroke::plain(ink::GRID, 1.0));
            svg.text((x, plan.top - plan.row * 0.6), &text, Style::plain(ink::MUTED, Anchor::Middle));
        }
    }

    /// What a column of the legend holds: indices of keys.
    fn columns(&self) -> [Vec<usize>; 2] {
        let of = |side: Side| {
            (0..self.keys.len()).filter(|index| self.keys[*index].side == side).collect::<Vec<usize>>()
        };
        [of(Side::Parent), of(Side::Worker)]
    }

    fn legend_rows(&self) -> usize {
        self.columns().iter().map(Vec::len).max().unwrap_or(0) + 1
    }

    fn draw_legend(&self, svg: &mut Svg, plan: &Plan, format: &Format, (top, looks): (f64, &[Look])) {
        let half = format.width / 2.0;
        for (column, heading) in self.columns().into_iter().zip(["in the parent", "in the workers"]) {
            if column.is_empty() {
                continue;
            }
            let left = if self.keys[column[0]].side == Side::Parent { 0.0 } else { half };
            svg.text((left, top + plan.row * 0.5), heading, Style::plain(ink::TEXT, Anchor::Right).bold());
            for (rank, index) in column.into_iter().enumerate() {
                let y = top + (rank as f64 + 1.0) * plan.row;
                let key = &self.keys[index];
                let size = (format.font * 2.0, plan.row - 4.0);
                svg.field((left, y + 2.0), size, looks[index].fill(), &key.name);
                let number = Style::plain(ink::TEXT, Anchor::Middle);
                svg.text((left + format.font, y + plan.row * 0.5), &(index + 1).to_string(), number);
                let text = format.cut(&explained(key), half - format.font * 2.6);
                let at = (left + format.font * 2.6, y + plan.row * 0.5);
                svg.text(at, &text, Style::plain(ink::TEXT, Anchor::Right));
            }
        }
    }
}

/// A key's name, with a word for the one that is no cost.
fn explained(key: &Key) -> String {
    match key.family {
        Family::Work => format!("{} (the work)", key.name),
        _ => key.name.clone(),
    }
}

/// All of a bar's time.
fn whole(bar: &Bar) -> String {
    units::time(bar.parts.iter().sum())
}

fn draw_bar(
    svg: &mut Svg,
    plan: &Plan,
    format: &Format,
    (bar, top): (&Bar, f64),
    (keys, looks): (&[Key], &[Look]),
) {
    let middle = top + plan.bar / 2.0;
    svg.text((plan.left - 8.0, middle), &bar.name, Style::plain(ink::TEXT, Anchor::Left));
    svg.text((format.width, middle), &whole(bar), Style::plain(ink::TEXT, Anchor::Left));
    let sum: f64 = bar.parts.iter().sum();
    let mut from = plan.left;
    for (index, ns) in bar.parts.iter().enumerate() {
        let to = from + (plan.right - plan.left) * ns / sum;
        // A narrow gap instead of a rim: rims would hide what is thin.
        let width = if to - from > 3.0 { to - from - 1.0 } else { to - from };
        if width > 0.05 {
            let name = &keys[index].name;
            let note = format!("{name}: {} a job, {}", units::time(*ns), units::percent(ns / sum));
            svg.field((from, top), (width, plan.bar), looks[index].fill(), &note);
            if let Some(text) = fitting(format, &keys[index], (index, *ns), width - 4.0) {
                let style = Style::plain(ink::TEXT, Anchor::Middle);
                svg.text((from + width / 2.0, middle), &text, style);
            }
        }
        from = to;
    }
}

/// As much as can be said in a field of some width.
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
    fn fields_say_as_much_as_fits() {
        let key = Key { name: "send".into(), family: Family::Parent, side: Side::Parent };
        let said = |width| fitting(&Format::WIDE, &key, (1, 12.0), width);
        assert_eq!(said(200.0).as_deref(), Some("2 send: 12 ns"));
        assert_eq!(said(80.0).as_deref(), Some("2: 12 ns"));
        assert_eq!(said(10.0).as_deref(), Some("2"));
        assert_eq!(said(3.0), None);
    }
}
