//! Lists of job numbers, stored as ranges.

use std::ops::RangeInclusive;

/// Job numbers in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct JobNumbers(Vec<RangeInclusive<u64>>);

impl JobNumbers {
    pub(super) fn new(ranges: Vec<RangeInclusive<u64>>) -> JobNumbers {
        JobNumbers(ranges)
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(length).sum()
    }

    /// Number of ranges.
    pub(super) fn ranges(&self) -> usize {
        self.0.len()
    }

    /// Removes and returns the first `count` numbers.
    pub(super) fn take_first(&mut self, mut count: u64) -> JobNumbers {
        let mut taken = Vec::new();
        while count > 0 && !self.0.is_empty() {
            let range = &mut self.0[0];
            let (first, part) = (*range.start(), length(range).min(count));
            count -= part;
            taken.push(first..=first + (part - 1));
            if part == length(range) {
                self.0.remove(0);
            } else {
                *range = first + part..=*range.end();
            }
        }
        JobNumbers(taken)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().cloned().flatten()
    }

    /// Formats the numbers as `3-5, 7`, with at max `max` ranges.
    pub(super) fn text(&self, max: usize) -> String {
        let range = |range: &RangeInclusive<u64>| match range.start() == range.end() {
            true => range.start().to_string(),
            false => format!("{}-{}", range.start(), range.end()),
        };
        let text: Vec<String> = self.0.iter().take(max).map(range).collect();
        text.join(", ") + if self.0.len() > max { ", ..." } else { "" }
    }
}

fn length(range: &RangeInclusive<u64>) -> u64 {
    // The pool reports no range that is empty or contains all numbers.
    (range.end() - range.start()).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_removed_from_the_front() {
        let mut numbers = JobNumbers::new(vec![3..=5, 7..=7, 9..=20]);
        assert_eq!((numbers.count(), numbers.ranges()), (16, 3));
        assert_eq!(numbers.take_first(2), JobNumbers::new(vec![3..=4]));
        assert_eq!(numbers.take_first(3), JobNumbers::new(vec![5..=5, 7..=7, 9..=9]));
        assert_eq!(numbers.text(5), "10-20");
        assert_eq!(numbers.take_first(100).iter().count(), 11);
        assert_eq!(numbers.take_first(1), JobNumbers::default());
        assert_eq!(JobNumbers::new(vec![3..=5, 7..=7, 9..=20]).text(2), "3-5, 7, ...");
    }
}
