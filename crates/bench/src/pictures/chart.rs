//! A line chart: axes, points with whiskers, and labels at the ends of the lines.

use super::draw::{Anchor, Format, Mark, Position, Shape, Stroke, Style, Svg};
use super::labels;
use super::palette::{self, Colour};
use super::scale::{Domain, Scale};

/// Legend of hollow marks; short, because on narrow sheets it is next to the title of an axis.
const HOLLOW: &str = "hollow: suspect";

/// Distance of the outermost points from the axes.
const INSET: f64 = 10.0;

/// An axis of a chart.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Title, with the unit if the tick labels have none.
    pub(super) title: String,
    /// Range of values.
    pub(super) domain: Domain,
    /// Formats the label of a tick.
    pub(super) label: fn(f64) -> String,
}

/// A measured or predicted point.
#[derive(Clone, Debug)]
pub(super) struct Dot {
    /// Value on the lower axis.
    pub(super) x: f64,
    /// Value on the left axis.
    pub(super) y: f64,
    /// Minimum and maximum of the rounds.
    pub(super) spread: Option<(f64, f64)>,
    /// True if its row is suspect: the mark is hollow, and the line does not pass through it.
    pub(super) suspect: bool,
    /// Tooltip.
    pub(super) note: String,
}

impl Dot {
    /// A point without a mark, which only shapes a line.
    pub(super) fn bare(x: f64, y: f64) -> Self {
        Dot { x, y, spread: None, suspect: false, note: String::new() }
    }
}

/// A line through points.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Label at its end; empty if the caption explains the line.
    pub(super) name: String,
    /// Its colour.
    pub(super) colour: Colour,
    /// Mark at its points; `None` for values that were not measured.
    pub(super) shape: Option<Shape>,
    /// Lengths of dashes and gaps, as in `stroke-dasharray`.
    pub(super) dash: &'static str,
    /// Points from left to right.
    pub(super) dots: Vec<Dot>,
}

impl Line {
    /// Point at which the label is: the last one that the line passes through, or else the last one.
    fn end(&self) -> Option<&Dot> {
        self.dots.iter().rfind(|dot| !dot.suspect).or(self.dots.last())
    }
}

/// A value on the lower axis that is marked with a line and a label.
#[derive(Clone, Debug)]
pub(super) struct Landmark {
    /// The value.
    pub(super) x: f64,
    /// The label.
    pub(super) name: String,
}

/// A line chart.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// The lower axis.
    pub(super) x: Axis,
    /// The left axis.
    pub(super) y: Axis,
    /// Reference value on the left axis.
    pub(super) level: Option<f64>,
    /// Marked value on the lower axis.
    pub(super) landmark: Option<Landmark>,
    /// Lines from back to front.
    pub(super) lines: Vec<Line>,
}

/// Positions of the parts of the drawing.
struct ChartLayout {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Scale,
    y: Scale,
    y_ticks: Vec<f64>,
}

impl Chart {
    /// Draws the chart.
    pub(super) fn draw(&self, format: Format) -> Svg {
        let mut svg = Svg::new(format, format.height);
        let layout = self.layout(&format);
        self.draw_y(&mut svg, &layout);
        self.draw_x(&mut svg, &layout, &format);
        self.draw_landmark(&mut svg, &layout, &format);
        for line in &self.lines {
            draw_line(&mut svg, &layout, line);
        }
        self.draw_names(&mut svg, &layout, &format);
        if self.has_suspects() {
            svg.text((format.width, 10.0), HOLLOW, Style::plain(palette::MUTED, Anchor::Left));
        }
        svg
    }

    /// Returns whether some point is drawn hollow.
    pub(super) fn has_suspects(&self) -> bool {
        self.lines.iter().flat_map(|line| &line.dots).any(|dot| dot.suspect)
    }

    fn layout(&self, format: &Format) -> ChartLayout {
        let row = format.font * 1.5;
        let top = row * if self.landmark.is_some() { 2.4 } else { 1.4 };
        let bottom = format.height - row * 2.4;
        let y_ticks = self.y.domain.ticks(((bottom - top) / (format.font * 3.2)) as usize);
        let widest = |texts: &mut dyn Iterator<Item = String>| {
            texts.map(|text| format.width_of(&text)).fold(0.0, f64::max)
        };
        let left = widest(&mut y_ticks.iter().map(|tick| (self.y.label)(*tick))) + 8.0;
        let names = widest(&mut self.lines.iter().map(|line| line.name.clone()));
        let right = format.width - (names + 16.0).min(format.width * 0.35);
        ChartLayout {
            left,
            right,
            top,
            bottom,
            x: self.x.domain.onto(left + INSET, right - INSET),
            y: self.y.domain.onto(bottom, top),
            y_ticks,
        }
    }

    fn draw_y(&self, svg: &mut Svg, layout: &ChartLayout) {
        let ChartLayout { left, right, .. } = *layout;
        for tick in &layout.y_ticks {
            let y = layout.y.at(*tick);
            svg.line(&[(left, y), (right, y)], Stroke::plain(palette::GRID, 1.0));
            svg.text((left - 7.0, y), &(self.y.label)(*tick), Style::plain(palette::MUTED, Anchor::Left));
        }
        if let Some(level) = self.level {
            let y = layout.y.at(level);
            svg.line(&[(left, y), (right, y)], Stroke::plain(palette::AXIS, 1.5));
        }
        svg.text((0.0, 10.0), &self.y.title, Style::plain(palette::TEXT, Anchor::Right));
    }

    fn draw_x(&self, svg: &mut Svg, layout: &ChartLayout, format: &Format) {
        let ChartLayout { left, right, bottom, .. } = *layout;
        svg.line(&[(left, bottom), (right, bottom)], Stroke::plain(palette::AXIS, 1.0));
        for tick in self.x.domain.small_ticks() {
            let x = layout.x.at(tick);
            svg.line(&[(x, bottom), (x, bottom + 2.5)], Stroke::plain(palette::AXIS, 1.0));
        }
        for tick in self.x_ticks(layout, format) {
            let x = layout.x.at(tick);
            svg.line(&[(x, bottom), (x, bottom + 5.0)], Stroke::plain(palette::AXIS, 1.0));
            let text = (self.x.label)(tick);
            // The outermost labels may extend beyond the plot, but not beyond the sheet.
            let half = format.width_of(&text) / 2.0;
            let x = x.clamp(half, (format.width - half).max(half));
            svg.text((x, bottom + format.font), &text, Style::plain(palette::MUTED, Anchor::Middle));
        }
        let middle = ((left + right) / 2.0, format.height - format.font * 0.8);
        svg.text(middle, &self.x.title, Style::plain(palette::TEXT, Anchor::Middle));
    }

    /// Returns the largest number of ticks whose labels do not overlap.
    fn x_ticks(&self, layout: &ChartLayout, format: &Format) -> Vec<f64> {
        let fits = |ticks: &[f64]| {
            let ends = ticks.iter().map(|tick| {
                let half = format.width_of(&(self.x.label)(*tick)) / 2.0 + 5.0;
                (layout.x.at(*tick) - half, layout.x.at(*tick) + half)
            });
            let ends: Vec<(f64, f64)> = ends.collect();
            ends.windows(2).all(|pair| pair[0].1 <= pair[1].0)
        };
        (2..=12)
            .rev()
            .map(|max| self.x.domain.ticks(max))
            .find(|ticks| fits(ticks))
            .unwrap_or_else(|| self.x.domain.ticks(2).into_iter().take(1).collect())
    }

    fn draw_landmark(&self, svg: &mut Svg, layout: &ChartLayout, format: &Format) {
        let Some(Landmark { x, name }) = &self.landmark else { return };
        let x = layout.x.at(*x);
        let stroke = Stroke { colour: palette::TEXT, width: 1.0, dash: "2 3" };
        // The line extends up beside its label, which separates the label from the axis title above.
        let row = layout.top - format.font * 1.1;
        svg.line(&[(x, row - format.font * 0.5), (x, layout.bottom)], stroke);
        let fits = x + 6.0 + format.width_of(name) <= format.width;
        let (x, side) = if fits { (x + 6.0, Anchor::Right) } else { (x - 6.0, Anchor::Left) };
        svg.text((x, row), name, Style::plain(palette::TEXT, side).bold());
    }

    fn draw_names(&self, svg: &mut Svg, layout: &ChartLayout, format: &Format) {
        let named: Vec<(&Line, Position)> = self
            .lines
            .iter()
            .filter(|line| !line.name.is_empty())
            .filter_map(|line| line.end().map(|dot| (line, (layout.x.at(dot.x), layout.y.at(dot.y)))))
            .collect();
        let heights: Vec<f64> = named.iter().map(|(_, end)| end.1).collect();
        let heights = labels::without_overlap(&heights, format.font * 1.2, (layout.top, layout.bottom));
        for ((line, end), y) in named.into_iter().zip(heights) {
            let stroke = Stroke::plain(line.colour, 0.8);
            svg.line(&[(end.0 + 5.0, end.1), (layout.right, end.1), (layout.right + 8.0, y)], stroke);
            let name = format.truncate(&line.name, format.width - layout.right - 11.0);
            svg.text((layout.right + 11.0, y), &name, Style::plain(line.colour, Anchor::Right).bold());
        }
    }
}

fn draw_line(svg: &mut Svg, layout: &ChartLayout, line: &Line) {
    let at = |x: f64, y: f64| (layout.x.at(x), layout.y.at(y));
    for dot in &line.dots {
        let Some((low, high)) = dot.spread else { continue };
        draw_whisker(svg, at(dot.x, low), at(dot.x, high), line.colour);
    }
    let path: Vec<Position> =
        line.dots.iter().filter(|dot| !dot.suspect).map(|dot| at(dot.x, dot.y)).collect();
    let width = if line.shape.is_some() { 2.2 } else { 1.6 };
    svg.line(&path, Stroke { colour: line.colour, width, dash: line.dash });
    for dot in &line.dots {
        if let Some(shape) = line.shape {
            svg.mark(Mark { shape, colour: line.colour, hollow: dot.suspect }, at(dot.x, dot.y), &dot.note);
        }
    }
}

/// Draws a whisker from the lowest to the highest round, unless the mark would hide it.
fn draw_whisker(svg: &mut Svg, low: Position, high: Position, colour: Colour) {
    if low.1 - high.1 < 8.0 {
        return;
    }
    let stroke = Stroke::plain(colour, 1.2);
    svg.line(&[low, high], stroke);
    for (x, y) in [low, high] {
        svg.line(&[(x - 4.0, y), (x + 4.0, y)], stroke);
    }
}
