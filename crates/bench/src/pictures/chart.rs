//! A chart of lines: axes, points with whiskers, and names at the ends of the lines.

use super::draw::{At, Format, Mark, Shape, Side, Stroke, Style, Svg};
use super::ink::{self, Ink};
use super::labels;
use super::scale::{Domain, Scale};

/// Explains hollow marks; short, because it stands beside the title of an axis on narrow sheets too.
const HOLLOW: &str = "hollow: suspect";

/// How far the outermost points stand from the axes.
const INSET: f64 = 10.0;

/// One of a chart's two axes.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// What it shows, with the unit if the ticks have none.
    pub(super) title: String,
    /// From where to where.
    pub(super) domain: Domain,
    /// How a figure is written at a tick.
    pub(super) label: fn(f64) -> String,
}

/// A measured or predicted point.
#[derive(Clone, Debug)]
pub(super) struct Dot {
    /// Its place on the lower axis.
    pub(super) x: f64,
    /// Its height.
    pub(super) y: f64,
    /// From where to where rounds lay.
    pub(super) spread: Option<(f64, f64)>,
    /// True if its row is suspect: drawn hollow, with no line through it.
    pub(super) suspect: bool,
    /// What a pointer that rests on it is told.
    pub(super) note: String,
}

impl Dot {
    /// A point that is only passed by a line.
    pub(super) fn bare(x: f64, y: f64) -> Self {
        Dot { x, y, spread: None, suspect: false, note: String::new() }
    }
}

/// A line through points.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// What stands at its end; nothing if the text explains it.
    pub(super) name: String,
    /// Its colour.
    pub(super) ink: Ink,
    /// What stands at its points; nothing for what was not measured.
    pub(super) shape: Option<Shape>,
    /// Lengths of its dashes and gaps.
    pub(super) dash: &'static str,
    /// From left to right.
    pub(super) dots: Vec<Dot>,
}

impl Line {
    /// Point at which its name stands: the last one that the line passes through, or else the last one.
    fn end(&self) -> Option<&Dot> {
        self.dots.iter().rfind(|dot| !dot.suspect).or(self.dots.last())
    }
}

/// A place on the lower axis that deserves a line and a name.
#[derive(Clone, Debug)]
pub(super) struct Landmark {
    /// Where.
    pub(super) x: f64,
    /// Its name.
    pub(super) name: String,
}

/// A chart of lines.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// The lower axis.
    pub(super) x: Axis,
    /// The one on the left.
    pub(super) y: Axis,
    /// The height that figures are compared with.
    pub(super) level: Option<f64>,
    /// A place that deserves a name.
    pub(super) landmark: Option<Landmark>,
    /// From the hindmost to the one in front.
    pub(super) lines: Vec<Line>,
}

/// Where a chart's parts go.
struct Plan {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Scale,
    y: Scale,
    y_ticks: Vec<f64>,
}

impl Chart {
    /// Draws it.
    pub(super) fn draw(&self, format: Format) -> Svg {
        let mut svg = Svg::new(format, format.height);
        let plan = self.plan(&format);
        self.draw_y(&mut svg, &plan);
        self.draw_x(&mut svg, &plan, &format);
        self.draw_landmark(&mut svg, &plan, &format);
        for line in &self.lines {
            draw_line(&mut svg, &plan, line);
        }
        self.draw_names(&mut svg, &plan, &format);
        if self.has_suspects() {
            svg.text((format.width, 10.0), HOLLOW, Style::plain(ink::MUTED, Side::Left));
        }
        svg
    }

    /// Returns whether a point is drawn hollow.
    pub(super) fn has_suspects(&self) -> bool {
        self.lines.iter().flat_map(|line| &line.dots).any(|dot| dot.suspect)
    }

    fn plan(&self, format: &Format) -> Plan {
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
        Plan {
            left,
            right,
            top,
            bottom,
            x: self.x.domain.onto(left + INSET, right - INSET),
            y: self.y.domain.onto(bottom, top),
            y_ticks,
        }
    }

    fn draw_y(&self, svg: &mut Svg, plan: &Plan) {
        let Plan { left, right, .. } = *plan;
        for tick in &plan.y_ticks {
            let y = plan.y.at(*tick);
            svg.line(&[(left, y), (right, y)], Stroke::plain(ink::GRID, 1.0));
            svg.text((left - 7.0, y), &(self.y.label)(*tick), Style::plain(ink::MUTED, Side::Left));
        }
        if let Some(level) = self.level {
            let y = plan.y.at(level);
            svg.line(&[(left, y), (right, y)], Stroke::plain(ink::AXIS, 1.5));
        }
        svg.text((0.0, 10.0), &self.y.title, Style::plain(ink::TEXT, Side::Right));
    }

    fn draw_x(&self, svg: &mut Svg, plan: &Plan, format: &Format) {
        let Plan { left, right, bottom, .. } = *plan;
        svg.line(&[(left, bottom), (right, bottom)], Stroke::plain(ink::AXIS, 1.0));
        for tick in self.x.domain.small_ticks() {
            let x = plan.x.at(tick);
            svg.line(&[(x, bottom), (x, bottom + 2.5)], Stroke::plain(ink::AXIS, 1.0));
        }
        for tick in self.x_ticks(plan, format) {
            let x = plan.x.at(tick);
            svg.line(&[(x, bottom), (x, bottom + 5.0)], Stroke::plain(ink::AXIS, 1.0));
            let text = (self.x.label)(tick);
            // The outermost may stick out of the plot, but not of the sheet.
            let half = format.width_of(&text) / 2.0;
            let x = x.clamp(half, (format.width - half).max(half));
            svg.text((x, bottom + format.font), &text, Style::plain(ink::MUTED, Side::Middle));
        }
        let middle = ((left + right) / 2.0, format.height - format.font * 0.8);
        svg.text(middle, &self.x.title, Style::plain(ink::TEXT, Side::Middle));
    }

    /// As many ticks as have room for their figures.
    fn x_ticks(&self, plan: &Plan, format: &Format) -> Vec<f64> {
        let fits = |ticks: &[f64]| {
            let ends = ticks.iter().map(|tick| {
                let half = format.width_of(&(self.x.label)(*tick)) / 2.0 + 5.0;
                (plan.x.at(*tick) - half, plan.x.at(*tick) + half)
            });
            let ends: Vec<(f64, f64)> = ends.collect();
            ends.windows(2).all(|pair| pair[0].1 <= pair[1].0)
        };
        (2..=12)
            .rev()
            .map(|most| self.x.domain.ticks(most))
            .find(|ticks| fits(ticks))
            .unwrap_or_else(|| self.x.domain.ticks(2).into_iter().take(1).collect())
    }

    fn draw_landmark(&self, svg: &mut Svg, plan: &Plan, format: &Format) {
        let Some(Landmark { x, name }) = &self.landmark else { return };
        let x = plan.x.at(*x);
        let stroke = Stroke { ink: ink::TEXT, width: 1.0, dash: "2 3" };
        // It reaches up beside its name, so that the name is not taken for the axis' title above.
        let row = plan.top - format.font * 1.1;
        svg.line(&[(x, row - format.font * 0.5), (x, plan.bottom)], stroke);
        let fits = x + 6.0 + format.width_of(name) <= format.width;
        let (x, side) = if fits { (x + 6.0, Side::Right) } else { (x - 6.0, Side::Left) };
        svg.text((x, row), name, Style::plain(ink::TEXT, side).bold());
    }

    fn draw_names(&self, svg: &mut Svg, plan: &Plan, format: &Format) {
        let named: Vec<(&Line, At)> = self
            .lines
            .iter()
            .filter(|line| !line.name.is_empty())
            .filter_map(|line| line.end().map(|dot| (line, (plan.x.at(dot.x), plan.y.at(dot.y)))))
            .collect();
        let heights: Vec<f64> = named.iter().map(|(_, end)| end.1).collect();
        let heights = labels::apart(&heights, format.font * 1.2, (plan.top, plan.bottom));
        for ((line, end), y) in named.into_iter().zip(heights) {
            let stroke = Stroke::plain(line.ink, 0.8);
            svg.line(&[(end.0 + 5.0, end.1), (plan.right, end.1), (plan.right + 8.0, y)], stroke);
            let name = format.cut(&line.name, format.width - plan.right - 11.0);
            svg.text((plan.right + 11.0, y), &name, Style::plain(line.ink, Side::Right).bold());
        }
    }
}

fn draw_line(svg: &mut Svg, plan: &Plan, line: &Line) {
    let at = |x: f64, y: f64| (plan.x.at(x), plan.y.at(y));
    for dot in &line.dots {
        let Some((low, high)) = dot.spread else { continue };
        draw_whisker(svg, at(dot.x, low), at(dot.x, high), line.ink);
    }
    let path: Vec<At> = line.dots.iter().filter(|dot| !dot.suspect).map(|dot| at(dot.x, dot.y)).collect();
    let width = if line.shape.is_some() { 2.2 } else { 1.6 };
    svg.line(&path, Stroke { ink: line.ink, width, dash: line.dash });
    for dot in &line.dots {
        if let Some(shape) = line.shape {
            svg.mark(Mark { shape, ink: line.ink, hollow: dot.suspect }, at(dot.x, dot.y), &dot.note);
        }
    }
}

/// From the lowest round to the highest, unless the mark would hide it anyway.
fn draw_whisker(svg: &mut Svg, low: At, high: At, ink: Ink) {
    if low.1 - high.1 < 8.0 {
        return;
    }
    let stroke = Stroke::plain(ink, 1.2);
    svg.line(&[low, high], stroke);
    for (x, y) in [low, high] {
        svg.line(&[(x - 4.0, y), (x + 4.0, y)], stroke);
    }
}
