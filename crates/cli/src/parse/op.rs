//! The operations, by name.

use clap::ValueEnum;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Op {
    Gcd,
    Factorize,
    #[value(name = "prime_factors")]
    PrimeFactors,
    Sum,
    Sleep,
    Command,
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
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Op> {
        Op::ALL.into_iter().find(|op| op.name() == name)
    }

    /// The fields that a job of this kind can have, besides those that all have.
    pub(crate) fn fields(self) -> &'static [&'static str] {
        match self {
            Op::Gcd => &["a", "b", "values", "method"],
            Op::Factorize | Op::Sum => &["n", "method"],
            Op::PrimeFactors => &["n"],
            Op::Sleep => &["seconds"],
            Op::Command => &["argv", "stdin", "env", "cwd"],
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
