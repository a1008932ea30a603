//! Entry point for fuzzing: checks properties that hold for any input.

use std::io::{self, Read};

use crate::{
    args::Format,
    input::{ChunkRead, Chunks, Element, Elements, InputStream, Location, SplitError, Splitter, Texts},
    parse::{Op, ParseOptions, parse, parse_all},
};

/// Maximum size of a job's text in bytes, small enough to be exceeded.
const MAX_TEXT: usize = 500;

/// Splits an input into texts and parses them. The first three bytes select the settings.
///
/// # Panics
/// When the split depends on the sizes of reads, or the offset of a parse error lies outside of its text.
pub fn check_input(bytes: &[u8]) {
    let Some((&[settings, op, step], input)) = bytes.split_first_chunk() else { return };
    let format = [Format::Auto, Format::Array, Format::Lines][usize::from(settings % 3)];
    let default_op = Op::ALL.get(usize::from(op % 8)).copied();
    let parse_options = ParseOptions::new(default_op, 30 + usize::from(settings));
    // The cost of a read does not depend on its size.
    let step = usize::from(step).max(input.len() / 16) + 1;
    let whole = split(input, format, &parse_options, usize::MAX);
    let stepwise = split(input, format, &parse_options, step);
    assert_eq!(stepwise, whole, "read {step} bytes at a time");
}

/// Describes each text of an input and its parse result.
fn split(input: &[u8], format: Format, parse_options: &ParseOptions, step: usize) -> Vec<String> {
    let splitter =
        Splitter::new(ShortReads(input, step), format, parse_options.default_op.is_some(), MAX_TEXT);
    let mut found = Vec::new();
    let end = splitter.texts(&mut || {}).and_then(|texts| match texts {
        Texts::Elements(elements) => split_elements(elements, parse_options, &mut found),
        Texts::Chunks(chunks) => split_lines(chunks, parse_options, &mut found),
    });
    match end {
        Ok(()) => {}
        Err(SplitError::Io(error)) => panic!("read from memory failed: {error}"),
        Err(error) => found.push(format!("{error:?}")),
    }
    assert!(found.len() <= input.len() + 1, "more texts than bytes");
    found
}

fn split_elements(
    mut elements: Elements<ShortReads<'_>>,
    parse_options: &ParseOptions,
    found: &mut Vec<String>,
) -> Result<(), SplitError> {
    while let Some(piece) = elements.next(&mut || {})? {
        found.push(match piece {
            Element::Text { text, location } => describe(text, location, parse_options),
            Element::TooLong { location } => too_long(location),
        });
    }
    Ok(())
}

fn split_lines(
    mut chunks: Chunks<ShortReads<'_>>,
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
                false => describe(chunk.text(&line), location, parse_options),
            });
        }
        recycled = chunk.into_bytes();
    }
}

fn too_long(location: Location) -> String {
    format!("{location:?}: too long")
}

fn describe(text: &[u8], location: Location, parse_options: &ParseOptions) -> String {
    assert!(!text.is_empty() && text.len() <= MAX_TEXT);
    let parsed = parse(text, parse_options);
    assert_eq!(parsed, parse_all(text, parse_options), "the fast path and the full parser disagree");
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

/// Reader that returns at most a fixed number of bytes per read.
pub(crate) struct ShortReads<'a>(pub(crate) &'a [u8], pub(crate) usize);

impl Read for ShortReads<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(into.len());
        let (now, later) = self.0.split_at(count);
        into[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

impl InputStream for ShortReads<'_> {
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
        fn any_input_upholds_the_properties(bytes: Vec<u8>, settings: [u8; 3]) {
            check_input(&[&settings[..], &bytes].concat());
        }

        #[test]
        fn inputs_close_to_jobs_uphold_the_properties(
            settings: [u8; 3],
            text in concat!(
                r#"[\[ ]?(\{?("(op|a|b|n|id|timeout|priority|argv)":"#,
                r#"("gcd"|"sum"|-?[0-9]{1,3}|1e9|\[\]|\{\}|null),?){0,3}\}?[,\n ]?){0,4}\]?"#,
            ),
        ) {
            check_input(&[&settings[..], text.as_bytes()].concat());
        }
    }
}
