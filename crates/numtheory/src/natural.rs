//! Natural numbers of any size. Numbers below 2^64 need no allocation.

use std::{fmt, str::FromStr};

use dashu_int::{UBig, ops::BitTest};
use serde::{Deserialize, Serialize};

/// A natural number, including 0.
///
/// The value determines the variant. Therefore every `Small` is below every `Big`, and the derived order is
/// the numeric order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Natural {
    /// A number below 2^64.
    Small(u64),
    /// A number of 2^64 or above. It is boxed to keep jobs and results small, since most numbers are small.
    Big(Box<UBig>),
}

/// Error for text that is not a natural number in plain decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a natural number")]
pub struct ParseNaturalError;

impl Natural {
    /// Returns whether the number is 0.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Natural::Small(0)
    }

    /// Number of decimal digits. Exact for up to 64 bits, otherwise up to 0.01 % too large.
    #[must_use]
    pub fn digits(&self) -> u64 {
        match self {
            Natural::Small(small) => u64::from(small.checked_ilog10().unwrap_or(0)) + 1,
            // 1,234 / 4,099 is slightly above log10(2).
            Natural::Big(big) => (big.bit_len() as u64).saturating_mul(1_234) / 4_099 + 1,
        }
    }

    /// Converts the number to a big integer.
    #[must_use]
    pub fn into_big(self) -> UBig {
        match self {
            Natural::Small(small) => small.into(),
            Natural::Big(big) => *big,
        }
    }
}

impl From<u64> for Natural {
    fn from(small: u64) -> Natural {
        Natural::Small(small)
    }
}

impl From<u128> for Natural {
    fn from(number: u128) -> Natural {
        u64::try_from(number).map_or_else(|_| Natural::Big(Box::new(number.into())), Natural::Small)
    }
}

impl From<UBig> for Natural {
    fn from(big: UBig) -> Natural {
        match u64::try_from(&big) {
            Ok(small) => Natural::Small(small),
            Err(_) => Natural::Big(Box::new(big)),
        }
    }
}

impl FromStr for Natural {
    type Err = ParseNaturalError;

    /// Parses one or more decimal digits; signs, spaces and separators are errors.
    fn from_str(text: &str) -> Result<Natural, ParseNaturalError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseNaturalError);
        }
        if text.len() < 20 {
            return text.parse().map(Natural::Small).map_err(|_| ParseNaturalError);
        }
        UBig::from_str_radix(text, 10).map(Natural::from).map_err(|_| ParseNaturalError)
    }
}

impl fmt::Display for Natural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Natural::Small(small) => small.fmt(f),
            Natural::Big(big) => big.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn size_is_two_words() {
        assert_eq!(size_of::<Natural>(), 16);
    }

    #[test]
    fn numbers_below_2_to_the_64_are_small() {
        assert_eq!("18446744073709551615".parse(), Ok(Natural::Small(u64::MAX)));
        assert_eq!("18446744073709551616".parse::<Natural>().unwrap(), Natural::from(1u128 << 64));
        assert_eq!("00000000000000000000007".parse(), Ok(Natural::Small(7)));
        for wrong in ["", "-1", "+1", "1_000", "0x10", " 1"] {
            assert_eq!(wrong.parse::<Natural>(), Err(ParseNaturalError), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(number: u128) {
            let natural = Natural::from(number);
            prop_assert_eq!(natural.to_string(), number.to_string());
            let digits = number.to_string().len() as u64;
            prop_assert!((digits..=digits + 1).contains(&natural.digits()));
            prop_assert_eq!(number.to_string().parse::<Natural>().unwrap(), natural);
        }
    }
}
