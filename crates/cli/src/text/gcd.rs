//! The text of a block, line by line: the greatest common divisor of each.

use numtheory::Natural;

use super::{
    block::{Answer, Fault, operands},
    integer::{Magnitude, read_magnitude},
};

/// One greatest common divisor of all operands.
pub(super) fn of_operands(text: &[u8]) -> Answer {
    let mut answer = Answer::default();
    one_result(operands(text), &mut answer);
    answer
}

/// One for each line that is not blank.
pub(super) fn of_lines(text: &[u8]) -> Answer {
    let mut answer = Answer::default();
    for line in text.split(|&byte| byte == b'\n') {
        let mut words = line.split(|&byte| is_space(byte)).filter(|word| !word.is_empty()).peekable();
        if words.peek().is_some() {
            one_result(words, &mut answer);
        }
    }
    answer
}

/// White space within a line, a carriage return before its end included.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Writes the result, or notes every token that is no integer.
fn one_result<'t>(tokens: impl Iterator<Item = &'t [u8]>, answer: &mut Answer) {
    let (mut numbers, mut is_whole) = (Vec::new(), true);
    for token in tokens {
        match read_magnitude(token) {
            Some(Magnitude::Word(number)) => numbers.push(Natural::Small(number)),
            Some(Magnitude::Long(number)) => numbers.push(number),
            None => {
                is_whole = false;
                answer.note(token, Fault::NoNumber);
            }
        }
    }
    if is_whole {
        answer.lines.extend_from_slice(numtheory::gcd::of_all(numbers).to_string().as_bytes());
        answer.lines.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_a_result_unless_it_is_blank_or_wrong() {
        let answer = of_lines(b"12 18\n\n \t\n-4\t+6 0\r\n7 x 14 y\n0\n36893488147419103232 12\n5");
        assert_eq!(answer.lines, b"6\n2\n0\n4\n5\n");
        let flaws: Vec<_> = answer.flaws.iter().map(|flaw| (flaw.at, flaw.token.as_slice())).collect();
        assert_eq!(flaws, [(4, b"x".as_slice()), (4, b"y")]);
    }

    #[test]
    fn operands_have_one_result() {
        assert_eq!(of_operands(b"12\0-18\0 30\0").lines, b"6\n");
        let wrong = of_operands(b"12\x001 2\0");
        assert_eq!((wrong.lines.len(), wrong.flaws[0].token.as_slice()), (0, b"1 2".as_slice()));
    }
}
