//! The colour palette of files and of the page, in a light and a dark scheme.
//!
//! Hues are those of Okabe and Ito, which are distinguishable with colour blindness, darkened or lightened
//! until text in them is readable: the label of a line has the line's colour.

use std::fmt::Write;

/// A named colour. Drawings refer to it by name, so that the page can use its dark variant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Colour {
    /// Name in style sheets.
    pub(super) name: &'static str,
    /// Value on white paper.
    pub(super) light: &'static str,
    /// Value on a dark screen.
    pub(super) dark: &'static str,
}

const fn colour(name: &'static str, light: &'static str, dark: &'static str) -> Colour {
    Colour { name, light, dark }
}

/// Background.
pub(super) const PAPER: Colour = colour("paper", "#ffffff", "#17191d");
/// Text.
pub(super) const TEXT: Colour = colour("text", "#1c1d20", "#e9eaec");
/// Secondary text.
pub(super) const MUTED: Colour = colour("muted", "#5a5e66", "#a6abb4");
/// Grid lines.
pub(super) const GRID: Colour = colour("grid", "#e4e6ea", "#2e3238");
/// Axes and reference lines.
pub(super) const AXIS: Colour = colour("axis", "#868b94", "#7d838d");

/// Grey, for the serial executor.
pub(super) const GREY: Colour = colour("grey", "#5a5e66", "#b3b8c0");
/// Blue.
pub(super) const BLUE: Colour = colour("blue", "#0068a8", "#62b8ea");
/// Vermilion.
pub(super) const RED: Colour = colour("red", "#b04800", "#f08a45");
/// Bluish green.
pub(super) const GREEN: Colour = colour("green", "#00704f", "#3cc49c");
/// Reddish purple.
pub(super) const PURPLE: Colour = colour("purple", "#97386f", "#e094c2");
/// Orange; dark on white, so that text is readable.
pub(super) const ORANGE: Colour = colour("orange", "#7d5a00", "#e6b23c");

/// Colours in the order in which they are assigned to lines.
pub(super) const LINES: [Colour; 6] = [BLUE, RED, GREEN, PURPLE, ORANGE, GREY];

/// Fields of the parent; text is readable on each.
pub(super) const PARENT: [Colour; 3] = [
    colour("parent0", "#8fbfe3", "#1d5580"),
    colour("parent1", "#bfdcf1", "#153f60"),
    colour("parent2", "#6faad6", "#27669a"),
];
/// Fields of workers; text is readable on each.
pub(super) const WORKER: [Colour; 3] = [
    colour("worker0", "#f9d0a8", "#6b3a10"),
    colour("worker1", "#fde6cf", "#50300f"),
    colour("worker2", "#f2b57c", "#84480f"),
];
/// Hatching of a worker's fields, which distinguishes them without colours.
pub(super) const HATCH: Colour = colour("hatch", "#d98b45", "#3d240b");
/// Field of the work itself.
pub(super) const WORK: Colour = colour("work", "#d5ebe2", "#17483a");
/// Field of idle time.
pub(super) const IDLE: Colour = colour("idle", "#eceef1", "#2a2d33");

const SINGLE: [Colour; 14] =
    [PAPER, TEXT, MUTED, GRID, AXIS, GREY, BLUE, RED, GREEN, PURPLE, ORANGE, HATCH, WORK, IDLE];

/// All colours, each once.
fn all() -> impl Iterator<Item = Colour> {
    SINGLE.into_iter().chain(PARENT).chain(WORKER)
}

/// CSS rules that define all colours in both schemes.
///
/// The dark scheme is for screens only, because paper is white.
pub(super) fn rules() -> String {
    let variables = |value: fn(&Colour) -> &'static str| {
        all().fold(String::new(), |mut css, colour| {
            let _ = write!(css, "--{}:{};", colour.name, value(&colour));
            css
        })
    };
    let light = variables(|colour| colour.light);
    let dark = variables(|colour| colour.dark);
    let mut css =
        format!(":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n");
    for Colour { name, .. } in all() {
        let _ = writeln!(css, ".f-{name}{{fill:var(--{name})}}.s-{name}{{stroke:var(--{name})}}");
    }
    css
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of a colour, as WCAG 2 defines it.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn text_is_readable_on_paper_in_both_schemes() {
        for colour in LINES.into_iter().chain([TEXT, MUTED]) {
            assert!(contrast(colour.light, PAPER.light) >= 4.5, "{colour:?}");
            assert!(contrast(colour.dark, PAPER.dark) >= 4.5, "{colour:?}");
        }
    }

    #[test]
    fn text_is_readable_on_bars_in_both_schemes() {
        for colour in PARENT.into_iter().chain(WORKER).chain([HATCH, WORK, IDLE]) {
            assert!(contrast(colour.light, TEXT.light) >= 4.5, "{colour:?}");
            assert!(contrast(colour.dark, TEXT.dark) >= 4.5, "{colour:?}");
        }
    }

    #[test]
    fn names_of_colours_are_unique() {
        let mut names: Vec<_> = all().map(|colour| colour.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
