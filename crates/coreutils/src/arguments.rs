//! Parses the command line as C's `getopt_long` does: options may follow operands and be abbreviated, `--`
//! ends them.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use super::{block::Task, front::Front, tokens::Tokens};

/// A parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Help,
    Version,
    Computation(Computation),
}

/// A task and its input: operands, or standard input if there are none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Computation {
    pub(super) task: Task,
    /// Operands, each terminated by a NUL, which no operand contains.
    pub(super) operands: Option<Vec<u8>>,
}

/// An invalid option.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OptionError {
    /// Unknown short option.
    Unknown(u8),
    /// Unknown long option, with its dashes.
    Unrecognized(Vec<u8>),
    /// Abbreviation of several long options, with its dashes, and these options.
    Ambiguous(Vec<u8>, &'static [&'static str]),
    /// Long option with a value that it does not take.
    NeedsNoValue(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    Exponents,
    Help,
    Version,
}

impl Front {
    /// Long options without their dashes.
    fn options(self) -> &'static [&'static str] {
        match self {
            Front::Factor => &["exponents", "help", "version"],
            Front::Gcd => &["help", "version"],
        }
    }

    /// Returns whether an argument is an operand. A negative number is an operand of `gcd`; `factor` treats
    /// it as an option, like GNU `factor`.
    fn is_operand(self, argument: &[u8]) -> bool {
        match argument {
            [b'-', second, ..] => self == Front::Gcd && second.is_ascii_digit(),
            _ => true,
        }
    }
}

/// Parses the arguments. With `permutes`, options may follow operands; without, as POSIX requires, the first
/// operand ends the options.
///
/// # Errors
/// Returns the first invalid option.
pub(super) fn read_arguments(
    front: Front,
    arguments: impl Iterator<Item = OsString>,
    permutes: bool,
) -> Result<Request, OptionError> {
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
    Ok(Request::Computation(Computation { task, operands }))
}

/// Parses an argument with an option. Of several short options, of which only `-h` exists, the first invalid
/// one is the error.
fn flag(front: Front, argument: &[u8]) -> Result<Flag, OptionError> {
    if let Some(long) = argument.strip_prefix(b"--") {
        return long_flag(front, long);
    }
    let is_known = |letter: u8| front == Front::Factor && letter == b'h';
    match argument[1..].iter().find(|&&letter| !is_known(letter)) {
        Some(&letter) => Err(OptionError::Unknown(letter)),
        None => Ok(Flag::Exponents),
    }
}

fn long_flag(front: Front, long: &[u8]) -> Result<Flag, OptionError> {
    let name_end = long.iter().position(|&byte| byte == b'=');
    let name = &long[..name_end.unwrap_or(long.len())];
    let matching = front.options().iter().filter(|option| option.as_bytes().starts_with(name));
    let option = match matching.collect::<Vec<_>>()[..] {
        [] => return Err(OptionError::Unrecognized([b"--", long].concat())),
        [option] => *option,
        // All names start with different letters, so only an empty prefix is ambiguous.
        _ => return Err(OptionError::Ambiguous([b"--", long].concat(), front.options())),
    };
    if name_end.is_some() {
        return Err(OptionError::NeedsNoValue(option));
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

    fn read(front: Front, arguments: &[&str], permutes: bool) -> Result<Request, OptionError> {
        read_arguments(front, arguments.iter().map(OsString::from), permutes)
    }

    fn operands(front: Front, arguments: &[&str]) -> Option<Vec<u8>> {
        match read(front, arguments, true) {
            Ok(Request::Computation(computation)) => computation.operands,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_are_found_among_operands_until_a_double_dash() {
        let exponents = |tokens| Task::Factor { tokens, exponents: true };
        let computation =
            Computation { task: exponents(Tokens::Operands), operands: Some(b"12\0-h\0--\0".to_vec()) };
        let request = read(Front::Factor, &["12", "-hh", "--", "-h", "--"], true);
        assert_eq!(request, Ok(Request::Computation(computation)));
        let stream = Computation { task: exponents(Tokens::Stream), operands: None };
        assert_eq!(read(Front::Factor, &["--e", "--"], true), Ok(Request::Computation(stream)));
        assert_eq!(operands(Front::Factor, &["-", ""]), Some(b"-\0\0".to_vec()));
        assert_eq!(read(Front::Factor, &["12", "--v"], true), Ok(Request::Version));
        assert_eq!(read(Front::Gcd, &["--help", "-x"], true), Ok(Request::Help));
    }

    #[test]
    fn invalid_options_are_distinguished() {
        let wrong = |front, argument| read(front, &["12", argument], true).unwrap_err();
        assert_eq!(wrong(Front::Factor, "-hx"), OptionError::Unknown(b'x'));
        assert_eq!(wrong(Front::Factor, "-7"), OptionError::Unknown(b'7'));
        assert_eq!(wrong(Front::Gcd, "-h"), OptionError::Unknown(b'h'));
        assert_eq!(wrong(Front::Gcd, "--exponents"), OptionError::Unrecognized(b"--exponents".to_vec()));
        assert_eq!(wrong(Front::Factor, "--ver=3"), OptionError::NeedsNoValue("version"));
        assert!(matches!(wrong(Front::Factor, "--=x"), OptionError::Ambiguous(name, _) if name == b"--=x"));
    }

    #[test]
    fn negative_numbers_are_operands_of_gcd() {
        assert_eq!(operands(Front::Gcd, &["-4", "6"]), Some(b"-4\x006\0".to_vec()));
    }

    #[test]
    fn without_permutation_the_first_operand_ends_the_options() {
        let Ok(Request::Computation(computation)) = read(Front::Factor, &["12", "-x"], false) else {
            panic!("no computation")
        };
        assert_eq!(computation.operands, Some(b"12\0-x\0".to_vec()));
    }
}
