//! Colours: one table for the files, the page and both of its schemes.
//!
//! Hues are those of Okabe and Ito, which colour-blind readers can tell apart, made darker or lighter until text in them
//! can be read: a label at a line's end has the line's colour.

use std::fmt::Write;

/// A colour with a name: drawings say which it is, the page may replace it by the one for dark rooms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ink {
    /// What style sheets call it.
    pub(super) name: &'static str,
    /// On white paper.
    pub(super) light: &'static str,
    /// On a dark screen.
    pub(super) dark: &'static str,
}

const fn ink(name: &'static str, light: &'static str, dark: &'static str) -> Ink {
    Ink { name, light, dark }
}

/// What is written on.
pub(super) const PAPER: Ink = ink("paper", "#ffffff", "#17191d");
/// What is written.
pub(super) const TEXT: Ink = ink("text", "#1c1d20", "#e9eaec");
/// What is less important.
pub(super) const MUTED: Ink = ink("muted", "#5a5e66", "#a6abb4");
/// Lines behind the figures.
pub(super) const GRID: Ink = ink("grid", "#e4e6ea", "#2e3238");
/// Axes, and the lines that figures are compared with.
pub(super) const AXIS: Ink = ink("axis", "#868b94", "#7d838d");

/// Jobs one after the other.
pub(super) const GREY: Ink = ink("grey", "#5a5e66", "#b3b8c0");
/// Blue.
pub(super) const BLUE: Ink = ink("blue", "#0068a8", "#62b8ea");
/// Vermilion.
pub(super) const RED: Ink = ink("red", "#b04800", "#f08a45");
/// Bluish green.
pub(super) const GREEN: Ink = ink("green", "#00704f", "#3cc49c");
/// Reddish purple.
pub(super) const PURPLE: Ink = ink("purple", "#97386f", "#e094c2");
/// Orange, which on white has to be brown to be read.
pub(super) const ORANGE: Ink = ink("orange", "#7d5a00", "#e6b23c");

/// For lines that have no colour of their own.
pub(super) const LINES: [Ink; 6] = [BLUE, RED, GREEN, PURPLE, ORANGE, GREY];

/// For what a parent does: text can be read on each.
pub(super) const PARENT: [Ink; 3] = [
    ink("parent0", "#8fbfe3", "#1d5580"),
    ink("parent1", "#bfdcf1", "#153f60"),
    ink("parent2", "#6faad6", "#27669a"),
];
/// For what a worker does.
pub(super) const WORKER: [Ink; 3] = [
    ink("worker0", "#f9d0a8", "#6b3a10"),
    ink("worker1", "#fde6cf", "#50300f"),
    ink("worker2", "#f2b57c", "#84480f"),
];
/// The lines that tell a worker's fields from a parent's where there are no colours.
pub(super) const HATCH: Ink = ink("hatch", "#d98b45", "#3d240b");
/// For the work itself.
pub(super) const WORK: Ink = ink("work", "#d5ebe2", "#17483a");
/// For waiting.
pub(super) const IDLE: Ink = ink("idle", "#eceef1", "#2a2d33");

const ALONE: [Ink; 14] =
    [PAPER, TEXT, MUTED, GRID, AXIS, GREY, BLUE, RED, GREEN, PURPLE, ORANGE, HATCH, WORK, IDLE];

/// Every ink once.
fn all() -> impl Iterator<Item = Ink> {
    ALONE.into_iter().chain(PARENT).chain(WORKER)
}

/// Style rules that give every drawing on a page the colours of the reader's scheme.
///
/// The dark ones are for screens only: paper is white.
pub(super) fn rules() -> String {
    let variables = |colour: fn(&Ink) -> &'static str| {
        all().fold(String::new(), |mut css, ink| {
            let _ = write!(css, "--{}:{};", ink.name, colour(&ink));
            css
        })
    };
    let light = variables(|ink| ink.light);
    let dark = variables(|ink| ink.dark);
    let mut css =
        format!(":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n");
    for Ink { name, .. } in all() {
        let _ = writeln!(css, ".f-{name}{{fill:var(--{name})}}.s-{name}{{stroke:var(--{name})}}");
    }
    css
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How bright a colour is, as WCAG 2 defines it.
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
    fn text_can_be_read_on_paper_in_both_schemes() {
        for ink in LINES.into_iter().chain([TEXT, MUTED]) {
            assert!(contrast(ink.light, PAPER.light) >= 4.5, "{ink:?}");
            assert!(contrast(ink.dark, PAPER.dark) >= 4.5, "{ink:?}");
        }
    }

    #[test]
    fn text_can_be_read_on_bars_in_both_schemes() {
        for ink in PARENT.into_iter().chain(WORKER).chain([HATCH, WORK, IDLE]) {
            assert!(contrast(ink.light, TEXT.light) >= 4.5, "{ink:?}");
            assert!(contrast(ink.dark, TEXT.dark) >= 4.5, "{ink:?}");
        }
    }

    #[test]
    fn no_two_inks_share_a_name() {
        let mut names: Vec<_> = all().map(|ink| ink.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
