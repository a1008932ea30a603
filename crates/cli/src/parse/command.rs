//! Fields of a `command` job.

use std::collections::BTreeMap;

use ops::Command;

use super::{
    error::{ParseError, shortened},
    fields::{Fields, RawField},
    value,
};

pub(super) fn command(fields: &Fields<'_>, argv_text: RawField<'_>) -> Result<Command, ParseError> {
    let text = |name: &str| {
        let written = fields.get(name);
        written.map(|written| value::typed::<String>(name, written, "a string")).transpose()
    };
    let env = fields.get("env").map(environment).transpose()?.unwrap_or_default();
    Ok(Command { argv: argv(argv_text)?, stdin: text("stdin")?, env, cwd: text("cwd")? })
}

/// Parses environment variables; their names must be valid for a process environment.
fn environment(written: RawField<'_>) -> Result<BTreeMap<String, String>, ParseError> {
    const EXPECTED: &str = "an object whose values are strings";
    if !written.text.starts_with('{') {
        let found = value::kind_of(written.text);
        return Err(ParseError::new(written.offset, format!("`env` must be {EXPECTED}, found {found}")));
    }
    let variables = Fields::read_nested(written, |name| format!("`env` sets `{}` twice", shortened(name)))?;
    let variable = |(name, offset, value): (&str, usize, RawField<'_>)| {
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = format!("`env` must contain valid variable names, found {:?}", shortened(name));
            return Err(ParseError::new(offset, message));
        }
        Ok((name.to_owned(), value::typed("env", value, EXPECTED)?))
    };
    variables.iter().map(variable).collect()
}

pub(super) fn argv(written: RawField<'_>) -> Result<Vec<String>, ParseError> {
    let argv: Vec<String> = value::typed("argv", written, "a list of strings")?;
    match argv.is_empty() {
        true => Err(ParseError::new(written.offset, "`argv` must name a program")),
        false => Ok(argv),
    }
}

#[cfg(test)]
mod tests {
    use ops::Builtin;

    use crate::parse::{ParseError, ParseOptions, ParsedJob, parse};

    fn with_env(env: &str) -> Result<ParsedJob, ParseError> {
        let parse_options = ParseOptions::new(None, 30);
        parse(format!(r#"{{"op":"command","argv":["a"],"env":{env}}}"#).as_bytes(), &parse_options)
    }

    #[test]
    fn rejects_duplicate_and_invalid_variable_names() {
        let error_of = |env: &str| {
            let error = with_env(env).unwrap_err();
            (error.offset, error.message)
        };
        let twice = |name: &str| format!("`env` sets `{name}` twice");
        let no_name = |name: &str| format!("`env` must contain valid variable names, found {name}");
        for (env, column, message) in [
            (r#"{"A":"1","A":"2"}"#, 9, twice("A")),
            (r#"{"A":"1","\u0041":"2"}"#, 9, twice("A")),
            (r#"{"\u0041":"1", "A" :"2"}"#, 15, twice("A")),
            (r#"{"a\"\\":"1","B":"","a\u0022\\"  : "2"}"#, 20, twice(r#"a"\"#)),
            (r#"{"":"1"}"#, 1, no_name(r#""""#)),
            (r#"{"A":"1","B=C":"1"}"#, 9, no_name(r#""B=C""#)),
            (r#"{"A":"1","B\u003d":"1"}"#, 9, no_name(r#""B=""#)),
            (r#"{"\u0000":"1"}"#, 1, no_name(r#""\0""#)),
        ] {
            assert_eq!(error_of(env), (35 + column, message), "{env}");
        }
        let many = |last: usize| {
            let variables: Vec<String> = (0..5_000).chain([last]).map(|n| format!(r#""V{n}":"x""#)).collect();
            format!("{{{}}}", variables.join(","))
        };
        let text = many(4_321);
        assert_eq!(error_of(&text), (35 + text.rfind("\"V").unwrap(), twice("V4321")));
        let Builtin::Command(command) = with_env(&many(5_000)).unwrap().job else { panic!() };
        assert_eq!(command.env.len(), 5_001);
    }
}
