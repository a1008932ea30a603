//! Formatting of values for tables: three significant digits and a unit.

/// Formats a time in nanoseconds.
pub(crate) fn time(ns: f64) -> String {
    scaled(ns, 1e3, &["ns", "us", "ms", "s"])
}

/// Formats a number of bytes.
pub(crate) fn bytes(count: u64) -> String {
    scaled(count as f64, 1024.0, &["B", "KiB", "MiB", "GiB"])
}

/// Formats a ratio; below 0.001 as a power of ten.
pub(crate) fn ratio(value: f64) -> String {
    if value < 0.001 { format!("{value:.0e}") } else { digits(value) }
}

/// Uses the largest unit of which there is at least one; the last unit takes all larger values.
fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut units = units.iter();
    let mut unit = units.next();
    // A value that would be rounded up to a full step belongs to the next unit.
    while value >= step - 0.5 {
        match units.next() {
            Some(next) => (unit, value) = (Some(next), value / step),
            None => break,
        }
    }
    format!("{} {}", digits(value), unit.unwrap_or(&""))
}

/// Formats with three significant digits.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let shown = [0.5, 7.0, 99.96, 123.4, 999.6, 1_000.0, 12_345.0, 5e7, 1.5e9, 2e12].map(time);
        assert_eq!(
            shown,
            [
                "0.500 ns", "7.00 ns", "100 ns", "123 ns", "1.00 us", "1.00 us", "12.3 us", "50.0 ms",
                "1.50 s", "2000 s"
            ]
        );
    }

    #[test]
    fn bytes_and_ratios() {
        assert_eq!([16, 4096, 16 << 20].map(bytes), ["16.0 B", "4.00 KiB", "16.0 MiB"]);
        assert_eq!([0.00002, 0.0123, 1.9, 12.0].map(ratio), ["2e-5", "0.012", "1.90", "12.0"]);
    }
}
