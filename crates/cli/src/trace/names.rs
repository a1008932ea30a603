//! The numbers of jobs, consecutive ones together.

use std::ops::RangeInclusive;

/// Numbers of jobs, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Names(Vec<RangeInclusive<u64>>);

impl Names {
    pub(super) fn new(ranges: Vec<RangeInclusive<u64>>) -> Names {
        Names(ranges)
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(length).sum()
    }

    /// How many ranges they take.
    pub(super) fn ranges(&self) -> usize {
        self.0.len()
    }

    /// Takes the first `count` of them away.
    pub(super) fn take_first(&mut self, mut count: u64) -> Names {
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
        Names(taken)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().cloned().flatten()
    }

    /// `3-5, 7`, and no more than so many ranges of them.
    pub(super) fn words(&self, most: usize) -> String {
        let range = |range: &RangeInclusive<u64>| match range.start() == range.end() {
            true => range.start().to_string(),
            false => format!("{}-{}", range.start(), range.end()),
        };
        let words: Vec<String> = self.0.iter().take(most).map(range).collect();
        words.join(", ") + if self.0.len() > most { ", ..." } else { "" }
    }
}

fn length(range: &RangeInclusive<u64>) -> u64 {
    // No range that the pool tells of is empty or holds all numbers.
    (range.end() - range.start()).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_the_front() {
        let mut names = Names::new(vec![3..=5, 7..=7, 9..=20]);
        assert_eq!((names.count(), names.ranges()), (16, 3));
        assert_eq!(names.take_first(2), Names::new(vec![3..=4]));
        assert_eq!(names.take_first(3), Names::new(vec![5..=5, 7..=7, 9..=9]));
        assert_eq!(names.words(5), "10-20");
        assert_eq!(names.take_first(100).iter().count(), 11);
        assert_eq!(names.take_first(1), Names::default());
        assert_eq!(Names::new(vec![3..=5, 7..=7, 9..=20]).words(2), "3-5, 7, ...");
    }
}
