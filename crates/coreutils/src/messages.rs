//! Messages with the front end's name as their prefix. Tokens are quoted as programs of the C library quote
//! them in the C locale.

use std::fmt::Display;

use console::screen;

use super::{
    arguments::OptionError,
    block_output::{TokenError, TokenErrorKind},
    front::Front,
};

/// Prints an error on standard error. Failures to do so are ignored.
pub(super) fn print(front: Front, error: &dyn Display) {
    write(format!("{}: {error}\n", front.name()).as_bytes());
}

/// Prints an error about the options.
pub(super) fn print_option_error(front: Front, error: &OptionError) {
    let name = front.name();
    // Options are printed as the bytes that were given.
    let what = match error {
        OptionError::Unknown(letter) => [b"invalid option -- '".as_slice(), &[*letter], b"'"].concat(),
        OptionError::Unrecognized(option) => [b"unrecognized option '".as_slice(), option, b"'"].concat(),
        OptionError::Ambiguous(option, all) => {
            let all: String = all.iter().map(|option| format!(" '--{option}'")).collect();
            [b"option '".as_slice(), option, b"' is ambiguous; possibilities:", all.as_bytes()].concat()
        }
        OptionError::NeedsNoValue(option) => {
            format!("option '--{option}' doesn't allow an argument").into_bytes()
        }
    };
    let hint = format!("\nTry '{name} --help' for more information.\n");
    write(&[name.as_bytes(), b": ", &what, hint.as_bytes()].concat());
}

/// Prints an error about a token.
pub(super) fn print_token_error(front: Front, error: &TokenError) {
    let token = quoted(&error.token);
    match (&error.kind, front) {
        (TokenErrorKind::NotANumber, Front::Factor) => {
            print(front, &format!("{token} is not a valid positive integer"));
        }
        (TokenErrorKind::NotANumber, Front::Gcd) => print(front, &format!("{token} is not a valid integer")),
        (TokenErrorKind::Zero, _) => {
            print(front, &format!("{token} cannot be factored: {}", numtheory::ZeroHasNoFactors));
        }
    }
}

/// Prints an error about a part of the text that has no result because its job failed.
pub(super) fn print_block_error(front: Front, text: &[u8], failure: &dyn Display) {
    let text = text.strip_suffix(b"\0").unwrap_or(text).trim_ascii();
    let text: Vec<u8> = text.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect();
    let what = match front {
        Front::Factor => "cannot be factored",
        Front::Gcd => "has no result",
    };
    print(front, &format!("{} {what}: {failure}", quoted(&text)));
}

fn write(message: &[u8]) {
    let _ = screen::print_error(message);
}

/// Quotes a token; bytes other than printable ASCII are written as C escapes.
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
}
