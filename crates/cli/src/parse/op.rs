//! The operations, by name.

use ops::Protocol;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Gcd,
    Factorize,
    PrimeFactors,
    Sum,
    Sleep,
    Command,
    Defined(&'static DefinedOp),
}

/// A user-defined op. It is known for as long as the process lives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DefinedOp {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    /// Byte after each request, which no request can contain.
    pub(crate) delimiter: u8,
    /// What the digest of a job covers beside its text: name, protocol, and the program with its arguments.
    pub(crate) identity: Vec<u8>,
}

impl Op {
    pub(crate) const ALL: [Op; 6] =
        [Op::Gcd, Op::Factorize, Op::PrimeFactors, Op::Sum, Op::Sleep, Op::Command];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Op::Gcd => "gcd",
            Op::Factorize => "factorize",
            Op::PrimeFactors => "prime_factors",
            Op::Sum => "sum",
            Op::Sleep => "sleep",
            Op::Command => "command",
            Op::Defined(op) => &op.name,
        }
    }

    pub(crate) fn from_name(name: &str, defined: &'static [DefinedOp]) -> Option<Op> {
        let built_in = Op::ALL.into_iter().find(|op| op.name() == name);
        built_in.or_else(|| defined.iter().find(|op| op.name == name).map(Op::Defined))
    }

    /// Names of all ops that there are.
    pub(crate) fn names(defined: &'static [DefinedOp]) -> impl Iterator<Item = &'static str> {
        Op::ALL.into_iter().map(Op::name).chain(defined.iter().map(|op| op.name.as_str()))
    }

    /// What tells a job of this op from one of another op with the same text.
    pub(crate) fn identity(self) -> &'static [u8] {
        match self {
            Op::Defined(op) => &op.identity,
            built_in => built_in.name().as_bytes(),
        }
    }

    /// The fields that a job of this kind can have, besides those that all have.
    pub(crate) fn fields(self) -> &'static [&'static str] {
        match self {
            Op::Gcd => &["a", "b", "values", "method"],
            Op::Factorize | Op::Sum => &["n", "method"],
            Op::PrimeFactors => &["n"],
            Op::Sleep => &["seconds"],
            Op::Command => &["argv", "stdin", "env", "cwd"],
            Op::Defined(_) => &["args"],
        }
    }
}

/// The word among `known` that somebody who wrote `unknown` may have meant.
pub(crate) fn nearest(unknown: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let distances = known.into_iter().map(|word| (strsim::damerau_levenshtein(unknown, word), word));
    let (distance, word) = distances.min_by_key(|&(distance, _)| distance)?;
    (distance <= 1 + word.len() / 3).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_if_there_is_one() {
        let near = |word| nearest(word, Op::ALL.map(Op::name));
        assert_eq!(near("factorise"), Some("factorize"));
        assert_eq!(near("gdc"), Some("gcd"));
        assert_eq!(near("prime-factors"), Some("prime_factors"));
        assert_eq!(near("banana"), None);
    }
}
