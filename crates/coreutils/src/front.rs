//! The front ends: `factor` and `gcd`.

use std::ffi::OsString;

/// A front end. Its name is the prefix of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// `factor`.
    Factor,
    /// `gcd`.
    Gcd,
}

impl Front {
    /// Returns the front end that the first argument names.
    #[must_use]
    pub fn named(name: &OsString) -> Option<Front> {
        [Front::Factor, Front::Gcd].into_iter().find(|front| name == front.name())
    }

    /// Name of the front end.
    pub(super) fn name(self) -> &'static str {
        match self {
            Front::Factor => "factor",
            Front::Gcd => "gcd",
        }
    }
}
