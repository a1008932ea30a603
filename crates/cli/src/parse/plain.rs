//! Jobs of integers as most programs write them, read in one pass.
//!
//! What is not so plain, or is wrong, is left to [`job`](super::job), which knows all of JSON and has the words for what
//! is wrong. Whatever is read here it would read the same way.

use builtin::{Builtin, Method, Natural};

use super::{
    job::{ParsedJob, Rules},
    op::Op,
};

/// No number of so many digits is beyond 64 bits.
const MOST_DIGITS: usize = 19;

/// An integer: whether it is negative, and its magnitude.
#[derive(Clone, Copy)]
struct Integer(bool, u64);

/// The fields of a plain job.
#[derive(Default)]
struct Fields<'a> {
    op: Option<Op>,
    id: Option<&'a str>,
    a: Option<Integer>,
    b: Option<Integer>,
    n: Option<Integer>,
}

/// Reads a job if it is a plain one.
pub(super) fn parse(bytes: &[u8], rules: &Rules) -> Option<ParsedJob> {
    let fields = Scanner { rest: bytes, most_digits: rules.max_digits.min(MOST_DIGITS) }.object()?;
    let op = fields.op.or(rules.default_op)?;
    let method = Method::Fast;
    let job = match (op, fields.a, fields.b, fields.n) {
        (Op::Gcd, Some(Integer(_, a)), Some(Integer(_, b)), None) => {
            Builtin::Gcd { a: a.into(), b: b.into(), method }
        }
        (Op::Factorize, None, None, Some(n)) => Builtin::Factorize { n: n.at_least(1)?, method },
        (Op::PrimeFactors, None, None, Some(n)) => Builtin::PrimeFactors { n: n.at_least(1)? },
        (Op::Sum, None, None, Some(n)) => Builtin::Sum { n: n.at_least(0)?, method },
        _ => return None,
    };
    Some(ParsedJob { op, id: fields.id.map(Box::from), job, limit: None })
}

impl Integer {
    fn at_least(self, least: u64) -> Option<Natural> {
        let Integer(negative, magnitude) = self;
        ((!negative || magnitude == 0) && magnitude >= least).then(|| magnitude.into())
    }
}

struct Scanner<'a> {
    rest: &'a [u8],
    most_digits: usize,
}

impl<'a> Scanner<'a> {
    /// One object, and nothing after it.
    fn object(mut self) -> Option<Fields<'a>> {
        let mut fields = Fields::default();
        self.expect(b'{')?;
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            match name {
                "op" => set(&mut fields.op, Op::from_name(self.string()?, &[])?)?,
                "id" => {
                    let id = self.id()?;
                    set(&mut fields.id, id)?;
                }
                "a" => set(&mut fields.a, self.integer()?)?,
                "b" => set(&mut fields.b, self.integer()?)?,
                "n" => set(&mut fields.n, self.integer()?)?,
                _ => return None,
            }
            self.skip_blanks();
            let (&next, rest) = self.rest.split_first()?;
            self.rest = rest;
            match next {
                b',' => {}
                b'}' if rest.is_empty() => return Some(fields),
                _ => return None,
            }
        }
    }

    fn skip_blanks(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_blanks();
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (first == byte).then_some(())
    }

    /// The inside of a string of printable ASCII without escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'"' && *byte != b'\\';
        let length = self.rest.iter().take_while(|byte| plain(byte)).count();
        let (inside, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.rest = self.rest.strip_prefix(b"\"")?;
        std::str::from_utf8(inside).ok()
    }

    /// A string, quotes included, or an integer.
    fn id(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let start = self.rest;
        match start.first()? {
            b'"' => drop(self.string()?),
            _ => drop(self.integer()?),
        }
        std::str::from_utf8(&start[..start.len() - self.rest.len()]).ok()
    }

    fn integer(&mut self) -> Option<Integer> {
        self.skip_blanks();
        let (negative, digits) = match self.rest {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = digits.split_at(length);
        self.rest = rest;
        let leading_zero = length > 1 && digits[0] == b'0';
        if length == 0 || length > self.most_digits || leading_zero {
            return None;
        }
        let magnitude = digits.iter().fold(0, |number: u64, digit| 10 * number + u64::from(digit - b'0'));
        Some(Integer(negative, magnitude))
    }
}

/// A field may stand there once.
fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::job;
    use proptest::prelude::*;

    const RULES: Rules = Rules::new(Some(Op::Sum), 18);

    #[test]
    fn plain_jobs_are_read_and_others_left_alone() {
        let plain = [
            r#"{"op":"gcd","a":12,"b":-18}"#,
            r#" {"n" : 0 , "id":"x y"} "#.trim(),
            r#"{"op":"factorize","n":999999999999999999,"id":-7}"#,
        ];
        for text in plain {
            let read = parse(text.as_bytes(), &RULES).expect(text);
            assert_eq!(read, job::parse_all(text.as_bytes(), &RULES).unwrap());
        }
        let others = [
            r#"{"n":01}"#,
            r#"{"n":1,"n":1}"#,
            r#"{"n":1.0}"#,
            r#"{"n":1} "#,
            r#"{"n":-1}"#,
            r#"{"n":1,}"#,
            r#"{"n":1000000000000000000}"#,
            r#"{"n":1,"id":"\u0041"}"#,
            r#"{"n":1,"method":"trial"}"#,
            r#"{"op":"sum","a":1,"b":2}"#,
            r#"{}"#,
            "",
        ];
        assert!(others.iter().all(|text| parse(text.as_bytes(), &RULES).is_none()));
    }

    proptest! {
        #[test]
        fn what_is_read_here_would_be_read_the_same_way(
            text in r#"\{?("(op|a|b|n|id|x)" ?: ?("(gcd|sum|factorize|prime_factors|é|a\\nb)"|-?[0-9]{1,20}|1e9|null) ?,?){0,4}\}? ?"#,
        ) {
            if let Some(read) = parse(text.as_bytes(), &RULES) {
                prop_assert_eq!(read, job::parse_all(text.as_bytes(), &RULES).expect("it can be read"));
            }
        }
    }
}
