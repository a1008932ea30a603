//! Fast path for jobs of integers in the usual notation, parsed in one pass.
//!
//! All other texts, and all invalid ones, are left to [`job`](super::job), which supports all of JSON and
//! produces the error messages. A job that is parsed here would be parsed there with the same result.

use numtheory::Natural;
use ops::{Builtin, Method};

use super::{op::Op, options::ParseOptions, parsed_job::ParsedJob};

/// Number of decimal digits that always fit into 64 bits.
const MAX_DIGITS: usize = 19;

/// Ops with a fast path, the most frequent first.
const FAST_OPS: [Op; 4] = [Op::Gcd, Op::PrimeFactors, Op::Factorize, Op::Sum];

/// An integer: whether it is negative, and its magnitude.
#[derive(Clone, Copy)]
struct Integer(bool, u64);

/// Fields of a job on the fast path.
#[derive(Default)]
struct FastFields<'a> {
    op: Option<Op>,
    id: Option<&'a str>,
    a: Option<Integer>,
    b: Option<Integer>,
    n: Option<Integer>,
}

/// Parses a job; `None` if it does not qualify for the fast path.
#[inline]
pub(super) fn parse(bytes: &[u8], parse_options: &ParseOptions) -> Option<ParsedJob> {
    let fields = Scanner { rest: bytes, max_digits: parse_options.max_digits.min(MAX_DIGITS) }.object()?;
    let op = fields.op.or(parse_options.default_op)?;
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
    Some(ParsedJob { op, id: fields.id.map(Box::from), job, limit: None, priority: 0 })
}

impl Integer {
    fn at_least(self, least: u64) -> Option<Natural> {
        let Integer(negative, magnitude) = self;
        ((!negative || magnitude == 0) && magnitude >= least).then(|| magnitude.into())
    }
}

struct Scanner<'a> {
    rest: &'a [u8],
    max_digits: usize,
}

impl<'a> Scanner<'a> {
    /// Parses an object that ends with the text.
    fn object(mut self) -> Option<FastFields<'a>> {
        let mut fields = FastFields::default();
        self.expect(b'{')?;
        loop {
            self.expect(b'"')?;
            // Names are short, so comparing them directly is faster than searching for their ends.
            match self.rest {
                [b'o', b'p', b'"', rest @ ..] => {
                    self.rest = rest;
                    set(&mut fields.op, self.op()?)?;
                }
                [b'i', b'd', b'"', rest @ ..] => {
                    self.rest = rest;
                    set(&mut fields.id, self.id()?)?;
                }
                [name @ (b'a' | b'b' | b'n'), b'"', rest @ ..] => {
                    self.rest = rest;
                    self.expect(b':')?;
                    let field = match name {
                        b'a' => &mut fields.a,
                        b'b' => &mut fields.b,
                        _ => &mut fields.n,
                    };
                    set(field, self.integer()?)?;
                }
                _ => return None,
            }
            match self.next()? {
                b',' => {}
                b'}' if self.rest.is_empty() => return Some(fields),
                _ => return None,
            }
        }
    }

    /// Returns the next byte that is not white space.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        loop {
            let (&first, rest) = self.rest.split_first()?;
            self.rest = rest;
            if !matches!(first, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(first);
            }
        }
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// Parses a colon and the name of an op with a fast path.
    fn op(&mut self) -> Option<Op> {
        self.expect(b':')?;
        self.expect(b'"')?;
        let (op, rest) = FAST_OPS.into_iter().find_map(|op| {
            let rest = self.rest.strip_prefix(op.name().as_bytes())?.strip_prefix(b"\"")?;
            Some((op, rest))
        })?;
        self.rest = rest;
        Some(op)
    }

    /// Skips the rest of a string of printable ASCII without escapes, after its opening quote.
    fn skip_string(&mut self) -> Option<()> {
        let plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'"' && *byte != b'\\';
        let length = self.rest.iter().take_while(|byte| plain(byte)).count();
        self.rest = self.rest[length..].strip_prefix(b"\"")?;
        Some(())
    }

    /// Parses a colon, and a string, including its quotes, or an integer.
    fn id(&mut self) -> Option<&'a str> {
        self.expect(b':')?;
        self.skip_blanks();
        let start = self.rest;
        if let Some(inside) = start.strip_prefix(b"\"") {
            self.rest = inside;
            self.skip_string()?;
        } else {
            self.integer()?;
        }
        std::str::from_utf8(&start[..start.len() - self.rest.len()]).ok()
    }

    #[inline]
    fn integer(&mut self) -> Option<Integer> {
        self.skip_blanks();
        let (negative, digits) = match self.rest {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let (mut magnitude, mut length) = (0u64, 0);
        while let Some(digit) =
            digits.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10)
        {
            // Wraps around only for numbers with too many digits, which are rejected below.
            magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit));
            length += 1;
        }
        self.rest = &digits[length..];
        let leading_zero = length > 1 && digits[0] == b'0';
        if length == 0 || length > self.max_digits || leading_zero {
            return None;
        }
        Some(Integer(negative, magnitude))
    }
}

/// Sets a field; `None` if it is set already.
#[inline]
fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::job;
    use proptest::prelude::*;

    const OPTIONS: ParseOptions = ParseOptions::new(Some(Op::Sum), 18);

    #[test]
    fn parses_usual_notation_only() {
        let plain = [
            r#"{"op":"gcd","a":12,"b":-18}"#,
            r#" {"n" : 0 , "id":"x y"} "#.trim(),
            r#"{"op":"factorize","n":999999999999999999,"id":-7}"#,
        ];
        for text in plain {
            let read = parse(text.as_bytes(), &OPTIONS).expect(text);
            assert_eq!(read, job::parse_all(text.as_bytes(), &OPTIONS).unwrap());
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
        assert!(others.iter().all(|text| parse(text.as_bytes(), &OPTIONS).is_none()));
    }

    proptest! {
        #[test]
        fn agrees_with_the_full_parser(
            text in concat!(
                r#"\{?("(op|a|b|n|id|x)" ?: ?"#,
                r#"("(gcd|sum|factorize|prime_factors|é|a\\nb)"|-?[0-9]{1,20}|1e9|null) ?,?){0,4}\}? ?"#,
            ),
        ) {
            if let Some(read) = parse(text.as_bytes(), &OPTIONS) {
                prop_assert_eq!(read, job::parse_all(text.as_bytes(), &OPTIONS).expect("it can be read"));
            }
        }
    }
}
