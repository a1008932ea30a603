//! The command line, read as C's getopt_long does: options may come after operands and be shortened, `--` ends them.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use super::{
    Front,
    block::{Task, Tokens},
};

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Help,
    Version,
    Work(Work),
}

/// What is to be done, and with what: operands, or standard input.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) task: Task,
    /// Each ended by a NUL, which cannot be in an operand.
    pub(super) operands: Option<Vec<u8>>,
}

/// What is wrong with the options.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misuse {
    /// A short option that there is not.
    Unknown(u8),
    /// A long option that there is not, with its dashes.
    Unrecognized(Vec<u8>),
    /// A shortened long option that could be several.
    Ambiguous(Vec<u8>, &'static [&'static str]),
    /// A long option with a value.
    NeedsNoValue(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    Exponents,
    Help,
    Version,
}

impl Front {
    /// The long options, without their dashes.
    fn options(self) -> &'static [&'static str] {
        match self {
            Front::Factor => &["exponents", "help", "version"],
            Front::Gcd => &["help", "version"],
        }
    }

    /// A negative number is an operand of `gcd`; `factor` takes it for an option, as it always has.
    fn is_operand(self, argument: &[u8]) -> bool {
        match argument {
            [b'-', second, ..] => self == Front::Gcd && second.is_ascii_digit(),
            _ => true,
        }
    }
}

/// Reads the arguments. With `permutes` options may come after operands; without, as POSIX has it, the first operand ends
/// them.
///
/// # Errors
/// The first option that is wrong.
pub(super) fn read_arguments(
    front: Front,
    arguments: impl Iterator<Item = OsString>,
    permutes: bool,
) -> Result<Request, Misuse> {
    let (mut operands, mut exponents, mut options_ended) = (Vec::new(), false, false);
    for argument in arguments.map(OsString::into_vec) {
        if options_ended || front.is_operand(&argument) {
            options_ended |= !permutes;
            operands.extend_from_slice(&argument);
            operands.push(0);
            continue;
        }
        if argument == b"--" {
            options_ended = true;
            continue;
        }
        match flag(front, &argument)? {
            Flag::Exponents => exponents = true,
            Flag::Help => return Ok(Request::Help),
            Flag::Version => return Ok(Request::Version),
        }
    }
    let operands = Some(operands).filter(|operands| !operands.is_empty());
    let tokens = if operands.is_some() { Tokens::Operands } else { Tokens::Stream };
    let task = match front {
        Front::Factor => Task::Factor { tokens, exponents },
        Front::Gcd => Task::Gcd { tokens },
    };
    Ok(Request::Work(Work { task, operands }))
}

/// The one option in an argument; of several short ones, which can only be `-h` again and again, the first that is wrong
/// counts.
fn flag(front: Front, argument: &[u8]) -> Result<Flag, Misuse> {
    if let Some(long) = argument.strip_prefix(b"--") {
        return long_flag(front, long);
    }
    let is_known = |letter: u8| front == Front::Factor && letter == b'h';
    match argument[1..].iter().find(|&&letter| !is_known(letter)) {
        Some(&letter) => Err(Misuse::Unknown(letter)),
        None => Ok(Flag::Exponents),
    }
}

fn long_flag(front: Front, long: &[u8]) -> Result<Flag, Misuse> {
    let name_end = long.iter().position(|&byte| byte == b'=');
    let name = &long[..name_end.unwrap_or(long.len())];
    let matching = front.options().iter().filter(|option| option.as_bytes().starts_with(name));
    let option = match matching.collect::<Vec<_>>()[..] {
        [] => return Err(Misuse::Unrecognized([b"--", long].concat())),
        [option] => *option,
        // No two begin with the same letter, so nothing but an empty name fits several.
        _ => return Err(Misuse::Ambiguous([b"--", long].concat(), front.options())),
    };
    if name_end.is_some() {
        return Err(Misuse::NeedsNoValue(option));
    }
    Ok(match option {
        "exponents" => Flag::Exponents,
        "help" => Flag::Help,
        _ => Flag::Version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(front: Front, arguments: &[&str], permutes: bool) -> Result<Request, Misuse> {
        read_arguments(front, arguments.iter().map(OsString::from), permutes)
    }

    fn operands(front: Front, arguments: &[&str]) -> Option<Vec<u8>> {
        match read(front, arguments, true) {
            Ok(Request::Work(work)) => work.operands,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_are_found_among_operands_until_two_dashes() {
        let exponents = |tokens| Task::Factor { tokens, exponents: true };
        let work = Work { task: exponents(Tokens::Operands), operands: Some(b"12\0-h\0--\0".to_vec()) };
        let read_work = read(Front::Factor, &["12", "-hh", "--", "-h", "--"], true);
        assert_eq!(read_work, Ok(Request::Work(work)));
        let stream = Work { task: exponents(Tokens::Stream), operands: None };
        assert_eq!(read(Front::Factor, &["--e", "--"], true), Ok(Request::Work(stream)));
        assert_eq!(operands(Front::Factor, &["-", ""]), Some(b"-\0\0".to_vec()));
        assert_eq!(read(Front::Factor, &["12", "--v"], true), Ok(Request::Version));
        assert_eq!(read(Front::Gcd, &["--help", "-x"], true), Ok(Request::Help));
    }

    #[test]
    fn wrong_options_are_told_apart() {
        let wrong = |front, argument| read(front, &["12", argument], true).unwrap_err();
        assert_eq!(wrong(Front::Factor, "-hx"), Misuse::Unknown(b'x'));
        assert_eq!(wrong(Front::Factor, "-7"), Misuse::Unknown(b'7'));
        assert_eq!(wrong(Front::Gcd, "-h"), Misuse::Unknown(b'h'));
        assert_eq!(wrong(Front::Gcd, "--exponents"), Misuse::Unrecognized(b"--exponents".to_vec()));
        assert_eq!(wrong(Front::Factor, "--ver=3"), Misuse::NeedsNoValue("version"));
        assert!(matches!(wrong(Front::Factor, "--=x"), Misuse::Ambiguous(name, _) if name == b"--=x"));
    }

    #[test]
    fn negative_numbers_are_operands_of_gcd() {
        assert_eq!(operands(Front::Gcd, &["-4", "6"]), Some(b"-4\x006\0".to_vec()));
    }

    #[test]
    fn without_permutation_the_first_operand_ends_the_options() {
        let Ok(Request::Work(work)) = read(Front::Factor, &["12", "-x"], false) else { panic!("no work") };
        assert_eq!(work.operands, Some(b"12\0-x\0".to_vec()));
    }
}
