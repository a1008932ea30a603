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

/// Invalid jobs with the offset and the message of their errors.
const INVALID: &[(&str, usize, &str)] = &[
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
    (r#"{"op":"gcd","a":1,"b":2,"c":3}"#, 24, "`gcd` has no field `c`, only `a`, `b`, `values`, `method`"),
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
    (
        r#"{"op":"sum","n":1,"priority":1.5}"#,
        29,
        "`priority` must be an integer from -2147483648 to 2147483647",
    ),
    (
        r#"{"op":"sum","n":1,"priority":2147483648}"#,
        29,
        "`priority` must be an integer from -2147483648 to 2147483647",
    ),
    (r#"{"op":"sleep","seconds":-1}"#, 24, "`seconds` must be a number of seconds from 0 to 10^19"),
    (r#"{"op":"sleep","seconds":1e400}"#, 24, "`seconds` must be a number of seconds from 0 to 10^19"),
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

#[test]
fn every_error_has_its_offset() {
    for &(text, offset, message) in INVALID {
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
        text in concat!(
            r#"\{("(op|a|b|n|id|timeout|priority|argv)":"#,
            r#"("gcd"|"sum"|-?[0-9]{1,3}|1e9|\[\]|\{\}|null),?){0,5}\}?"#,
        ),
    ) {
        if let Err(error) = parse(text.as_bytes(), &OPTIONS) {
            prop_assert!(error.offset <= text.len());
        }
    }
}
