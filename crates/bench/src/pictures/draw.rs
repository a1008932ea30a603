//! A writer of SVG.
//!
//! Every colour is written twice: as an attribute, which any program that reads SVG supports, and as a class,
//! with which the style sheet of a page can replace it.

use std::fmt::Write;

use super::palette::{self, Colour};

/// Average width of a character as a fraction of the font size. An upper estimate, because the font that is
/// used is not known.
const CHAR_WIDTH: f64 = 0.63;

/// Margin around a drawing in a file.
const MARGIN: f64 = 12.0;

/// A position: distance from the left and from the top.
pub(super) type Position = (f64, f64);

/// Size of a drawing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Format {
    /// Name in classes and identifiers.
    pub(super) name: &'static str,
    /// Width.
    pub(super) width: f64,
    /// Height, unless the contents need another.
    pub(super) height: f64,
    /// Font size.
    pub(super) font: f64,
}

impl Format {
    /// Format for paper and large screens.
    pub(super) const WIDE: Format = Format { name: "wide", width: 720.0, height: 380.0, font: 13.0 };
    /// Format for phones: a separate drawing, because text of a scaled wide one would be too small.
    pub(super) const NARROW: Format = Format { name: "narrow", width: 340.0, height: 320.0, font: 12.0 };

    /// Approximate width of a text.
    pub(super) fn width_of(&self, text: &str) -> f64 {
        text.chars().count() as f64 * self.font * CHAR_WIDTH
    }

    /// Truncates a text to a width, with an ellipsis.
    pub(super) fn truncate(&self, text: &str, width: f64) -> String {
        if self.width_of(text) <= width {
            return text.into();
        }
        let fit = (width / (self.font * CHAR_WIDTH)) as usize;
        text.chars().take(fit.saturating_sub(1)).chain(['\u{2026}']).collect()
    }
}

/// Style of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    pub(super) colour: Colour,
    pub(super) width: f64,
    /// Lengths of dashes and gaps; empty for a solid line.
    pub(super) dash: &'static str,
}

impl Stroke {
    /// A solid line.
    pub(super) const fn plain(colour: Colour, width: f64) -> Self {
        Stroke { colour, width, dash: "" }
    }
}

/// Fill of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fill<'a> {
    /// A colour.
    Plain(Colour),
    /// A pattern with this identifier.
    Pattern(&'a str),
}

/// Side of its position on which a text is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Right,
    Middle,
    Left,
}

/// Style of text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) colour: Colour,
    pub(super) anchor: Anchor,
    pub(super) bold: bool,
}

impl Style {
    /// Plain text at a side of its position.
    pub(super) const fn plain(colour: Colour, anchor: Anchor) -> Self {
        Style { colour, anchor, bold: false }
    }

    /// The same in bold.
    pub(super) const fn bold(self) -> Self {
        Style { bold: true, ..self }
    }
}

/// Shape of the mark at a point, which distinguishes lines without colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Wedge,
}

impl Shape {
    /// Shapes in the order in which they are assigned to lines.
    pub(super) const ALL: [Shape; 5] =
        [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Diamond, Shape::Wedge];

    /// Corners around a point; empty for a circle.
    fn corners(self, (x, y): Position) -> Vec<Position> {
        match self {
            Shape::Circle => Vec::new(),
            Shape::Square => {
                vec![(x - 3.2, y - 3.2), (x + 3.2, y - 3.2), (x + 3.2, y + 3.2), (x - 3.2, y + 3.2)]
            }
            Shape::Triangle => vec![(x, y - 4.4), (x + 4.2, y + 3.2), (x - 4.2, y + 3.2)],
            Shape::Diamond => vec![(x, y - 4.8), (x + 4.8, y), (x, y + 4.8), (x - 4.8, y)],
            Shape::Wedge => vec![(x, y + 4.4), (x + 4.2, y - 3.2), (x - 4.2, y - 3.2)],
        }
    }
}

/// A mark at a point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) shape: Shape,
    pub(super) colour: Colour,
    /// True for an outline without a fill.
    pub(super) hollow: bool,
}

impl Mark {
    /// Colours of the fill and of the outline, and the width of the outline. The outline of a filled mark has
    /// the colour of the paper, which separates marks that touch.
    fn colours(self) -> (Colour, Colour, f64) {
        if self.hollow { (palette::PAPER, self.colour, 1.6) } else { (self.colour, palette::PAPER, 1.0) }
    }
}

/// An SVG document that is being written.
#[derive(Debug)]
pub(super) struct Svg {
    format: Format,
    height: f64,
    body: String,
}

impl Svg {
    /// An empty drawing.
    pub(super) fn new(format: Format, height: f64) -> Self {
        Svg { format, height, body: String::new() }
    }

    /// Draws a line through points.
    pub(super) fn line(&mut self, points: &[Position], stroke: Stroke) {
        if points.len() < 2 {
            return;
        }
        let path = path_data(points);
        let Stroke { colour, width, dash } = stroke;
        let dash = if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") };
        let _ = writeln!(
            self.body,
            "<path d=\"{path}\" fill=\"none\" class=\"s-{}\" stroke=\"{}\" stroke-width=\"{}\"{dash} \
             stroke-linejoin=\"round\"/>",
            colour.name,
            colour.light,
            coordinate(width),
        );
    }

    /// Draws a mark at a point, with a tooltip.
    pub(super) fn mark(&mut self, mark: Mark, at: Position, note: &str) {
        let (fill, outline, width) = mark.colours();
        let colours = format!(
            "class=\"f-{} s-{}\" fill=\"{}\" stroke=\"{}\" stroke-width=\"{}\"",
            fill.name,
            outline.name,
            fill.light,
            outline.light,
            coordinate(width)
        );
        let note = escaped(note);
        let _ = match mark.shape {
            Shape::Circle => {
                let (x, y) = (coordinate(at.0), coordinate(at.1));
                writeln!(
                    self.body,
                    "<circle cx=\"{x}\" cy=\"{y}\" r=\"3.8\" {colours}><title>{note}</title></circle>"
                )
            }
            _ => {
                let path = path_data(&mark.shape.corners(at));
                writeln!(self.body, "<path d=\"{path}Z\" {colours}><title>{note}</title></path>")
            }
        };
    }

    /// Draws a field from its upper left corner, with a tooltip.
    pub(super) fn field(&mut self, at: Position, (width, height): (f64, f64), fill: Fill<'_>, note: &str) {
        let fill = match fill {
            Fill::Plain(colour) => format!("class=\"f-{}\" fill=\"{}\"", colour.name, colour.light),
            Fill::Pattern(name) => format!("fill=\"url(#{name})\""),
        };
        let _ = writeln!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {fill}><title>{}</title></rect>",
            coordinate(at.0),
            coordinate(at.1),
            coordinate(width),
            coordinate(height),
            escaped(note)
        );
    }

    /// Defines a pattern of oblique lines on a background.
    pub(super) fn hatch(&mut self, name: &str, ground: Colour, lines: Colour) {
        let _ = writeln!(
            self.body,
            "<defs><pattern id=\"{name}\" patternUnits=\"userSpaceOnUse\" width=\"6\" height=\"6\" \
             patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" class=\"f-{}\" fill=\"{}\"/>\
             <path d=\"M0,0V6\" class=\"s-{}\" stroke=\"{}\" stroke-width=\"2\"/></pattern></defs>",
            ground.name, ground.light, lines.name, lines.light
        );
    }

    /// Draws text, vertically centred at `y`.
    pub(super) fn text(&mut self, (x, y): Position, text: &str, style: Style) {
        let anchor = match style.anchor {
            Anchor::Right => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::Left => " text-anchor=\"end\"",
        };
        let weight = if style.bold { " font-weight=\"600\"" } else { "" };
        let _ = writeln!(
            self.body,
            "<text x=\"{}\" y=\"{}\"{anchor}{weight} class=\"f-{}\" fill=\"{}\">{}</text>",
            coordinate(x),
            // Renderers disagree about `dominant-baseline`, so the offset is computed.
            coordinate(y + self.format.font * 0.35),
            style.colour.name,
            style.colour.light,
            escaped(text)
        );
    }

    /// Returns a standalone file, on white paper, with a margin.
    pub(super) fn file(self, title: &str) -> String {
        let (width, height) =
            (coordinate(self.format.width + 2.0 * MARGIN), coordinate(self.height + 2.0 * MARGIN));
        let start = format!(
            "<title>{}</title>\n<rect x=\"-{MARGIN}\" y=\"-{MARGIN}\" width=\"{width}\" height=\"{height}\" \
             fill=\"{}\"/>\n",
            escaped(title),
            palette::PAPER.light
        );
        let attributes =
            format!("viewBox=\"-{MARGIN} -{MARGIN} {width} {height}\" width=\"{width}\" height=\"{height}\"");
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", self.element(&attributes, &start))
    }

    /// Returns an element of a page, which inherits its size and font.
    pub(super) fn part(self, title: &str) -> String {
        let attributes = format!(
            "viewBox=\"0 0 {} {}\" class=\"{}\" role=\"img\" aria-label=\"{}\"",
            coordinate(self.format.width),
            coordinate(self.height),
            self.format.name,
            escaped(title)
        );
        self.element(&attributes, "")
    }

    fn element(&self, attributes: &str, start: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" {attributes} font-size=\"{}\" \
             font-family=\"Helvetica, Arial, sans-serif\">\n{start}{}</svg>\n",
            coordinate(self.format.font),
            self.body
        )
    }
}

/// Path data of a polyline.
fn path_data(points: &[Position]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let _ = write!(path, "{}{},{}", if index == 0 { 'M' } else { 'L' }, coordinate(*x), coordinate(*y));
    }
    path
}

/// Formats a coordinate with one decimal place, which is finer than visible.
fn coordinate(value: f64) -> String {
    if !value.is_finite() {
        return "0".into();
    }
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), Into::into)
}

/// Escapes text for XML content and attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            // Characters that XML does not allow, not even escaped.
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a<b & \"c\"\0"), "a&lt;b &amp; &quot;c&quot;\u{fffd}");
    }

    #[test]
    fn coordinates_are_short_and_finite() {
        assert_eq!(coordinate(12.0), "12");
        assert_eq!(coordinate(12.345), "12.3");
        assert_eq!(coordinate(f64::NAN), "0");
    }

    #[test]
    fn long_text_is_truncated() {
        assert_eq!(Format::WIDE.truncate("short", 100.0), "short");
        assert_eq!(Format::WIDE.truncate("much too long for this", 80.0), "much too\u{2026}");
    }

    #[test]
    fn the_outline_of_a_hollow_mark_has_the_colour_of_its_line() {
        let drawn = |hollow| {
            let mut svg = Svg::new(Format::WIDE, 100.0);
            svg.mark(Mark { shape: Shape::Circle, colour: palette::RED, hollow }, (5.0, 5.0), "");
            svg.file("")
        };
        assert!(drawn(false).contains("class=\"f-red s-paper\""), "{}", drawn(false));
        assert!(drawn(true).contains("class=\"f-paper s-red\""), "{}", drawn(true));
    }

    #[test]
    fn a_file_is_a_standalone_document() {
        let mut svg = Svg::new(Format::WIDE, 100.0);
        svg.line(&[(0.0, 0.0), (10.0, 10.0)], Stroke::plain(palette::BLUE, 2.0));
        svg.text((5.0, 5.0), "<>", Style::plain(palette::TEXT, Anchor::Middle).bold());
        for shape in Shape::ALL {
            svg.mark(Mark { shape, colour: palette::RED, hollow: false }, (5.0, 5.0), "a & b");
        }
        svg.hatch("h", palette::WORK, palette::HATCH);
        svg.field((0.0, 0.0), (10.0, 10.0), Fill::Pattern("h"), "a field");
        let file = svg.file("a title");
        let document = roxmltree::Document::parse(&file).unwrap();
        assert_eq!(document.root_element().attribute("viewBox"), Some("-12 -12 744 124"));
    }
}
