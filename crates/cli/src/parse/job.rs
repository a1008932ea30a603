//! Parser of jobs of all ops.

use std::time::Duration;

use ops::{Builtin, Command, Method};
use serde_json::value::RawValue;

use super::{
    command::{argv, command},
    error::{ParseError, shortened},
    fast_path,
    fields::{Fields, RawField},
    op::{Op, nearest},
    options::ParseOptions,
    parsed_job::ParsedJob,
    request, value,
};

/// Fields that jobs of any op can have.
pub(super) const COMMON_FIELDS: [&str; 4] = ["op", "id", "timeout", "priority"];

/// Parses a job, on the fast path if possible.
#[inline]
pub(crate) fn parse(bytes: &[u8], parse_options: &ParseOptions) -> Result<ParsedJob, ParseError> {
    if let Some(op) = parse_options.each {
        return request::line(bytes, op);
    }
    fast_path::parse(bytes, parse_options).map_or_else(|| parse_all(bytes, parse_options), Ok)
}

/// Parses any job with the full JSON parser.
pub(crate) fn parse_all(bytes: &[u8], parse_options: &ParseOptions) -> Result<ParsedJob, ParseError> {
    let text = std::str::from_utf8(bytes).map_err(|error| ParseError::encoding(bytes, &error))?;
    if !text.starts_with('{') {
        return bare_value(text, parse_options);
    }
    let fields = Fields::read(text)?;
    let id = fields.get("id").map(id).transpose()?;
    object(&fields, parse_options).map(|job| ParsedJob { id: id.clone(), ..job }).map_err(|error| {
        // An invalid job is reported under its id.
        ParseError { id, ..error }
    })
}

/// Parses all fields but the id.
fn object(fields: &Fields<'_>, parse_options: &ParseOptions) -> Result<ParsedJob, ParseError> {
    let op = operation(fields, parse_options)?;
    let known = |name: &str| COMMON_FIELDS.contains(&name) || op.fields().contains(&name);
    if let Some((name, offset)) = fields.first_unknown(known) {
        let message = format!("`{}` has no field `{name}`, only {}", op.name(), list(op.fields()));
        return Err(ParseError::new(offset, message));
    }
    let limit = fields.get("timeout").map(limit).transpose()?;
    let priority = fields.get("priority").map_or(Ok(0), priority)?;
    let need = |name: &str| {
        fields
            .get(name)
            .ok_or_else(|| ParseError::new(0, format!("`{}` requires the field `{name}`", op.name())))
    };
    let job = match op {
        Op::Gcd if fields.get("values").is_some() => {
            if let Some(pair) = ["a", "b"].into_iter().find_map(|name| fields.get(name)) {
                return Err(ParseError::new(pair.offset, "`gcd` takes `a` and `b`, or `values`"));
            }
            let values = value::integers("values", need("values")?, parse_options.max_digits)?;
            Builtin::GcdOf { values, method: method(fields)? }
        }
        Op::Gcd => {
            let (_, a) = value::integer("a", need("a")?, parse_options.max_digits)?;
            let (_, b) = value::integer("b", need("b")?, parse_options.max_digits)?;
            Builtin::Gcd { a, b, method: method(fields)? }
        }
        Op::Factorize => {
            let n = value::natural("n", need("n")?, 1, parse_options.max_digits)?;
            Builtin::Factorize { n, method: method(fields)? }
        }
        Op::PrimeFactors => {
            Builtin::PrimeFactors { n: value::natural("n", need("n")?, 1, parse_options.max_digits)? }
        }
        Op::Sum => {
            let n = value::natural("n", need("n")?, 0, parse_options.max_digits)?;
            Builtin::Sum { n, method: method(fields)? }
        }
        Op::Sleep => Builtin::Sleep { seconds: value::seconds("seconds", need("seconds")?)? },
        Op::Command => Builtin::Command(Box::new(command(fields, need("argv")?)?)),
        Op::Defined(op) => request::of_args(need("args")?, op)?,
    };
    Ok(ParsedJob { op, id: None, job, limit, priority })
}

/// Parses a value that is not an object: the operands of the default op.
fn bare_value(text: &str, parse_options: &ParseOptions) -> Result<ParsedJob, ParseError> {
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| ParseError::syntax(text, &error))?;
    let operand = RawField { text: whole.get(), offset: 0 };
    let Some(op) = parse_options.default_op else {
        return Err(ParseError::new(0, format!("a job must be an object, found {}", value::kind_of(text))));
    };
    let method = Method::Fast;
    let job = match op {
        Op::Gcd => {
            let parts: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            if parts.len() < 2 {
                let found = describe(text);
                let message =
                    format!("a bare job for `gcd` must be an array of at least two integers, found {found}");
                return Err(ParseError::new(0, message));
            }
            match &value::integers("values", operand, parse_options.max_digits)?[..] {
                [a, b] => Builtin::Gcd { a: a.clone(), b: b.clone(), method },
                values => Builtin::GcdOf { values: values.to_vec(), method },
            }
        }
        Op::Factorize => {
            Builtin::Factorize { n: value::natural("n", operand, 1, parse_options.max_digits)?, method }
        }
        Op::PrimeFactors => {
            Builtin::PrimeFactors { n: value::natural("n", operand, 1, parse_options.max_digits)? }
        }
        Op::Sum => Builtin::Sum { n: value::natural("n", operand, 0, parse_options.max_digits)?, method },
        Op::Sleep => Builtin::Sleep { seconds: value::seconds("seconds", operand)? },
        Op::Command => Builtin::Command(Box::new(Command { argv: argv(operand)?, ..Command::default() })),
        Op::Defined(op) => request::of_args(operand, op)?,
    };
    Ok(ParsedJob { op, id: None, job, limit: None, priority: 0 })
}

fn describe(text: &str) -> &'static str {
    match value::kind_of(text) {
        "an array" => "another array",
        kind => kind,
    }
}

fn operation(fields: &Fields<'_>, parse_options: &ParseOptions) -> Result<Op, ParseError> {
    let Some(written) = fields.get("op") else {
        let all = list(&Op::names(parse_options.defined).collect::<Vec<_>>());
        return parse_options
            .default_op
            .ok_or_else(|| ParseError::new(0, format!("missing field `op`, one of {all}")));
    };
    let name: String = value::typed("op", written, "a string")?;
    Op::from_name(&name, parse_options.defined).ok_or_else(|| {
        let hint = match nearest(&name, Op::names(parse_options.defined)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known ops: {}", list(&Op::names(parse_options.defined).collect::<Vec<_>>())),
        };
        ParseError::new(written.offset, format!("unknown op `{}`; {hint}", shortened(&name)))
    })
}

fn id(written: RawField<'_>) -> Result<Box<str>, ParseError> {
    match written.text.starts_with('"') || value::is_integer(written.text) {
        true => Ok(written.text.into()),
        false => {
            let found = value::kind_of(written.text);
            Err(ParseError::new(
                written.offset,
                format!("`id` must be a string or an integer, found {found}"),
            ))
        }
    }
}

fn limit(written: RawField<'_>) -> Result<Duration, ParseError> {
    let duration = value::seconds("timeout", written)?.duration();
    match duration.is_zero() {
        true => Err(ParseError::new(written.offset, "`timeout` must be greater than 0")),
        false => Ok(duration),
    }
}

fn priority(written: RawField<'_>) -> Result<i32, ParseError> {
    let parsed = Some(written.text).filter(|text| value::is_integer(text)).map(str::parse);
    parsed.and_then(Result::ok).ok_or_else(|| {
        let (least, most) = (i32::MIN, i32::MAX);
        ParseError::new(written.offset, format!("`priority` must be an integer from {least} to {most}"))
    })
}

fn method(fields: &Fields<'_>) -> Result<Method, ParseError> {
    let Some(written) = fields.get("method") else { return Ok(Method::Fast) };
    match written.text {
        "\"fast\"" => Ok(Method::Fast),
        "\"trial\"" => Ok(Method::Trial),
        _ => Err(ParseError::new(written.offset, "`method` must be \"fast\" or \"trial\"")),
    }
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests;
