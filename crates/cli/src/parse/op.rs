//! Ops by name.

use ops::Protocol;

/// Kind of a job.
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

/// A user-defined op. Lives as long as the process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DefinedOp {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    /// Byte that ends each request and that no request can contain.
    pub(crate) delimiter: u8,
    /// Input of a job's digest besides its text: name, protocol, and the program with its arguments.
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

    /// Returns the names of all ops.
    pub(crate) fn names(defined: &'static [DefinedOp]) -> impl Iterator<Item = &'static str> {
        Op::ALL.into_iter().map(Op::name).chain(defined.iter().map(|op| op.name.as_str()))
    }

    /// Returns the part of a job's digest that distinguishes jobs of different ops with the same text.
    pub(crate) fn identity(self) -> &'static [u8] {
        match self {
            Op::Defined(op) => &op.identity,
            built_in => built_in.name().as_bytes(),
        }
    }

    /// Fields of jobs of this op, except [`COMMON_FIELDS`](super::job::COMMON_FIELDS).
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

/// Returns the word among `known` that is most similar to `unknown`, if any is similar enough to suggest.
pub(crate) fn nearest(unknown: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let distances = known.into_iter().map(|word| (strsim::damerau_levenshtein(unknown, word), word));
    let (distance, word) = distances.min_by_key(|&(distance, _)| distance)?;
    (distance <= 1 + word.len() / 3).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_name() {
        let near = |word| nearest(word, Op::ALL.map(Op::name));
        assert_eq!(near("factorise"), Some("factorize"));
        assert_eq!(near("gdc"), Some("gcd"));
        assert_eq!(near("prime-factors"), Some("prime_factors"));
        assert_eq!(near("banana"), None);
    }
}
