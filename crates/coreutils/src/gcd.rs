//! Computes the greatest common divisor of each line of a block.

use numtheory::Natural;

use super::{
    block_output::{BlockOutput, TokenErrorKind},
    integer::{Magnitude, read_magnitude},
    tokens::operands,
};

/// Greatest common divisor of all operands.
pub(super) fn of_operands(text: &[u8]) -> BlockOutput {
    let mut output = BlockOutput::default();
    one_result(operands(text), &mut output);
    output
}

/// Greatest common divisor of each line that is not blank.
pub(super) fn of_lines(text: &[u8]) -> BlockOutput {
    let mut output = BlockOutput::default();
    for line in text.split(|&byte| byte == b'\n') {
        let mut words = line.split(|&byte| is_space(byte)).filter(|word| !word.is_empty()).peekable();
        if words.peek().is_some() {
            one_result(words, &mut output);
        }
    }
    output
}

/// Returns whether a byte is white space within a line, which includes a carriage return at its end.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Writes the result, or records every token that is not an integer.
fn one_result<'t>(tokens: impl Iterator<Item = &'t [u8]>, output: &mut BlockOutput) {
    let (mut numbers, mut is_whole) = (Vec::new(), true);
    for token in tokens {
        match read_magnitude(token) {
            Some(Magnitude::Word(number)) => numbers.push(Natural::Small(number)),
            Some(Magnitude::Long(number)) => numbers.push(number),
            None => {
                is_whole = false;
                output.add_error(token, TokenErrorKind::NotANumber);
            }
        }
    }
    if is_whole {
        output.lines.extend_from_slice(numtheory::gcd::of_all(numbers).to_string().as_bytes());
        output.lines.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_a_result_unless_it_is_blank_or_invalid() {
        let output = of_lines(b"12 18\n\n \t\n-4\t+6 0\r\n7 x 14 y\n0\n36893488147419103232 12\n5");
        assert_eq!(output.lines, b"6\n2\n0\n4\n5\n");
        let errors: Vec<_> = output.errors.iter().map(|error| (error.at, error.token.as_slice())).collect();
        assert_eq!(errors, [(4, b"x".as_slice()), (4, b"y")]);
    }

    #[test]
    fn operands_have_one_result() {
        assert_eq!(of_operands(b"12\0-18\0 30\0").lines, b"6\n");
        let wrong = of_operands(b"12\x001 2\0");
        assert_eq!((wrong.lines.len(), wrong.errors[0].token.as_slice()), (0, b"1 2".as_slice()));
    }
}
