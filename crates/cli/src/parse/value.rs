//! Parsers of the values of fields.

use numtheory::Natural;
use ops::Seconds;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{error::ParseError, fields::RawField};

/// Describes the type of a value for messages.
pub(crate) fn kind_of(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') if is_integer(text) => "an integer",
        Some(b'-' | b'0'..=b'9') => "a number with a fraction or an exponent",
        _ => "something else",
    }
}

/// Returns whether a JSON value is an integer, that is, matches `-?(0|[1-9][0-9]*)`.
pub(crate) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Parses an integer: whether it is negative, and its magnitude.
pub(crate) fn integer(
    name: &str,
    value: RawField<'_>,
    max_digits: usize,
) -> Result<(bool, Natural), ParseError> {
    if !is_integer(value.text) {
        let message = format!("`{name}` must be an integer, found {}", kind_of(value.text));
        return Err(ParseError::new(value.offset, message));
    }
    let (negative, digits) = match value.text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, value.text),
    };
    if digits.len() > max_digits {
        let message = format!("`{name}` has {} digits, more than --max-digits ({max_digits})", digits.len());
        return Err(ParseError::new(value.offset, message));
    }
    let magnitude =
        digits.parse().map_err(|_| ParseError::new(value.offset, format!("`{name}` is not an integer")))?;
    Ok((negative, magnitude))
}

/// Parses a list of integers; returns their magnitudes.
pub(crate) fn integers(
    name: &str,
    list: RawField<'_>,
    max_digits: usize,
) -> Result<Vec<Natural>, ParseError> {
    let parts: Vec<&RawValue> = typed(name, list, "a list of integers")?;
    let magnitude = |part: &&RawValue| {
        let text = part.get();
        let offset = list.offset + (text.as_ptr() as usize - list.text.as_ptr() as usize);
        if !is_integer(text) {
            return Err(ParseError::new(
                offset,
                format!("`{name}` must hold integers, found {}", kind_of(text)),
            ));
        }
        integer(name, RawField { text, offset }, max_digits).map(|(_, magnitude)| magnitude)
    };
    parts.iter().map(magnitude).collect()
}

/// Parses an integer of at least `least`, which is 0 or 1.
pub(crate) fn natural(
    name: &str,
    value: RawField<'_>,
    least: u64,
    max_digits: usize,
) -> Result<Natural, ParseError> {
    let (negative, magnitude) = integer(name, value, max_digits)?;
    if (negative && !magnitude.is_zero()) || magnitude < Natural::Small(least) {
        let found = if value.text.len() <= 40 { value.text } else { "a negative number" };
        return Err(ParseError::new(
            value.offset,
            format!("`{name}` must be at least {least}, found {found}"),
        ));
    }
    Ok(magnitude)
}

/// Parses a number of seconds of at least 0.
pub(crate) fn seconds(name: &str, value: RawField<'_>) -> Result<Seconds, ParseError> {
    let is_number = matches!(value.text.as_bytes().first(), Some(b'-' | b'0'..=b'9'));
    if !is_number {
        let message = format!("`{name}` must be a number of seconds, found {}", kind_of(value.text));
        return Err(ParseError::new(value.offset, message));
    }
    let out_of_range =
        |_| ParseError::new(value.offset, format!("`{name}` must be a number of seconds from 0 to 10^19"));
    value.text.parse().map_err(out_of_range)
}

/// Parses a value of any type that serde supports; `expected` describes the type for messages.
pub(crate) fn typed<'a, T: Deserialize<'a>>(
    name: &str,
    value: RawField<'a>,
    expected: &str,
) -> Result<T, ParseError> {
    serde_json::from_str(value.text).map_err(|error| {
        let found = if error.is_data() { kind_of(value.text).to_owned() } else { error.to_string() };
        ParseError::new(value.offset, format!("`{name}` must be {expected}, found {found}"))
    })
}
