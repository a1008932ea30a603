//! Kinds of outcomes.

/// Kind of an outcome, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutcomeKind {
    Succeeded = 1,
    Failed = 2,
    Cancelled = 3,
}

impl OutcomeKind {
    pub(crate) fn from_number(number: u8) -> Option<OutcomeKind> {
        [OutcomeKind::Succeeded, OutcomeKind::Failed, OutcomeKind::Cancelled]
            .into_iter()
            .find(|&kind| kind as u8 == number)
    }
}
