//! Index of a resumed run: which of its jobs are in messages or results already.

use std::collections::BTreeMap;

use crate::names::Span;

/// State of a message of an earlier submitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResumeState {
    /// Queued, or in flight to a node.
    Queued,
    /// Its result is stored.
    Stored,
}

/// Messages that do not overlap, by their first jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResumeIndex(BTreeMap<u64, (Span, ResumeState)>);

impl ResumeIndex {
    /// Builds the index from the spans in both streams. Of messages that overlap, those with results are
    /// kept: jobs that were published twice, with other bounds, are waited for once.
    pub(crate) fn new(
        queued: impl IntoIterator<Item = Span>,
        stored: impl IntoIterator<Item = Span>,
    ) -> ResumeIndex {
        let mut known = ResumeIndex::default();
        stored.into_iter().for_each(|span| known.add(span, ResumeState::Stored));
        queued.into_iter().for_each(|span| known.add(span, ResumeState::Queued));
        known
    }

    fn add(&mut self, span: Span, state: ResumeState) {
        let before = self.0.range(..span.end()).next_back();
        if before.is_none_or(|(_, (before, _))| before.end() <= span.first) {
            self.0.insert(span.first, (span, state));
        }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the message that starts with this job.
    pub(crate) fn starting_at(&self, first: u64) -> Option<(Span, ResumeState)> {
        self.0.get(&first).copied()
    }

    /// Returns the first job after this one that starts a message: a new message must end before it.
    pub(crate) fn next_after(&self, job: u64) -> Option<u64> {
        self.0.range(job + 1..).next().map(|(&first, _)| first)
    }

    /// Returns the messages that were queued.
    pub(crate) fn queued(&self) -> impl Iterator<Item = Span> {
        self.0.values().filter(|(_, state)| *state == ResumeState::Queued).map(|&(span, _)| span)
    }

    /// Marks a message as stored. Returns whether the index has it.
    pub(crate) fn mark_stored(&mut self, span: Span) -> bool {
        match self.0.get_mut(&span.first) {
            Some((known, state)) if *known == span => {
                *state = ResumeState::Stored;
                true
            }
            _ => false,
        }
    }

    /// Removes the message that starts with this job.
    pub(crate) fn forget(&mut self, first: u64) {
        self.0.remove(&first);
    }

    /// Returns the last job in the index.
    pub(crate) fn last(&self) -> Option<u64> {
        self.0.values().next_back().map(|(span, _)| span.last())
    }

    /// Returns the number of jobs with results.
    pub(crate) fn stored_jobs(&self) -> u64 {
        self.0.values().filter(|(_, state)| *state == ResumeState::Stored).map(|(span, _)| span.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn span(first: u64, count: u64) -> Span {
        Span { first, count }
    }

    #[test]
    fn results_take_precedence_over_queued_messages() {
        let known = ResumeIndex::new([span(0, 4), span(4, 4), span(12, 2)], [span(2, 4)]);
        assert_eq!(known.starting_at(2), Some((span(2, 4), ResumeState::Stored)));
        assert_eq!((known.starting_at(0), known.starting_at(4)), (None, None));
        assert_eq!(
            (known.next_after(0), known.next_after(2), known.next_after(12)),
            (Some(2), Some(12), None)
        );
        assert_eq!((known.last(), known.stored_jobs()), (Some(13), 4));
    }

    #[test]
    fn mark_stored_changes_the_state_of_a_queued_message() {
        let mut known = ResumeIndex::new([span(3, 2)], []);
        assert!(!known.mark_stored(span(3, 1)) && !known.mark_stored(span(0, 3)));
        assert!(known.mark_stored(span(3, 2)));
        assert_eq!(known.starting_at(3), Some((span(3, 2), ResumeState::Stored)));
        known.forget(3);
        assert!(known.is_empty());
    }

    proptest! {
        #[test]
        fn each_job_is_in_exactly_one_message(
            queued in vec((0u64..200, 1u64..20), 0..20),
            stored in vec((0u64..200, 1u64..20), 0..20),
            target in 1u64..30,
        ) {
            let spans = |list: Vec<(u64, u64)>| list.into_iter().map(|(first, count)| span(first, count));
            let known = ResumeIndex::new(spans(queued), spans(stored.clone()));
            let mut next = 0;
            let mut from_results = 0;
            while next < 300 {
                let end = match known.starting_at(next) {
                    Some((span, state)) => {
                        from_results += if state == ResumeState::Stored { span.count } else { 0 };
                        span.end()
                    }
                    None => (next + target).min(known.next_after(next).unwrap_or(u64::MAX)),
                };
                prop_assert!(end > next);
                next = end;
            }
            prop_assert_eq!(from_results, known.stored_jobs());
            prop_assert!(stored.is_empty() || from_results > 0);
        }
    }
}
