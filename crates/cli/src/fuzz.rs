//! The door for fuzzing: what holds for any input.

use std::io::{self, Read};

use crate::{
    args::Format,
    input::{Piece, Place, SplitError, Splitter},
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
    let mut splitter = Splitter::new(Dribble(input, step), format, rules.default_op.is_some(), LONGEST);
    let mut found = Vec::new();
    loop {
        let told = match splitter.next(&mut || {}) {
            Ok(Some(Piece::Text { text, place })) => told_of(text, place, rules),
            Ok(Some(Piece::TooLong { place })) => format!("{place:?}: too long"),
            Ok(None) => return found,
            Err(SplitError::Io(error)) => panic!("reading from memory: {error}"),
            Err(error) => {
                found.push(format!("{error:?}"));
                return found;
            }
        };
        found.push(told);
        assert!(found.len() <= input.len() + 1, "more texts than bytes");
    }
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
