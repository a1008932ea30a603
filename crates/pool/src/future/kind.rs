//! Kinds of outcomes.

/// What an outcome is, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Succeeded = 1,
    Failed = 2,
    Cancelled = 3,
}

impl Kind {
    pub(crate) fn from_number(number: u8) -> Option<Kind> {
        [Kind::Succeeded, Kind::Failed, Kind::Cancelled].into_iter().find(|&kind| kind as u8 == number)
    }
}
