//! Parser of jobs of all ops.

use std::time::Duration;

use ops::{Builtin, Command, Method};
use serde_json::value::RawValue;

use super::{
    command::{argv, command},
    error::ParseError,
    fast_path,
    fields::{Fields, RawField},
    op::{DefinedOp, Op, nearest},
    request, value,
};

/// Settings of the parser.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParseOptions {
    /// Op of jobs that do not name one (`--op`).
    pub(crate) default_op: Option<Op>,
    /// Maximum number of digits of an integer.
    pub(crate) max_digits: usize,
    /// User-defined ops.
    pub(crate) defined: &'static [DefinedOp],
    /// Op whose program gets each text as a request (`runner each`).
    pub(crate) each: Option<&'static DefinedOp>,
}

impl ParseOptions {
    /// Settings without user-defined ops.
    pub(crate) const fn new(default_op: Option<Op>, max_digits: usize) -> ParseOptions {
        ParseOptions { default_op, max_digits, defined: &[], each: None }
    }

    /// Returns the names of the user-defined ops.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &'static str> {
        self.defined.iter().map(|op| op.name.as_str())
    }
}

/// A parsed job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParsedJob {
    pub(crate) op: Op,
    /// The `id` as it was written: a JSON string or integer.
    pub(crate) id: Option<Box<str>>,
    pub(crate) job: Builtin,
    /// The job's own time limit (`timeout`).
    pub(crate) limit: Option<Duration>,
}

/// Fields that jobs of any op can have.
pub(super) const COMMON_FIELDS: [&str; 3] = ["op", "id", "timeout"];

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
    object(&fields, parse_options)
        .map(|(op, job, limit)| ParsedJob { op, id: id.clone(), job, limit })
        .map_err(|error| {
            // An invalid job is reported under its id.
            ParseError { id, ..error }
        })
}

fn object(
    fields: &Fields<'_>,
    parse_options: &ParseOptions,
) -> Result<(Op, Builtin, Option<Duration>), ParseError> {
    let op = operation(fields, parse_options)?;
    let known = |name: &str| COMMON_FIELDS.contains(&name) || op.fields().contains(&name);
    if let Some((name, offset)) = fields.first_unknown(known) {
        let message = format!("`{}` has no field `{name}`, only {}", op.name(), list(op.fields()));
        return Err(ParseError::new(offset, message));
    }
    let limit = fields.get("timeout").map(limit).transpose()?;
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
    Ok((op, job, limit))
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
    Ok(ParsedJob { op, id: None, job, limit: None })
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

fn method(fields: &Fields<'_>) -> Result<Method, ParseError> {
    let Some(written) = fields.get("method") else { return Ok(Method::Fast) };
    match written.text {
        "\"fast\"" => Ok(Method::Fast),
        "\"trial\"" => Ok(Method::Trial),
        _ => Err(ParseError::new(written.offset, "`method` must be \"fast\" or \"trial\"")),
    }
}

/// Returns the start of a text, for messages.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use numtheory::Natural;
    use proptest::prelude::*;

    const OPTIONS: ParseOptions = ParseOptions::new(None, 30);

    fn job(text: &str) -> Builtin {
        parse(text.as_bytes(), &OPTIONS).unwrap().job
    }

    fn error(text: &str) -> (usize, String) {
        let error = parse(text.as_bytes(), &OPTIONS).unwrap_err();
        (error.offset, error.message)
    }

    fn with_op(op: Op, text: &str) -> Result<Builtin, String> {
        let parse_options = ParseOptions { default_op: Some(op), ..OPTIONS };
        parse(text.as_bytes(), &parse_options).map(|parsed| parsed.job).map_err(|error| error.message)
    }

    #[test]
    fn parses_jobs_of_every_op() {
        let n = || Natural::Small(12);
        let parsed = parse(br#"{"id":"x\u0041","op":"gcd","a":-12,"b":12,"timeout":0.5}"#, &OPTIONS).unwrap();
        assert_eq!(parsed.job, Builtin::Gcd { a: n(), b: n(), method: Method::Fast });
        assert_eq!(
            (parsed.id.as_deref(), parsed.limit),
            (Some(r#""x\u0041""#), Some(Duration::from_millis(500)))
        );
        let trial = r#"{"op":"factorize","n":12,"method":"trial"}"#;
        assert_eq!(job(trial), Builtin::Factorize { n: n(), method: Method::Trial });
        assert_eq!(job(r#"{"n":12,"op":"prime_factors"}"#), Builtin::PrimeFactors { n: n() });
        assert_eq!(job(r#"{"op":"sum","n":-0}"#), Builtin::Sum { n: 0u64.into(), method: Method::Fast });
        let Builtin::Sleep { seconds } = job(r#"{"op":"sleep","seconds":1e-3}"#) else { panic!() };
        assert_eq!((seconds.as_str(), seconds.duration()), ("1e-3", Duration::from_millis(1)));
        let Builtin::Command(command) = job(r#"{"op":"command","argv":["a","b"],"env":{"K":"v"},"cwd":"/"}"#)
        else {
            panic!()
        };
        assert_eq!((command.argv.len(), command.env["K"].as_str(), command.stdin), (2, "v", None));
    }

    #[test]
    fn every_flaw_has_its_place() {
        let cases = [
            (r#"{"op":"gcd","a":"x","b":1}"#, 16, "`a` must be an integer, found a string"),
            (
                r#"{"op":"gcd","a":1.0,"b":1}"#,
                16,
                "`a` must be an integer, found a number with a fraction or an exponent",
            ),
            (
                r#"{"op":"sum","n":1e400}"#,
                16,
                "`n` must be an integer, found a number with a fraction or an exponent",
            ),
            (r#"{"op":"sum","n":-1}"#, 16, "`n` must be at least 0, found -1"),
            (r#"{"op":"factorize","n":0}"#, 22, "`n` must be at least 1, found 0"),
            (r#"{"op":"gcd","a":1}"#, 0, "`gcd` requires the field `b`"),
            (
                r#"{"op":"gcd","a":1,"b":2,"c":3}"#,
                24,
                "`gcd` has no field `c`, only `a`, `b`, `values`, `method`",
            ),
            (r#"{"op":"sum","n":1,"n":2}"#, 18, "duplicate field `n`"),
            (
                r#"{"op":"prime_factors","n":1,"method":"fast"}"#,
                28,
                "`prime_factors` has no field `method`, only `n`",
            ),
            (r#"{"op":"factorise","n":1}"#, 6, "unknown op `factorise`; did you mean `factorize`?"),
            (r#"{"op":5}"#, 6, "`op` must be a string, found an integer"),
            (
                r#"{"op":"sum","n":1,"id":1.5}"#,
                23,
                "`id` must be a string or an integer, found a number with a fraction or an exponent",
            ),
            (r#"{"op":"sum","n":1,"timeout":0}"#, 28, "`timeout` must be greater than 0"),
            (r#"{"op":"sleep","seconds":-1}"#, 24, "`seconds` must be a number of seconds from 0 to 10^19"),
            (
                r#"{"op":"sleep","seconds":1e400}"#,
                24,
                "`seconds` must be a number of seconds from 0 to 10^19",
            ),
            (r#"{"op":"command","argv":"ls"}"#, 23, "`argv` must be a list of strings, found a string"),
            (r#"{"op":"command","argv":[]}"#, 23, "`argv` must name a program"),
            (
                r#"{"op":"sum","n":1234567890123456789012345678901}"#,
                16,
                "`n` has 31 digits, more than --max-digits (30)",
            ),
            (r#"{"op":"gcd","values":7}"#, 21, "`values` must be a list of integers, found an integer"),
            (r#"{"op":"gcd","values":[4, "x"]}"#, 25, "`values` must hold integers, found a string"),
            (r#"{"op":"gcd","values":[4],"b":1}"#, 29, "`gcd` takes `a` and `b`, or `values`"),
            (r#"{"op":"sum","n":1,"\u006e":2}"#, 18, "duplicate field `n`"),
            (
                r#"{"op":"command","argv":["a"],"env":["A"]}"#,
                35,
                "`env` must be an object whose values are strings, found an array",
            ),
            (
                r#"{"op":"command","argv":["a"],"env":{"A":"1", "B":2}}"#,
                49,
                "`env` must be an object whose values are strings, found an integer",
            ),
            ("7", 0, "a job must be an object, found an integer"),
            ("null", 0, "a job must be an object, found null"),
        ];
        for (text, offset, message) in cases {
            assert_eq!(error(text), (offset, message.to_owned()), "{text}");
        }
    }

    #[test]
    fn invalid_json_has_an_offset() {
        for (text, offset) in
            [(r#"{"op":"sum","n":NaN}"#, 16), ("{\n\"op\": x}", 8), (r#"{"op":"sum","n":01}"#, 17)]
        {
            let error = parse(text.as_bytes(), &OPTIONS).unwrap_err();
            assert!(error.is_syntax && error.offset == offset, "{text}: {error:?}");
        }
        let error = parse(b"{\"op\":\"\xff\"}", &OPTIONS).unwrap_err();
        assert!(error.is_syntax && error.offset == 7);
        assert!(parse(b"{\"op\":\"sum\",\"n\":1\0}", &OPTIONS).unwrap_err().is_syntax);
    }

    #[test]
    fn invalid_job_keeps_its_id() {
        assert_eq!(parse(br#"{"op":"x","id":7}"#, &OPTIONS).unwrap_err().id.as_deref(), Some("7"));
    }

    #[test]
    fn accepts_deep_nesting() {
        let deep = format!("{{\"op\":{}}}", "[".repeat(100_000) + &"]".repeat(100_000));
        assert_eq!(error(&deep).1, "`op` must be a string, found an array");
        assert!(parse("[".repeat(100_000).as_bytes(), &OPTIONS).unwrap_err().is_syntax);
    }

    #[test]
    fn bare_values_are_operands_of_the_default_op() {
        let gcd = Builtin::Gcd { a: 4u64.into(), b: 6u64.into(), method: Method::Fast };
        assert_eq!(with_op(Op::Gcd, "[4, -6]"), Ok(gcd.clone()));
        assert_eq!(with_op(Op::Gcd, r#"{"a":4,"b":6}"#), Ok(gcd.clone()));
        assert_eq!(with_op(Op::Sum, r#"{"op":"gcd","a":4,"b":6}"#), Ok(gcd));
        assert_eq!(with_op(Op::PrimeFactors, "5"), Ok(Builtin::PrimeFactors { n: 5u64.into() }));
        assert!(with_op(Op::Gcd, "[4]").unwrap_err().contains("two integers"));
        assert!(with_op(Op::Gcd, "[4,true]").unwrap_err().contains("must hold integers, found a boolean"));
        let values = |numbers: &[u64]| numbers.iter().map(|&number| number.into()).collect();
        let several = |numbers| Builtin::GcdOf { values: values(numbers), method: Method::Fast };
        assert_eq!(with_op(Op::Gcd, "[4, -6, 10]"), Ok(several(&[4, 6, 10])));
        assert_eq!(job(r#"{"op":"gcd","values":[ -4 , 6, 10]}"#), several(&[4, 6, 10]));
        assert_eq!(job(r#"{"op":"gcd","values":[]}"#), several(&[]));
        assert!(with_op(Op::Sum, "[1,2]").unwrap_err().contains("found an array"));
        assert!(with_op(Op::Command, r#"["ls"]"#).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_parses_without_panic(text: String, bytes: Vec<u8>) {
            let _ = parse(text.as_bytes(), &OPTIONS);
            let _ = parse(&bytes, &ParseOptions { default_op: Some(Op::Gcd), ..OPTIONS });
        }

        #[test]
        fn texts_close_to_jobs_parse_without_panic(
            text in r#"\{("(op|a|b|n|id|timeout|argv)":("gcd"|"sum"|-?[0-9]{1,3}|1e9|\[\]|\{\}|null),?){0,5}\}?"#,
        ) {
            if let Err(error) = parse(text.as_bytes(), &OPTIONS) {
                prop_assert!(error.offset <= text.len());
            }
        }
    }
}
