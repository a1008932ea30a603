//! FIFO queue of jobs of equal priority that no thread has claimed. The queue of all jobs is in
//! [`priorities`](super::priorities).
//!
//! Jobs of a submitter that were queued together are one [`Chunk`], and so are submitted jobs whose slots
//! were allocated together. A claim moves whole chunks where it can, so the time for which it holds the
//! pool's lock hardly depends on the number of jobs.

use std::{collections::VecDeque, sync::Arc};

use job::{Job, JobError, Outcome};

use super::sizing::Cost;
use crate::{
    JobOptions, Resolved, Sink,
    future::{Slot, Slots, Ticket},
    stream::hand_over,
};

/// A queued job.
pub(super) struct Entry<J: Job> {
    /// Tag that it was pushed under, or its ticket.
    pub(super) tag: u64,
    pub(super) job: J,
    /// Why it cannot run on a thread.
    unsupported: Option<&'static str>,
}

impl<J: Job> Entry<J> {
    pub(super) fn new(tag: u64, job: J, options: JobOptions) -> Entry<J> {
        Entry { tag, job, unsupported: options.unsupported_here() }
    }
}

/// Destination of the outcomes of jobs, and their estimated cost.
pub(super) struct Target<J: Job> {
    outcomes: Outcomes<J>,
    pub(super) cost: Arc<Cost>,
}

enum Outcomes<J: Job> {
    Sink(Arc<dyn Sink<J>>),
    Slots { slots: Arc<Slots<J>>, first_ticket: u64 },
}

impl<J: Job> Target<J> {
    pub(super) fn sink(sink: Arc<dyn Sink<J>>) -> Target<J> {
        Target { outcomes: Outcomes::Sink(sink), cost: Arc::default() }
    }

    /// Slots of jobs with consecutive tickets from `first_ticket`.
    pub(super) fn slots(slots: Arc<Slots<J>>, first_ticket: u64, cost: Arc<Cost>) -> Target<J> {
        Target { outcomes: Outcomes::Slots { slots, first_ticket }, cost }
    }

    /// Returns a handle to the slot of a job.
    ///
    /// # Panics
    /// If the target is a sink.
    pub(super) fn slot(&self, ticket: u64) -> Slot<J> {
        let Outcomes::Slots { slots, first_ticket } = &self.outcomes else {
            unreachable!("submitted jobs have slots")
        };
        let index = ticket - first_ticket;
        slots.assign(index, Ticket(ticket));
        Slot::new(slots, index as usize)
    }

    /// Allocates the buffer for [`resolve`](Target::resolve).
    pub(super) fn room_for(&self, count: usize) -> Vec<Resolved<J>> {
        Vec::with_capacity(if self.has_slots() { 0 } else { count })
    }

    /// Resolves jobs one by one with the results of `outcome`. Outcomes for a sink are appended to `done`,
    /// which the caller passes to [`hand_over`](Target::hand_over).
    pub(super) fn resolve(
        &self,
        entries: impl Iterator<Item = Entry<J>>,
        mut outcome: impl FnMut(J, Option<&'static str>) -> Outcome<J>,
        done: &mut Vec<Resolved<J>>,
    ) {
        // Once per call, not per job: other threads update the reference count in the same cache line.
        match &self.outcomes {
            Outcomes::Sink(_) => done.extend(entries.map(|Entry { tag, job, unsupported }| {
                let outcome = outcome(job, unsupported);
                Resolved { tag, outcome }
            })),
            Outcomes::Slots { slots, first_ticket } => {
                let (slots, first) = (slots.clone(), *first_ticket);
                entries
                    .for_each(|entry| slots.fill(entry.tag - first, outcome(entry.job, entry.unsupported)));
            }
        }
    }

    /// Passes outcomes to the sink.
    pub(super) fn hand_over(&self, done: Vec<Resolved<J>>) {
        if let Outcomes::Sink(sink) = &self.outcomes
            && !done.is_empty()
        {
            hand_over(&**sink, done);
        }
    }

    fn has_slots(&self) -> bool {
        matches!(self.outcomes, Outcomes::Slots { .. })
    }

    fn is_sink(&self, sink: &Arc<dyn Sink<J>>) -> bool {
        matches!(&self.outcomes, Outcomes::Sink(own) if Arc::ptr_eq(own, sink))
    }
}

/// Jobs with the same target.
pub(super) struct Chunk<J: Job> {
    pub(super) target: Arc<Target<J>>,
    /// Sort key: the ticket of the first job or, for jobs without tickets, the next ticket at the time of
    /// queueing.
    key: u64,
    pub(super) entries: VecDeque<Entry<J>>,
}

impl<J: Job> Chunk<J> {
    pub(super) fn new(target: Arc<Target<J>>, key: u64, entries: VecDeque<Entry<J>>) -> Chunk<J> {
        Chunk { target, key, entries }
    }

    /// Resolves all of its jobs with a failure.
    pub(super) fn fail(self, why: impl Fn() -> JobError<J::Error>) {
        let mut done = self.target.room_for(self.entries.len());
        self.target.resolve(self.entries.into_iter(), |_, _| Err(why()), &mut done);
        self.target.hand_over(done);
    }

    /// Restores the key after the first jobs have been removed.
    fn update_key(&mut self) {
        if self.target.has_slots()
            && let Some(first) = self.entries.front()
        {
            self.key = first.tag;
        }
    }
}

/// Chunks of one priority sorted by key; none is empty.
pub(super) struct Level<J: Job> {
    priority: i32,
    chunks: VecDeque<Chunk<J>>,
    jobs: usize,
}

impl<J: Job> Level<J> {
    pub(super) fn new(priority: i32) -> Level<J> {
        Level { priority, chunks: VecDeque::new(), jobs: 0 }
    }

    /// Number of jobs.
    pub(super) fn len(&self) -> usize {
        self.jobs
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Estimated cost of the first jobs.
    pub(super) fn next_cost(&self) -> Option<&Cost> {
        self.chunks.front().map(|chunk| &*chunk.target.cost)
    }

    /// Appends a chunk, unless it is empty.
    pub(super) fn push(&mut self, chunk: Chunk<J>) {
        self.jobs += chunk.entries.len();
        self.chunks.extend(Some(chunk).filter(|chunk| !chunk.entries.is_empty()));
    }

    /// Appends a job that has a slot.
    pub(super) fn push_one(&mut self, target: &Arc<Target<J>>, entry: Entry<J>) {
        self.jobs += 1;
        match self.chunks.back_mut().filter(|last| Arc::ptr_eq(&last.target, target)) {
            Some(last) => last.entries.push_back(entry),
            None => self.chunks.push_back(Chunk::new(target.clone(), entry.tag, VecDeque::from([entry]))),
        }
    }

    /// Moves about `size` jobs with the same target from the front into `claim`, which is empty; at most
    /// `limit`, which is not smaller.
    pub(super) fn take(
        &mut self,
        size: usize,
        limit: usize,
        claim: &mut VecDeque<Entry<J>>,
    ) -> Option<Head<J>> {
        let first = self.chunks.front()?;
        let head = Head { target: first.target.clone(), key: first.key, priority: self.priority };
        while let Some(chunk) =
            self.chunks.front_mut().filter(|chunk| Arc::ptr_eq(&chunk.target, &head.target))
        {
            let room = size - claim.len();
            // Up to half as many more are taken, to leave no tiny chunk.
            if chunk.entries.len() > (room + room / 2).min(limit - claim.len()) {
                claim.extend(chunk.entries.drain(..room));
                chunk.update_key();
            } else if claim.is_empty() {
                *claim = std::mem::take(&mut chunk.entries);
                self.chunks.pop_front();
            } else {
                claim.append(&mut chunk.entries);
                self.chunks.pop_front();
            }
            if claim.len() >= size {
                break;
            }
        }
        self.jobs -= claim.len();
        Some(head)
    }

    /// Puts the rest of a claim back, sorted by key.
    pub(super) fn put_back(&mut self, Head { target, key, .. }: Head<J>, entries: VecDeque<Entry<J>>) {
        let mut chunk = Chunk::new(target, key, entries);
        chunk.update_key();
        self.jobs += chunk.entries.len();
        let index = self.chunks.partition_point(|other| other.key < chunk.key);
        self.chunks.insert(index, chunk);
    }

    /// Returns whether the job with this ticket is queued.
    pub(super) fn contains(&self, ticket: u64) -> bool {
        self.find(ticket).is_some()
    }

    /// Removes the job with this ticket.
    pub(super) fn remove(&mut self, ticket: u64) -> Option<Chunk<J>> {
        let (index, within) = self.find(ticket)?;
        let chunk = &mut self.chunks[index];
        let removed = chunk.entries.remove(within)?;
        let target = chunk.target.clone();
        if chunk.entries.is_empty() {
            self.chunks.remove(index);
        }
        self.jobs -= 1;
        Some(Chunk::new(target, ticket, VecDeque::from([removed])))
    }

    /// Removes all jobs.
    pub(super) fn take_all(&mut self) -> Vec<Chunk<J>> {
        self.jobs = 0;
        std::mem::take(&mut self.chunks).into()
    }

    /// Removes the jobs whose outcomes go to this sink.
    pub(super) fn take_to(&mut self, sink: &Arc<dyn Sink<J>>) -> Vec<Chunk<J>> {
        let chunks = std::mem::take(&mut self.chunks);
        let (removed, kept): (Vec<_>, Vec<_>) =
            chunks.into_iter().partition(|chunk| chunk.target.is_sink(sink));
        self.chunks = kept.into();
        self.jobs -= removed.iter().map(|chunk| chunk.entries.len()).sum::<usize>();
        removed
    }

    /// Index of the chunk that has the job with this ticket, and the job's index in it.
    fn find(&self, ticket: u64) -> Option<(usize, usize)> {
        let end = self.chunks.partition_point(|chunk| chunk.key <= ticket);
        let index = self.chunks.range(..end).rposition(|chunk| chunk.target.has_slots())?;
        let within = self.chunks[index].entries.binary_search_by_key(&ticket, |entry| entry.tag).ok()?;
        Some((index, within))
    }
}

/// Target, sort key and priority of a claim.
pub(super) struct Head<J: Job> {
    pub(super) target: Arc<Target<J>>,
    key: u64,
    pub(super) priority: i32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Byte, Ignore};

    fn entries(tags: std::ops::Range<u64>) -> VecDeque<Entry<Byte>> {
        tags.map(|tag| Entry::new(tag, Byte(0), JobOptions::default())).collect()
    }

    fn to_sink() -> Arc<Target<Byte>> {
        Arc::new(Target::sink(Arc::new(Ignore)))
    }

    fn to_slots(first_ticket: u64) -> Arc<Target<Byte>> {
        Arc::new(Target::slots(Slots::new(8, None), first_ticket, Arc::default()))
    }

    fn push_ones(queue: &mut Level<Byte>, target: &Arc<Target<Byte>>, tickets: std::ops::Range<u64>) {
        entries(tickets).into_iter().for_each(|entry| queue.push_one(target, entry));
    }

    fn take(queue: &mut Level<Byte>, size: usize) -> (Option<Head<Byte>>, VecDeque<Entry<Byte>>) {
        let mut claim = VecDeque::new();
        (queue.take(size, usize::MAX, &mut claim), claim)
    }

    fn tags(entries: &VecDeque<Entry<Byte>>) -> Vec<u64> {
        entries.iter().map(|entry| entry.tag).collect()
    }

    #[test]
    fn claims_join_small_chunks_and_split_large_ones_of_the_same_target() {
        let (mut queue, one, other) = (Level::new(0), to_sink(), to_sink());
        queue.push(Chunk::new(one.clone(), 0, entries(0..2)));
        queue.push(Chunk::new(one.clone(), 0, entries(2..100)));
        queue.push(Chunk::new(other, 0, entries(0..3)));
        assert_eq!(tags(&take(&mut queue, 4).1), [0, 1, 2, 3]);
        assert_eq!(tags(&take(&mut queue, 1).1), [4]);
        assert_eq!(take(&mut queue, 90).1.len(), 95, "a few more leave no small chunk");
        assert_eq!((queue.len(), tags(&take(&mut queue, 90).1)), (3, vec![0, 1, 2]));
        assert!(take(&mut queue, 1).0.is_none() && queue.is_empty());
    }

    #[test]
    fn a_claim_is_not_larger_than_its_limit() {
        let mut queue = Level::new(0);
        queue.push(Chunk::new(to_sink(), 0, entries(0..10)));
        let mut claim = VecDeque::new();
        queue.take(6, 6, &mut claim);
        assert_eq!((claim.len(), queue.len()), (6, 4), "the last four are left to be claimed one by one");
    }

    #[test]
    fn the_rest_of_a_claim_is_put_back_in_front_of_later_jobs() {
        let (mut queue, slots) = (Level::new(0), to_slots(0));
        push_ones(&mut queue, &slots, 0..8);
        let (first, mut claim) = take(&mut queue, 2);
        let (second, other_claim) = take(&mut queue, 2);
        claim.pop_front();
        queue.put_back(second.unwrap(), other_claim);
        queue.put_back(first.unwrap(), claim);
        assert_eq!(queue.len(), 7);
        let order: Vec<u64> = (0..7).flat_map(|_| tags(&take(&mut queue, 1).1)).collect();
        assert_eq!(order, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn jobs_are_found_by_their_tickets() {
        let (mut queue, slots) = (Level::new(0), to_slots(0));
        push_ones(&mut queue, &slots, 0..3);
        (0..3).for_each(|_| queue.push(Chunk::new(to_sink(), 3, entries(0..5))));
        push_ones(&mut queue, &slots, 3..8);
        push_ones(&mut queue, &to_slots(8), 8..9);
        assert_eq!(tags(&take(&mut queue, 1).1), [0]);
        for ticket in [1, 4, 3, 7, 8] {
            assert!(queue.contains(ticket));
            assert_eq!(tags(&queue.remove(ticket).unwrap().entries), [ticket]);
        }
        let there: Vec<u64> = (0..10).filter(|ticket| queue.contains(*ticket)).collect();
        assert_eq!((there, queue.len()), (vec![2, 5, 6], 18));
        assert!(queue.remove(4).is_none() && queue.remove(100).is_none());
    }

    #[test]
    fn the_jobs_of_one_sink_are_removed() {
        let (mut queue, sink): (_, Arc<dyn Sink<Byte>>) = (Level::new(0), Arc::new(Ignore));
        let (one, same) = (Target::sink(sink.clone()), Target::sink(sink.clone()));
        queue.push(Chunk::new(Arc::new(one), 0, entries(0..2)));
        push_ones(&mut queue, &to_slots(0), 0..1);
        queue.push(Chunk::new(Arc::new(same), 1, entries(2..5)));
        assert_eq!(queue.take_to(&sink).len(), 2);
        assert_eq!((queue.len(), queue.contains(0)), (1, true));
        assert_eq!((queue.take_all().len(), queue.len()), (1, 0));
    }
}
