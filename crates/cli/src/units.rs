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

/// Formats a number of bytes in a suitable unit, with one decimal.
pub(crate) fn format_bytes(bytes: u64) -> String {
    match bytes {
        ..0x400 => format!("{bytes} bytes"),
        0x400..0x10_0000 => format!("{:.1} KiB", bytes as f64 / f64::from(1 << 10)),
        0x10_0000..0x4000_0000 => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

/// Formats a time of up to several days, to a tenth of a second below a minute and to a second above.
pub(crate) fn format_seconds(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        ..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
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
    fn bytes_and_times_have_suitable_units() {
        let bytes = [1023, 1536, 5 << 20, 3 << 30].map(format_bytes);
        assert_eq!(bytes, ["1023 bytes", "1.5 KiB", "5.0 MiB", "3.0 GiB"]);
        let times = [1.26, 61.9, 7_322.0].map(|seconds| format_seconds(Duration::from_secs_f64(seconds)));
        assert_eq!(times, ["1.3 s", "1 min 1 s", "2 h 2 min"]);
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
