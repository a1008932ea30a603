//! Queue of jobs that no thread has claimed, by priority.

use std::{
    collections::{BTreeMap, VecDeque},
    iter,
    sync::Arc,
};

use job::Job;

use super::{
    queue::{Chunk, Entry, Head, Level, Target},
    sizing::Cost,
};
use crate::Sink;

/// Jobs in the order in which they are claimed: those of higher priority first, those of equal priority in
/// the order in which they were queued.
pub(super) struct Queue<J: Job> {
    /// Jobs of priority 0. They are apart because usually all jobs are.
    plain: Level<J>,
    /// Jobs of other priorities, by priority. No level is empty.
    others: BTreeMap<i32, Level<J>>,
}

impl<J: Job> Default for Queue<J> {
    fn default() -> Self {
        Queue { plain: Level::new(0), others: BTreeMap::new() }
    }
}

impl<J: Job> Queue<J> {
    /// Number of jobs.
    pub(super) fn len(&self) -> usize {
        self.levels().map(Level::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.others.is_empty()
    }

    /// Number of jobs of the highest priority.
    pub(super) fn first_len(&self) -> usize {
        self.first().len()
    }

    /// Estimated cost of the first jobs.
    pub(super) fn next_cost(&self) -> Option<&Cost> {
        self.first().next_cost()
    }

    /// Appends a chunk of jobs of this priority, unless it is empty.
    pub(super) fn push(&mut self, chunk: Chunk<J>, priority: i32) {
        if !chunk.entries.is_empty() {
            self.level(priority).push(chunk);
        }
    }

    /// Appends a job that has a slot.
    pub(super) fn push_one(&mut self, target: &Arc<Target<J>>, entry: Entry<J>, priority: i32) {
        self.level(priority).push_one(target, entry);
    }

    /// Moves about `size` of the first jobs, which have the same priority and target, into `claim`, which is
    /// empty; at most `limit`, which is not smaller.
    pub(super) fn take(
        &mut self,
        size: usize,
        limit: usize,
        claim: &mut VecDeque<Entry<J>>,
    ) -> Option<Head<J>> {
        let first = match self.first_priority() {
            Some(priority) => self.level(priority),
            None => &mut self.plain,
        };
        let head = first.take(size, limit, claim);
        self.drop_empty_levels();
        head
    }

    /// Puts the rest of a claim back in front of later jobs of its priority.
    pub(super) fn put_back(&mut self, head: Head<J>, entries: VecDeque<Entry<J>>) {
        self.level(head.priority).put_back(head, entries);
    }

    /// Returns whether the job with this ticket is queued.
    pub(super) fn contains(&self, ticket: u64) -> bool {
        self.levels().any(|level| level.contains(ticket))
    }

    /// Removes the job with this ticket.
    pub(super) fn remove(&mut self, ticket: u64) -> Option<Chunk<J>> {
        let removed = self.levels_mut().find_map(|level| level.remove(ticket));
        self.drop_empty_levels();
        removed
    }

    /// Removes all jobs.
    pub(super) fn take_all(&mut self) -> Vec<Chunk<J>> {
        let all = self.levels_mut().flat_map(Level::take_all).collect();
        self.others.clear();
        all
    }

    /// Removes the jobs whose outcomes go to this sink.
    pub(super) fn take_to(&mut self, sink: &Arc<dyn Sink<J>>) -> Vec<Chunk<J>> {
        let removed = self.levels_mut().flat_map(|level| level.take_to(sink)).collect();
        self.drop_empty_levels();
        removed
    }

    /// Returns the highest priority of a queued job if it is another one than 0.
    fn first_priority(&self) -> Option<i32> {
        let (&highest, _) = self.others.last_key_value()?;
        (highest > 0 || self.plain.is_empty()).then_some(highest)
    }

    fn first(&self) -> &Level<J> {
        self.first_priority().and_then(|priority| self.others.get(&priority)).unwrap_or(&self.plain)
    }

    fn level(&mut self, priority: i32) -> &mut Level<J> {
        match priority {
            0 => &mut self.plain,
            _ => self.others.entry(priority).or_insert_with(|| Level::new(priority)),
        }
    }

    fn levels(&self) -> impl Iterator<Item = &Level<J>> {
        iter::once(&self.plain).chain(self.others.values())
    }

    fn levels_mut(&mut self) -> impl Iterator<Item = &mut Level<J>> {
        iter::once(&mut self.plain).chain(self.others.values_mut())
    }

    fn drop_empty_levels(&mut self) {
        self.others.retain(|_, level| !level.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        JobOptions,
        future::Slots,
        sample::{Byte, Ignore},
    };

    fn entry(tag: u64) -> Entry<Byte> {
        Entry::new(tag, Byte(0), JobOptions::default())
    }

    fn push_ones(queue: &mut Queue<Byte>, target: &Arc<Target<Byte>>, priorities: &[i32]) {
        (0..).zip(priorities).for_each(|(ticket, &priority)| queue.push_one(target, entry(ticket), priority));
    }

    fn take(queue: &mut Queue<Byte>, size: usize) -> (Option<Head<Byte>>, Vec<u64>) {
        let mut claim = VecDeque::new();
        let head = queue.take(size, usize::MAX, &mut claim);
        (head, claim.iter().map(|entry| entry.tag).collect())
    }

    #[test]
    fn higher_priorities_are_claimed_first_and_put_back_in_their_place() {
        let (mut queue, slots) = (Queue::default(), Slots::new(8, None));
        let target = Arc::new(Target::slots(slots, 0, Arc::default()));
        push_ones(&mut queue, &target, &[0, -1, 2, 0, 2, 7]);
        assert_eq!((queue.len(), queue.first_len()), (6, 1));
        let (head, first) = take(&mut queue, 9);
        assert_eq!(first, [5]);
        queue.put_back(head.unwrap(), VecDeque::from([entry(5)]));
        assert!(queue.contains(1) && queue.remove(1).is_some() && !queue.contains(1));
        let claims: Vec<Vec<u64>> = (0..4).map(|_| take(&mut queue, 9).1).collect();
        assert_eq!(claims, [vec![5], vec![2, 4], vec![0, 3], vec![]]);
        assert!(queue.is_empty() && queue.others.is_empty());
    }

    #[test]
    fn all_priorities_of_a_sink_are_removed() {
        let (mut queue, sink): (_, Arc<dyn Sink<Byte>>) = (Queue::default(), Arc::new(Ignore));
        for priority in [-1, 0, 1] {
            let target = Arc::new(Target::sink(sink.clone()));
            queue.push(Chunk::new(target, 0, VecDeque::from([entry(0)])), priority);
        }
        queue.push(Chunk::new(Arc::new(Target::sink(sink.clone())), 0, VecDeque::new()), 9);
        assert_eq!((queue.take_to(&sink).len(), queue.len(), queue.others.len()), (3, 0, 0));
        assert!(queue.take_all().is_empty());
    }
}
