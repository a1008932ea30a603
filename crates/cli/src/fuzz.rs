//! The door for fuzzing: what holds for any input.

use std::io::{self, Read};

use crate::{
    args::Format,
    input::{ChunkRead, Chunks, Element, Elements, Location, SplitError, Splitter, Stream, Texts},
    parse::{Op, ParseOptions, parse, parse_all},
};

/// The longest text of a job, so that some are too long.
const LONGEST: usize = 500;

/// Cuts an input into the texts of jobs, and parses them. The first bytes say under which settings.
///
/// # Panics
/// When it is cut differently if it is read in other pieces, or a error lies outside of its text.
pub fn check_input(bytes: &[u8]) {
    let Some((&[settings, op, step], input)) = bytes.split_first_chunk() else { return };
    let format = [Format::Auto, Format::Array, Format::Lines][usize::from(settings % 3)];
    let default_op = Op::ALL.get(usize::from(op % 8)).copied();
    let parse_options = ParseOptions::new(default_op, 30 + usize::from(settings));
    // Each read costs the same, however little it brings.
    let step = usize::from(step).max(input.len() / 16) + 1;
    let whole = cut(input, format, &parse_options, usize::MAX);
    let dribbled = cut(input, format, &parse_options, step);
    assert_eq!(dribbled, whole, "read {step} bytes at a time");
}

/// What an input consists of, in words.
fn cut(input: &[u8], format: Format, parse_options: &ParseOptions, step: usize) -> Vec<String> {
    let splitter = Splitter::new(Dribble(input, step), format, parse_options.default_op.is_some(), LONGEST);
    let mut found = Vec::new();
    let end = splitter.texts(&mut || {}).and_then(|texts| match texts {
        Texts::Elements(elements) => cut_elements(elements, parse_options, &mut found),
        Texts::Chunks(chunks) => cut_lines(chunks, parse_options, &mut found),
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
    parse_options: &ParseOptions,
    found: &mut Vec<String>,
) -> Result<(), SplitError> {
    while let Some(piece) = elements.next(&mut || {})? {
        found.push(match piece {
            Element::Text { text, location } => told_of(text, location, parse_options),
            Element::TooLong { location } => too_long(location),
        });
    }
    Ok(())
}

fn cut_lines(
    mut chunks: Chunks<Dribble<'_>>,
    parse_options: &ParseOptions,
    found: &mut Vec<String>,
) -> Result<(), SplitError> {
    let mut recycled = Vec::new();
    loop {
        let chunk = match chunks.next(&mut recycled)? {
            ChunkRead::Chunk(chunk) => chunk,
            ChunkRead::Incomplete => continue,
            ChunkRead::End => return Ok(()),
        };
        let mut locations = chunk.locations();
        for line in chunk.lines() {
            let location = locations.of(line.start);
            found.push(match line.is_too_long {
                true => too_long(location),
                false => told_of(chunk.text(&line), location, parse_options),
            });
        }
        recycled = chunk.into_bytes();
    }
}

fn too_long(location: Location) -> String {
    format!("{location:?}: too long")
}

fn told_of(text: &[u8], location: Location, parse_options: &ParseOptions) -> String {
    assert!(!text.is_empty() && text.len() <= LONGEST);
    let parsed = parse(text, parse_options);
    assert_eq!(parsed, parse_all(text, parse_options), "however it is read");
    match parsed {
        Ok(job) => format!("{location:?}: {job:?}"),
        Err(error) => {
            assert!(error.offset <= text.len(), "{error:?} in {text:?}");
            let inside = location.inside(text, error.offset);
            assert!((inside.line, inside.column) >= (location.line, 1), "{error:?} in {text:?}");
            format!("{inside:?}: {error:?}")
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
