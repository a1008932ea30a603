//! Formatting of values with their units, for pictures and the page.

/// Placeholder for a missing or non-finite value.
pub(super) const NONE: &str = "\u{2013}";

const TIMES: [(f64, &str); 4] = [(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")];
const SIZES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Formats a value with a number of significant digits, without trailing zeros; very small and large ones as
/// a power of ten.
pub(super) fn figure(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return NONE.into();
    }
    if value == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e7).contains(&value.abs()) {
        return format!("{value:.0e}");
    }
    let value = rounded(value, digits);
    let whole = value.abs().log10().floor() as i32;
    let behind = (digits as i32 - 1 - whole).clamp(0, 9) as usize;
    let text = format!("{value:.behind$}");
    if behind == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').into() }
}

/// Rounds to a number of significant digits.
fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits.max(1) - 1).parse().unwrap_or(value)
}

/// Formats a time in nanoseconds with three digits.
pub(super) fn time(ns: f64) -> String {
    time_of(ns, 3)
}

/// Formats a time in nanoseconds with two digits: for labels, where a nominal microsecond may be 1.004 us.
pub(super) fn about(ns: f64) -> String {
    time_of(ns, 2)
}

fn time_of(ns: f64, digits: usize) -> String {
    if !ns.is_finite() {
        return NONE.into();
    }
    // Round before choosing the unit: 999.9 ns is 1 us.
    let ns = rounded(ns, digits);
    let (unit, name) = TIMES.into_iter().find(|(unit, _)| ns.abs() >= *unit).unwrap_or((1.0, "ns"));
    format!("{} {name}", figure(ns / unit, digits))
}

/// Formats a number of bytes.
pub(super) fn bytes(count: f64) -> String {
    if !count.is_finite() {
        return NONE.into();
    }
    let (mut count, mut unit) = (count, 0);
    while count.abs() >= 1024.0 && unit + 1 < SIZES.len() {
        count /= 1024.0;
        unit += 1;
    }
    format!("{} {}", figure(count, 3), SIZES[unit])
}

/// Formats a count.
pub(super) fn number(count: f64) -> String {
    figure(count, 6)
}

/// Formats a speedup for a tick.
pub(super) fn times(ratio: f64) -> String {
    figure(ratio, 3) + "\u{d7}"
}

/// Formats a ratio for a sentence or a table; two decimal places are as precise as the measurement.
pub(super) fn ratio(ratio: f64) -> String {
    if (0.1..1000.0).contains(&ratio) { format!("{ratio:.2}") } else { figure(ratio, 2) }
}

/// Formats a fraction in percent.
pub(super) fn percent(part: f64) -> String {
    let percent = part * 100.0;
    // A part is never shown as "100 %".
    match percent {
        99.95..100.0 => "over 99.9 %".into(),
        99.0..99.95 => format!("{percent:.1} %"),
        _ => figure(percent, 2) + " %",
    }
}

/// Formats a small number as a word.
pub(super) fn word(count: usize) -> String {
    const WORDS: [&str; 11] =
        ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).into())
}

/// Capitalizes the first letter.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_use_the_fitting_unit() {
        let cases = [
            (0.0, "0 ns"),
            (0.25, "0.25 ns"),
            (90.0, "90 ns"),
            (999.4, "999 ns"),
            (999.9, "1 us"),
            (1_234.0, "1.23 us"),
            (45_600.0, "45.6 us"),
            (1e8, "100 ms"),
            (2.5e9, "2.5 s"),
            (1e18, "1e9 s"),
            (1e-300, "1e-300 ns"),
            (f64::NAN, NONE),
            (f64::INFINITY, NONE),
        ];
        for (ns, text) in cases {
            assert_eq!(time(ns), text);
        }
        assert_eq!(about(1_004.0), "1 us");
    }

    #[test]
    fn sizes_use_binary_units() {
        let cases =
            [(0.0, "0 B"), (16.0, "16 B"), (1024.0, "1 KiB"), (16_777_216.0, "16 MiB"), (1e30, "9e11 EiB")];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn ratios_and_percentages_are_not_rounded_up() {
        assert_eq!(ratio(1.984), "1.98");
        assert_eq!(ratio(0.0123), "0.012");
        assert_eq!(times(0.5), "0.5\u{d7}");
        assert_eq!(percent(0.9994), "99.9 %");
        assert_eq!(percent(0.999_99), "over 99.9 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.123), "12 %");
        assert_eq!(number(1024.0), "1024");
    }

    #[test]
    fn small_numbers_are_words() {
        assert_eq!(word(2), "two");
        assert_eq!(word(64), "64");
        assert_eq!(sentence("two"), "Two");
        assert_eq!(sentence(""), "");
    }
}
