//! Messages: signed by the front end, tokens quoted as the C library's programs quote them where the locale is C.

use std::{fmt::Display, io};

use super::{
    Front,
    arguments::Misuse,
    block::{Fault, Flaw},
};
use crate::screen;

/// What ends a front end from outside of its numbers.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrontError<'e> {
    #[error("write error: {}", reason(.0))]
    Write(&'e io::Error),
}

/// The system's words for an error, without its number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let number = error.raw_os_error().map(|number| format!(" (os error {number})"));
    number.and_then(|number| text.strip_suffix(&number)).unwrap_or(&text).to_owned()
}

/// The same error once more.
pub(super) fn again(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// Says what is wrong on standard error; that it is closed is no reason to stop.
pub(super) fn say(front: Front, error: &dyn Display) {
    print(format!("{}: {error}\n", front.name()).as_bytes());
}

/// Says what is wrong with the options.
pub(super) fn misused(front: Front, misuse: &Misuse) {
    let name = front.name();
    // Options are shown as they were given, whatever bytes they are.
    let what = match misuse {
        Misuse::Unknown(letter) => [b"invalid option -- '".as_slice(), &[*letter], b"'"].concat(),
        Misuse::Unrecognized(option) => [b"unrecognized option '".as_slice(), option, b"'"].concat(),
        Misuse::Ambiguous(option, all) => {
            let all: String = all.iter().map(|option| format!(" '--{option}'")).collect();
            [b"option '".as_slice(), option, b"' is ambiguous; possibilities:", all.as_bytes()].concat()
        }
        Misuse::NeedsNoValue(option) => format!("option '--{option}' doesn't allow an argument").into_bytes(),
    };
    let hint = format!("\nTry '{name} --help' for more information.\n");
    print(&[name.as_bytes(), b": ", &what, hint.as_bytes()].concat());
}

/// Says what is wrong with a token.
pub(super) fn flawed(front: Front, flaw: &Flaw) {
    let token = quoted(&flaw.token);
    match (&flaw.fault, front) {
        (Fault::NoNumber, Front::Factor) => say(front, &format!("{token} is not a valid positive integer")),
        (Fault::NoNumber, Front::Gcd) => say(front, &format!("{token} is not a valid integer")),
        (Fault::Failed(error), _) => say(front, &format!("{token} cannot be factored: {error}")),
    }
}

/// Says that a part of the text has no result.
pub(super) fn unresolved(front: Front, text: &[u8], failure: &dyn Display) {
    let text = text.strip_suffix(b"\0").unwrap_or(text).trim_ascii();
    let text: Vec<u8> = text.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect();
    let what = match front {
        Front::Factor => "cannot be factored",
        Front::Gcd => "has no result",
    };
    say(front, &format!("{} {what}: {failure}", quoted(&text)));
}

fn print(message: &[u8]) {
    let _ = screen::print_error(message);
}

/// The token in quotes; what is not printable ASCII as C writes it.
fn quoted(token: &[u8]) -> String {
    let mut text = String::with_capacity(token.len() + 2);
    text.push('\'');
    for &byte in token {
        let letter = match byte {
            b'\'' | b'\\' => char::from(byte),
            0x07 => 'a',
            0x08 => 'b',
            b'\t' => 't',
            b'\n' => 'n',
            0x0b => 'v',
            0x0c => 'f',
            b'\r' => 'r',
            b' '..=b'~' => {
                text.push(char::from(byte));
                continue;
            }
            _ => {
                text.push_str(&format!("\\{byte:03o}"));
                continue;
            }
        };
        text.extend(['\\', letter]);
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_quoted_as_in_c() {
        assert_eq!(quoted(b"12a"), "'12a'");
        assert_eq!(quoted(b"a'b\\\"?"), r#"'a\'b\\"?'"#);
        assert_eq!(quoted(b"\x07\x08\t\n\x0b\x0c\r"), r"'\a\b\t\n\v\f\r'");
        assert_eq!(quoted(b"\x0112\x7f\xff\x1b"), r"'\00112\177\377\033'");
        assert_eq!(quoted(b""), "''");
    }

    #[test]
    fn reasons_are_the_systems_without_numbers() {
        assert_eq!(reason(&io::Error::from_raw_os_error(28)), "No space left on device");
        assert_eq!(reason(&io::Error::from_raw_os_error(9)), "Bad file descriptor");
        assert_eq!(reason(&io::ErrorKind::WriteZero.into()), "write zero");
    }
}
