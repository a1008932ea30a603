//! Factors the numbers of a block; one line for each, as `12: 2 2 3`.

use super::{
    block_output::{BlockOutput, TokenErrorKind},
    integer::{Magnitude, read_natural, significant},
    tokens::{Tokens, tokens},
};

/// Factors every number in the text, in order.
pub(super) fn factor_all(text: &[u8], kind: Tokens, exponents: bool) -> BlockOutput {
    let mut output = BlockOutput::default();
    output.lines.reserve(4 * text.len());
    let mut factors = Vec::new();
    let mut line = FactorLine { exponents, digits: itoa::Buffer::new() };
    tokens(text, kind).for_each(|token| {
        // As in C, a word ends at its first NUL.
        let token = match kind {
            Tokens::Stream => before_nul(token),
            Tokens::Operands => token,
        };
        match read_natural(token) {
            Some(Magnitude::Word(number)) => {
                factors.clear();
                numtheory::factor_word(number, &mut factors);
                line.of_word(&mut output.lines, (token, number), &factors);
            }
            Some(Magnitude::Long(number)) => match numtheory::prime_powers(&number) {
                Ok(powers) => line.of_long(&mut output.lines, significant(token), &powers),
                Err(numtheory::ZeroHasNoFactors) => output.add_error(token, TokenErrorKind::Zero),
            },
            None => output.add_error(token, TokenErrorKind::NotANumber),
        }
    });
    output
}

fn before_nul(word: &[u8]) -> &[u8] {
    match word.iter().position(|&byte| byte == 0) {
        Some(end) => &word[..end],
        None => word,
    }
}

/// Writes the lines of numbers.
struct FactorLine {
    /// Write repeated factors as powers.
    exponents: bool,
    digits: itoa::Buffer,
}

impl FactorLine {
    fn of_word(&mut self, lines: &mut Vec<u8>, (token, number): (&[u8], u64), factors: &[u64]) {
        match token {
            // The token is only digits, without leading zeros.
            [b'1'..=b'9', ..] => lines.extend_from_slice(token),
            _ => lines.extend_from_slice(self.digits.format(number).as_bytes()),
        }
        lines.push(b':');
        let mut digits = itoa::Buffer::new();
        for equal in factors.chunk_by(|one, other| one == other) {
            self.power(lines, digits.format(equal[0]).as_bytes(), equal.len());
        }
        lines.push(b'\n');
    }

    /// Writes the line of a number with these digits. The digits are copied, because formatting a long number
    /// takes longer than factoring it.
    fn of_long(&mut self, lines: &mut Vec<u8>, number: &[u8], powers: &[(numtheory::Natural, usize)]) {
        lines.extend_from_slice(number);
        lines.push(b':');
        for (prime, exponent) in powers {
            let digits = prime.to_string();
            self.power(lines, digits.as_bytes(), *exponent);
        }
        lines.push(b'\n');
    }

    /// Writes a prime factor that occurs `exponent` times.
    fn power(&mut self, lines: &mut Vec<u8>, prime: &[u8], exponent: usize) {
        let times = if self.exponents { 1 } else { exponent };
        for _ in 0..times {
            lines.push(b' ');
            lines.extend_from_slice(prime);
        }
        if self.exponents && exponent > 1 {
            lines.push(b'^');
            lines.extend_from_slice(self.digits.format(exponent).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], kind: Tokens, exponents: bool) -> (String, Vec<(usize, String)>) {
        let output = factor_all(text, kind, exponents);
        let errors = output.errors.into_iter();
        let errors = errors.map(|error| (error.at, String::from_utf8(error.token).unwrap())).collect();
        (String::from_utf8(output.lines).unwrap(), errors)
    }

    #[test]
    fn each_number_has_a_line_and_each_error_a_position() {
        let (out, errors) = lines(b" 12\t0 1\n x\n+0018446744073709551616 -5", Tokens::Stream, false);
        assert_eq!(out, format!("12: 2 2 3\n0:\n1:\n18446744073709551616:{}\n", " 2".repeat(64)));
        assert_eq!(errors, [(16, "x".to_owned()), (out.len(), "-5".to_owned())]);
    }

    #[test]
    fn repeated_factors_are_written_as_powers() {
        let (out, _) = lines(b"12 7 340282366920938463463374607431768211456", Tokens::Stream, true);
        assert_eq!(out, "12: 2^2 3\n7: 7\n340282366920938463463374607431768211456: 2^128\n");
    }

    #[test]
    fn a_nul_ends_a_word_and_an_operand_contains_any_other_byte() {
        assert_eq!(
            lines(b"12\x0015 \0", Tokens::Stream, false),
            ("12: 2 2 3\n".into(), vec![(10, "".into())])
        );
        let (out, errors) = lines(b" 3\0\x001 2\0", Tokens::Operands, false);
        assert_eq!((out.as_str(), errors), ("3: 3\n", vec![(5, String::new()), (5, "1 2".into())]));
    }
}
