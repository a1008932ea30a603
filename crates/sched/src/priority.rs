//! Priorities of jobs: how submitted jobs are divided by them, and when a worker delays a more urgent job.

use job::JobRange;

use crate::{
    fifo::{Grouping, JobSpan},
    worker::Worker,
};

/// Divides jobs by their priorities, which are given for those whose priority is not 0, in ascending order of
/// the jobs. An atomic group stays whole and has the first of these priorities.
pub(crate) fn split_by_priority(span: JobSpan, priorities: &[(JobRange, i32)]) -> Vec<JobSpan> {
    if span.grouping == Grouping::Atomic {
        let priority = priorities.first().map_or(0, |&(_, priority)| priority);
        return vec![JobSpan { priority, ..span }];
    }
    let mut spans = Vec::with_capacity(2 * priorities.len() + 1);
    let mut next = span.jobs.first().0;
    for &(jobs, priority) in priorities {
        let before = JobRange::new(next, jobs.first().0);
        spans.extend(before.map(|jobs| JobSpan { jobs, ..span }));
        spans.push(JobSpan { jobs, priority, ..span });
        next = jobs.end();
    }
    spans.extend(JobRange::new(next, span.jobs.end()).map(|jobs| JobSpan { jobs, ..span }));
    spans
}

/// Returns whether a worker has been assigned a job, besides the one that it is running, that it would start
/// before a job of higher priority: one that is queued with priority `queued`, or a later one of its own.
pub(crate) fn delays_urgent_job(worker: &Worker, queued: Option<i32>) -> bool {
    let mut lowest: Option<i32> = None;
    for (index, in_flight) in worker.batches.iter().enumerate() {
        // Jobs of batches that were recalled are taken back anyway.
        let kept = in_flight.jobs.iter().filter(|_| in_flight.batch >= worker.recalled);
        for (place, span) in kept.enumerate() {
            if lowest.is_some_and(|lowest| lowest < span.priority) {
                return true;
            }
            let is_running = (index, place, span.jobs.count()) == (0, 0, 1);
            if !is_running {
                lowest = Some(lowest.map_or(span.priority, |lowest| lowest.min(span.priority)));
            }
        }
    }
    lowest.zip(queued).is_some_and(|(lowest, queued)| lowest < queued)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> JobRange {
        JobRange::new(start, end).unwrap()
    }

    fn split(grouping: Grouping, priorities: &[(JobRange, i32)]) -> Vec<(JobRange, i32)> {
        let span = JobSpan { jobs: range(0, 10), mean_bytes: 1, grouping, priority: 0 };
        split_by_priority(span, priorities).iter().map(|span| (span.jobs, span.priority)).collect()
    }

    #[test]
    fn jobs_between_those_with_a_priority_have_priority_0() {
        let priorities = [(range(0, 2), 5), (range(2, 3), -1), (range(6, 8), 5)];
        let expected =
            [(range(0, 2), 5), (range(2, 3), -1), (range(3, 6), 0), (range(6, 8), 5), (range(8, 10), 0)];
        assert_eq!(split(Grouping::Any, &priorities), expected);
        assert_eq!(split(Grouping::Any, &[(range(0, 10), 3)]), [(range(0, 10), 3)]);
        assert_eq!(split(Grouping::Atomic, &[(range(1, 10), 3)]), [(range(0, 10), 3)]);
    }
}
