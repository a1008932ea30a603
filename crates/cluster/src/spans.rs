//! What is known of a resumed run: which of its jobs are in batches already.

use std::collections::BTreeMap;

use crate::names::Span;

/// Where a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the queue, or with a node.
    Queued,
    /// It has a result.
    Stored,
}

/// Batches that do not overlap, by their first jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known(BTreeMap<u64, (Span, Place)>);

impl Known {
    /// What is known from the subjects of both streams. Of batches that overlap those with results come first: what was
    /// published twice, under other bounds, is only waited for once.
    pub(crate) fn new(
        queued: impl IntoIterator<Item = Span>,
        stored: impl IntoIterator<Item = Span>,
    ) -> Known {
        let mut known = Known::default();
        stored.into_iter().for_each(|span| known.add(span, Place::Stored));
        queued.into_iter().for_each(|span| known.add(span, Place::Queued));
        known
    }

    fn add(&mut self, span: Span, place: Place) {
        let before = self.0.range(..span.end()).next_back();
        if before.is_none_or(|(_, (before, _))| before.end() <= span.first) {
            self.0.insert(span.first, (span, place));
        }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The batch that starts with this job.
    pub(crate) fn starting_at(&self, first: u64) -> Option<(Span, Place)> {
        self.0.get(&first).copied()
    }

    /// The first job after this one that starts a batch: a new batch must end before it.
    pub(crate) fn next_after(&self, job: u64) -> Option<u64> {
        self.0.range(job + 1..).next().map(|(&first, _)| first)
    }

    /// The batches that were in the queue.
    pub(crate) fn queued(&self) -> impl Iterator<Item = Span> {
        self.0.values().filter(|(_, place)| *place == Place::Queued).map(|&(span, _)| span)
    }

    /// Notes that a batch has a result; whether it is one of these.
    pub(crate) fn has_result(&mut self, span: Span) -> bool {
        match self.0.get_mut(&span.first) {
            Some((known, place)) if *known == span => {
                *place = Place::Stored;
                true
            }
            _ => false,
        }
    }

    /// Forgets the batch that starts with this job.
    pub(crate) fn forget(&mut self, first: u64) {
        self.0.remove(&first);
    }

    /// The last job that is known.
    pub(crate) fn last(&self) -> Option<u64> {
        self.0.values().next_back().map(|(span, _)| span.last())
    }

    /// How many jobs have results.
    pub(crate) fn stored_jobs(&self) -> u64 {
        self.0.values().filter(|(_, place)| *place == Place::Stored).map(|(span, _)| span.count).sum()
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
    fn results_come_before_what_is_queued() {
        let known = Known::new([span(0, 4), span(4, 4), span(12, 2)], [span(2, 4)]);
        assert_eq!(known.starting_at(2), Some((span(2, 4), Place::Stored)));
        assert_eq!((known.starting_at(0), known.starting_at(4)), (None, None));
        assert_eq!(
            (known.next_after(0), known.next_after(2), known.next_after(12)),
            (Some(2), Some(12), None)
        );
        assert_eq!((known.last(), known.stored_jobs()), (Some(13), 4));
    }

    #[test]
    fn a_result_makes_a_queued_batch_a_stored_one() {
        let mut known = Known::new([span(3, 2)], []);
        assert!(!known.has_result(span(3, 1)) && !known.has_result(span(0, 3)));
        assert!(known.has_result(span(3, 2)));
        assert_eq!(known.starting_at(3), Some((span(3, 2), Place::Stored)));
        known.forget(3);
        assert!(known.is_empty());
    }

    proptest! {
        #[test]
        fn jobs_cut_around_what_is_known_are_each_in_one_batch(
            queued in vec((0u64..200, 1u64..20), 0..20), stored in vec((0u64..200, 1u64..20), 0..20), target in 1u64..30,
        ) {
            let spans = |list: Vec<(u64, u64)>| list.into_iter().map(|(first, count)| span(first, count));
            let known = Known::new(spans(queued), spans(stored.clone()));
            let mut next = 0;
            let mut from_results = 0;
            while next < 300 {
                let end = match known.starting_at(next) {
                    Some((span, place)) => {
                        from_results += if place == Place::Stored { span.count } else { 0 };
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
