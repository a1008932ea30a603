//! A writer of SVG: what the pictures are drawn with.
//!
//! Every colour is written twice: as an attribute, which any program that reads SVG understands, and as a class, by which
//! the style sheet of a page can replace it.

use std::fmt::Write;

use super::ink::{self, Ink};

/// How large letters are on the average, as a part of the font's size: rather too wide than too narrow, since nobody
/// knows which font a reader has.
const LETTER: f64 = 0.63;

/// Around what is drawn in a file.
const MARGIN: f64 = 12.0;

/// A place: from the left, from the top.
pub(super) type At = (f64, f64);

/// How large a drawing is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Format {
    /// What it is called in names and style sheets.
    pub(super) name: &'static str,
    /// From left to right.
    pub(super) width: f64,
    /// From top to bottom, where a drawing does not need more.
    pub(super) height: f64,
    /// The size of text.
    pub(super) font: f64,
}

impl Format {
    /// For paper and large screens.
    pub(super) const WIDE: Format = Format { name: "wide", width: 720.0, height: 380.0, font: 13.0 };
    /// For telephones: drawn anew, because text of the wide one would be too small there.
    pub(super) const NARROW: Format = Format { name: "narrow", width: 340.0, height: 320.0, font: 12.0 };

    /// How wide a text is, roughly.
    pub(super) fn width_of(&self, text: &str) -> f64 {
        text.chars().count() as f64 * self.font * LETTER
    }

    /// As much of a text as fits.
    pub(super) fn cut(&self, text: &str, width: f64) -> String {
        if self.width_of(text) <= width {
            return text.into();
        }
        let fit = (width / (self.font * LETTER)) as usize;
        text.chars().take(fit.saturating_sub(1)).chain(['\u{2026}']).collect()
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    pub(super) ink: Ink,
    pub(super) width: f64,
    /// Lengths of dashes and gaps; empty for a line without.
    pub(super) dash: &'static str,
}

impl Stroke {
    /// A line without gaps.
    pub(super) const fn plain(ink: Ink, width: f64) -> Self {
        Stroke { ink, width, dash: "" }
    }
}

/// What a field is filled with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fill<'a> {
    /// A colour.
    Plain(Ink),
    /// A pattern of this name.
    Pattern(&'a str),
}

/// On which side of its place a text stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Right,
    Middle,
    Left,
}

/// How text is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) ink: Ink,
    pub(super) side: Side,
    pub(super) bold: bool,
}

impl Style {
    /// Plain text on a side of its place.
    pub(super) const fn plain(ink: Ink, side: Side) -> Self {
        Style { ink, side, bold: false }
    }

    /// The same in bold.
    pub(super) const fn bold(self) -> Self {
        Style { bold: true, ..self }
    }
}

/// What stands at a point, so that lines can be told apart without colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Wedge,
}

impl Shape {
    /// For lines that have none of their own.
    pub(super) const ALL: [Shape; 5] =
        [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Diamond, Shape::Wedge];

    /// Its corners around a point; none if it is round.
    fn corners(self, (x, y): At) -> Vec<At> {
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
    pub(super) ink: Ink,
    /// Draw the outline only.
    pub(super) hollow: bool,
}

impl Mark {
    /// Colours of its field and of its rim, and the width of the rim. The rim of a filled mark has the colour of the paper,
    /// which keeps marks apart that touch.
    fn colours(self) -> (Ink, Ink, f64) {
        if self.hollow { (ink::PAPER, self.ink, 1.6) } else { (self.ink, ink::PAPER, 1.0) }
    }
}

/// A drawing under way.
#[derive(Debug)]
pub(super) struct Svg {
    format: Format,
    height: f64,
    body: String,
}

impl Svg {
    /// An empty sheet.
    pub(super) fn new(format: Format, height: f64) -> Self {
        Svg { format, height, body: String::new() }
    }

    /// A line from point to point.
    pub(super) fn line(&mut self, points: &[At], stroke: Stroke) {
        if points.len() < 2 {
            return;
        }
        let path = outline(points);
        let Stroke { ink, width, dash } = stroke;
        let dash = if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") };
        let _ = writeln!(
            self.body,
            "<path d=\"{path}\" fill=\"none\" class=\"s-{}\" stroke=\"{}\" stroke-width=\"{}\"{dash} \
             stroke-linejoin=\"round\"/>",
            ink.name,
            ink.light,
            place(width),
        );
    }

    /// A mark at a point, with a note for who rests a pointer on it.
    pub(super) fn mark(&mut self, mark: Mark, at: At, note: &str) {
        let (field, rim, width) = mark.colours();
        let colours = format!(
            "class=\"f-{} s-{}\" fill=\"{}\" stroke=\"{}\" stroke-width=\"{}\"",
            field.name,
            rim.name,
            field.light,
            rim.light,
            place(width)
        );
        let note = escaped(note);
        let _ = match mark.shape {
            Shape::Circle => {
                let (x, y) = (place(at.0), place(at.1));
                writeln!(
                    self.body,
                    "<circle cx=\"{x}\" cy=\"{y}\" r=\"3.8\" {colours}><title>{note}</title></circle>"
                )
            }
            _ => {
                let path = outline(&mark.shape.corners(at));
                writeln!(self.body, "<path d=\"{path}Z\" {colours}><title>{note}</title></path>")
            }
        };
    }

    /// A field from its upper left corner, with a note for who rests a pointer on it.
    pub(super) fn field(&mut self, at: At, (width, height): (f64, f64), fill: Fill<'_>, note: &str) {
        let fill = match fill {
            Fill::Plain(ink) => format!("class=\"f-{}\" fill=\"{}\"", ink.name, ink.light),
            Fill::Pattern(name) => format!("fill=\"url(#{name})\""),
        };
        let _ = writeln!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {fill}><title>{}</title></rect>",
            place(at.0),
            place(at.1),
            place(width),
            place(height),
            escaped(note)
        );
    }

    /// Makes a pattern of oblique lines on a ground.
    pub(super) fn hatch(&mut self, name: &str, ground: Ink, lines: Ink) {
        let _ = writeln!(
            self.body,
            "<defs><pattern id=\"{name}\" patternUnits=\"userSpaceOnUse\" width=\"6\" height=\"6\" \
             patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" class=\"f-{}\" fill=\"{}\"/>\
             <path d=\"M0,0V6\" class=\"s-{}\" stroke=\"{}\" stroke-width=\"2\"/></pattern></defs>",
            ground.name, ground.light, lines.name, lines.light
        );
    }

    /// Text whose middle is at a height.
    pub(super) fn text(&mut self, (x, y): At, text: &str, style: Style) {
        let anchor = match style.side {
            Side::Right => "",
            Side::Middle => " text-anchor=\"middle\"",
            Side::Left => " text-anchor=\"end\"",
        };
        let weight = if style.bold { " font-weight=\"600\"" } else { "" };
        let _ = writeln!(
            self.body,
            "<text x=\"{}\" y=\"{}\"{anchor}{weight} class=\"f-{}\" fill=\"{}\">{}</text>",
            place(x),
            // Baselines other than the usual one are drawn differently everywhere.
            place(y + self.format.font * 0.35),
            style.ink.name,
            style.ink.light,
            escaped(text)
        );
    }

    /// A file of its own, on white paper, with a margin.
    pub(super) fn file(self, title: &str) -> String {
        let (width, height) = (place(self.format.width + 2.0 * MARGIN), place(self.height + 2.0 * MARGIN));
        let start = format!(
            "<title>{}</title>\n<rect x=\"-{MARGIN}\" y=\"-{MARGIN}\" width=\"{width}\" height=\"{height}\" \
             fill=\"{}\"/>\n",
            escaped(title),
            ink::PAPER.light
        );
        let attributes =
            format!("viewBox=\"-{MARGIN} -{MARGIN} {width} {height}\" width=\"{width}\" height=\"{height}\"");
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", self.element(&attributes, &start))
    }

    /// A part of a page; it takes its size and font from there.
    pub(super) fn part(self, title: &str) -> String {
        let attributes = format!(
            "viewBox=\"0 0 {} {}\" class=\"{}\" role=\"img\" aria-label=\"{}\"",
            place(self.format.width),
            place(self.height),
            self.format.name,
            escaped(title)
        );
        self.element(&attributes, "")
    }

    fn element(&self, attributes: &str, start: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" {attributes} font-size=\"{}\" \
             font-family=\"Helvetica, Arial, sans-serif\">\n{start}{}</svg>\n",
            place(self.format.font),
            self.body
        )
    }
}

/// A path's text.
fn outline(points: &[At]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let _ = write!(path, "{}{},{}", if index == 0 { 'M' } else { 'L' }, place(*x), place(*y));
    }
    path
}

/// A coordinate: a tenth is finer than anybody sees.
fn place(value: f64) -> String {
    if !value.is_finite() {
        return "0".into();
    }
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), Into::into)
}

/// Text as it may stand in XML, be it between tags or in an attribute.
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
            // Letters that XML has no place for, not even escaped.
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
    fn places_are_short_and_finite() {
        assert_eq!(place(12.0), "12");
        assert_eq!(place(12.345), "12.3");
        assert_eq!(place(f64::NAN), "0");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(Format::WIDE.cut("short", 100.0), "short");
        assert_eq!(Format::WIDE.cut("much too long for this", 80.0), "much too\u{2026}");
    }

    #[test]
    fn a_hollow_mark_has_the_colour_of_its_line_at_the_rim() {
        let drawn = |hollow| {
            let mut svg = Svg::new(Format::WIDE, 100.0);
            svg.mark(Mark { shape: Shape::Circle, ink: ink::RED, hollow }, (5.0, 5.0), "");
            svg.file("")
        };
        assert!(drawn(false).contains("class=\"f-red s-paper\""), "{}", drawn(false));
        assert!(drawn(true).contains("class=\"f-paper s-red\""), "{}", drawn(true));
    }

    #[test]
    fn a_file_is_a_document_of_its_own() {
        let mut svg = Svg::new(Format::WIDE, 100.0);
        svg.line(&[(0.0, 0.0), (10.0, 10.0)], Stroke::plain(ink::BLUE, 2.0));
        svg.text((5.0, 5.0), "<>", Style::plain(ink::TEXT, Side::Middle).bold());
        for shape in Shape::ALL {
            svg.mark(Mark { shape, ink: ink::RED, hollow: false }, (5.0, 5.0), "a & b");
        }
        svg.hatch("h", ink::WORK, ink::HATCH);
        svg.field((0.0, 0.0), (10.0, 10.0), Fill::Pattern("h"), "a field");
        let file = svg.file("a title");
        let document = roxmltree::Document::parse(&file).unwrap();
        assert_eq!(document.root_element().attribute("viewBox"), Some("-12 -12 744 124"));
    }
}
