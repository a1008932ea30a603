//! Parsing of sizes and durations on the command line, and formatting of numbers.

use std::{str::FromStr, time::Duration};

/// Number of bytes, greater than 0: `65536`, `64K`, `16M`, `1G`. Units are powers of 1,024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let invalid = || "expected a number of bytes, for example 65536, 64K, 16M or 1G".to_owned();
        let (digits, shift) = match text.as_bytes().last() {
            Some(b'k' | b'K') => (&text[..text.len() - 1], 10),
            Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
            Some(b'g' | b'G') => (&text[..text.len() - 1], 30),
            _ => (text, 0),
        };
        let number: u64 = digits.parse().map_err(|_| invalid())?;
        number.checked_mul(1 << shift).filter(|&bytes| bytes > 0).map(Size).ok_or_else(invalid)
    }
}

/// Parses a duration in seconds, greater than 0: `2`, `0.5`.
pub(crate) fn positive_seconds(text: &str) -> Result<Duration, String> {
    let positive = seconds(text).ok().filter(|time| !time.is_zero());
    positive.ok_or_else(|| "expected a number of seconds greater than 0".to_owned())
}

/// Parses a duration in seconds, 0 or more.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|number| Duration::try_from_secs_f64(number).ok());
    seconds.ok_or_else(|| "expected a number of seconds".to_owned())
}

/// Formats nanoseconds in a suitable unit, with one decimal.
pub(crate) fn format_ns(ns: f64) -> String {
    let (value, unit) = match ns {
        ..1e3 => (ns, "ns"),
        1e3..1e6 => (ns / 1e3, "us"),
        1e6..1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{value:.1} {unit}")
}

/// Formats a number in at most `width` characters, scaled to thousands, millions and so on if its digits do
/// not fit.
pub(crate) fn format_count(number: u64, width: usize) -> String {
    let text = number.to_string();
    if text.len() <= width {
        return text;
    }
    let mut scaled = ["k", "M", "G", "T", "P", "E"].into_iter().zip(1..).flat_map(|(unit, power)| {
        let scaled = number as f64 / 1e3f64.powi(power);
        [format!("{scaled:.1}{unit}"), format!("{scaled:.0}{unit}")]
    });
    scaled.find(|text| text.len() <= width).unwrap_or(text)
}

/// Formats a number with at most `decimals` decimals, as many as fit into `width` characters.
pub(crate) fn format_decimal(number: f64, decimals: usize, width: usize) -> String {
    let mut texts = (0..=decimals).rev().map(|decimals| format!("{number:.decimals$}"));
    texts.find(|text| text.len() <= width).unwrap_or_else(|| format_count(number as u64, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_sizes() {
        assert_eq!("16M".parse(), Ok(Size(16 << 20)));
        assert_eq!("7".parse(), Ok(Size(7)));
        for invalid in ["", "M", "0", "-1", "1.5M", "99999999999999G", "1Q"] {
            assert!(invalid.parse::<Size>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn numbers_fit_their_columns() {
        let five = |number| format_count(number, 5);
        assert_eq!(
            [0, 99_999, 100_000, 2_500_000, 123_456_789].map(five),
            ["0", "99999", "100k", "2500k", "123M"]
        );
        assert_eq!(format_count(u64::MAX, 9), "18446744T");
        assert_eq!(
            [1.25, 12_345.678, 1e9].map(|number| format_decimal(number, 3, 8)),
            ["1.250", "12345.68", "1000000k"]
        );
    }

    #[test]
    fn parses_durations() {
        assert_eq!(positive_seconds("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        for invalid in ["0", "-1", "NaN", "inf", "1e400", "x", "1e-30"] {
            assert!(positive_seconds(invalid).is_err(), "{invalid}");
        }
    }
}
