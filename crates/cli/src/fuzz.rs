//! The door for fuzzing: what holds for any input.

use std::io::{self, Read};

use crate::{
    args::Format,
    input::{Chunks, Elements, Next, Piece, Place, SplitError, Splitter, Stream, Texts},
    parse::{Op, Rules, parse, parse_all},
};

/// The longest text of a job, so that some are too long.
const LONGEST: usize = 500;

/// Cuts an input into the texts of jobs, and parses them. The first bytes say under which settings.
///
/// # Panics
/// When it is cut differently if it is read in other pieces, or a flaw lies outside of its text.
pub fn check_input(bytes: &[u8]) {
    let Some((&[settings, op, step], input)) = bytes.split_first_chunk() else { return };
    let format = [Format::Auto, Format::Array, Format::Lines][usize::from(settings % 3)];
    let default_op = Op::ALL.get(usize::from(op % 8)).copied();
    let rules = Rules::new(default_op, 30 + usize::from(settings));
    // Each read costs the same, however little it brings.
    let step = usize::from(step).max(input.len() / 16) + 1;
    let whole = cut(input, format, &rules, usize::MAX);
    let dribbled = cut(input, format, &rules, step);
    assert_eq!(dribbled, whole, "read {step} bytes at a time");
}

/// What an input consists of, in words.
fn cut(input: &[u8], format: Format, rules: &Rules, step: usize) -> Vec<String> {
    let splitter = Splitter::new(Dribble(input, step), format, rules.default_op.is_some(), LONGEST);
    let mut found = Vec::new();
    let end = splitter.texts(&mut || {}).and_then(|texts| match texts {
        Texts::Elements(elements) => cut_elements(elements, rules, &mut found),
        Texts::Chunks(chunks) => cut_lines(chunks, rules, &mut found),
    });
    match end {
        Ok(()) => {}
        Err(SplitError::Io(error)) => panic!("reading from memory: {error}"),
        Err(error) => found.push(format!("{error:?}")),
    }
    assert!(found.len() <= input.len() + 1, "more texts than bytes");
    found
}

fn cut_elements(
    mut elements: Elements<Dribble<'_>>,
    rules: &Rules,
    found: &mut Vec<String>,
) -> Result<(), SplitError> {
    while let Some(piece) = elements.next(&mut || {})? {
        found.push(match piece {
            Piece::Text { text, place } => told_of(text, place, rules),
            Piece::TooLong { place } => too_long(place),
        });
    }
    Ok(())
}

fn cut_lines(
    mut chunks: Chunks<Dribble<'_>>,
    rules: &Rules,
    found: &mut Vec<String>,
) -> Result<(), SplitError> {
    let mut recycled = Vec::new();
    loop {
        let chunk = match chunks.next(&mut recycled)? {
            Next::Chunk(chunk) => chunk,
            Next::Incomplete => continue,
            Next::End => return Ok(()),
        };
        let mut places = chunk.places();
        for line in chunk.lines() {
            let place = places.of(line.start);
            found.push(match line.is_too_long {
                true => too_long(place),
                false => told_of(chunk.text(&line), place, rules),
            });
        }
        recycled = chunk.into_bytes();
    }
}

fn too_long(place: Place) -> String {
    format!("{place:?}: too long")
}

fn told_of(text: &[u8], place: Place, rules: &Rules) -> String {
    assert!(!text.is_empty() && text.len() <= LONGEST);
    let parsed = parse(text, rules);
    assert_eq!(parsed, parse_all(text, rules), "however it is read");
    match parsed {
        Ok(job) => format!("{place:?}: {job:?}"),
        Err(flaw) => {
            assert!(flaw.offset <= text.len(), "{flaw:?} in {text:?}");
            let inside = place.inside(text, flaw.offset);
            assert!((inside.line, inside.column) >= (place.line, 1), "{flaw:?} in {text:?}");
            format!("{inside:?}: {flaw:?}")
        }
    }
}

/// Hands out so many bytes at a time.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(into.len());
        let (now, later) = self.0.split_at(count);
        into[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

impl Stream for Dribble<'_> {
    fn may_wait(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_input_is_a_surprise(bytes: Vec<u8>, settings: [u8; 3]) {
            check_input(&[&settings[..], &bytes].concat());
        }

        #[test]
        fn nothing_close_to_jobs_is_a_surprise(
            settings: [u8; 3],
            text in r#"[\[ ]?(\{?("(op|a|b|n|id|timeout|argv)":("gcd"|"sum"|-?[0-9]{1,3}|1e9|\[\]|\{\}|null),?){0,3}\}?[,\n ]?){0,4}\]?"#,
        ) {
            check_input(&[&settings[..], text.as_bytes()].concat());
        }
    }
}
