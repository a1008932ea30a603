//! Parses integers of any size.

use numtheory::Natural;

/// Largest number of digits that always fits into 64 bits.
const WORD_DIGITS: usize = 19;

/// A number without its sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Magnitude {
    /// Below 2^64.
    Word(u64),
    /// 2^64 and above.
    Long(Natural),
}

/// Parses digits of a number of any size: at least one digit, and no other byte. Leading zeros are allowed.
#[inline]
pub(super) fn read_digits(digits: &[u8]) -> Option<Magnitude> {
    let (mut word, mut are_digits) = (0u64, !digits.is_empty());
    for &byte in digits {
        are_digits &= byte.is_ascii_digit();
        word = word.wrapping_mul(10).wrapping_add(u64::from(byte & 0xf));
    }
    match digits.len() {
        _ if !are_digits => None,
        ..=WORD_DIGITS => Some(Magnitude::Word(word)),
        _ => read_long(digits),
    }
}

#[cold]
fn read_long(digits: &[u8]) -> Option<Magnitude> {
    let first = digits.iter().position(|&byte| byte != b'0').unwrap_or(digits.len());
    let natural = match &digits[first..] {
        [] => Natural::Small(0),
        significant => std::str::from_utf8(significant).ok()?.parse().ok()?,
    };
    Some(match natural {
        Natural::Small(word) => Magnitude::Word(word),
        long @ Natural::Big(_) => Magnitude::Long(long),
    })
}

/// Parses a natural number in the syntax of `factor`: after spaces, with an optional `+`.
#[inline]
pub(super) fn read_natural(token: &[u8]) -> Option<Magnitude> {
    match token {
        // The fast path for nearly all numbers.
        [b'1'..=b'9', ..] => read_digits(token),
        _ => {
            let token = after_spaces(token);
            read_digits(token.strip_prefix(b"+").unwrap_or(token))
        }
    }
}

/// Digits of a number that [`read_natural`] returns as [`Magnitude::Long`]: without spaces, sign and leading
/// zeros.
pub(super) fn significant(token: &[u8]) -> &[u8] {
    let first = token.iter().position(|byte| matches!(byte, b'1'..=b'9')).unwrap_or(token.len());
    &token[first..]
}

/// Parses the magnitude of an integer with an optional sign, after spaces.
pub(super) fn read_magnitude(token: &[u8]) -> Option<Magnitude> {
    match after_spaces(token) {
        [b'+' | b'-', digits @ ..] => read_digits(digits),
        digits => read_digits(digits),
    }
}

fn after_spaces(token: &[u8]) -> &[u8] {
    let first = token.iter().position(|&byte| byte != b' ').unwrap_or(token.len());
    &token[first..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_a_sign_and_zeros_may_precede_the_digits() {
        for token in ["7", "+7", "007", "  7", " +00000000000000000000000000000007"] {
            assert_eq!(read_natural(token.as_bytes()), Some(Magnitude::Word(7)), "{token:?}");
        }
        for token in ["", " ", "+", "-7", "++7", "+ 7", "7 ", "7a", "\t7", "0x7", "000000000000000000000000x"]
        {
            assert_eq!(read_natural(token.as_bytes()), None, "{token:?}");
        }
        assert_eq!(read_natural(&[b'0'; 40]), Some(Magnitude::Word(0)));
        assert_eq!(read_magnitude(b" -12"), Some(Magnitude::Word(12)));
        assert_eq!(read_magnitude(b"--12"), None);
    }

    #[test]
    fn words_have_at_most_64_bits() {
        assert_eq!(read_natural(b"9999999999999999999"), Some(Magnitude::Word(9_999_999_999_999_999_999)));
        assert_eq!(read_natural(b"18446744073709551615"), Some(Magnitude::Word(u64::MAX)));
        assert_eq!(read_natural(b"18446744073709551616"), Some(Magnitude::Long(Natural::from(1u128 << 64))));
    }
}
