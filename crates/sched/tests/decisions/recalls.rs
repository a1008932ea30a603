//! Jobs that are taken back from busy workers.

use std::time::Duration;

use job::{BatchId, JobRange, WorkerId};
use sched::{Action, Event, Sched, Settings};

use super::{at, returned, sends, submitted, with_idle};

/// Returns a scheduler with two idle workers that have run short jobs, so that a batch holds many jobs, and
/// the number of the next job.
fn after_short_jobs() -> (Sched, Vec<WorkerId>, u64) {
    after_jobs_of(100)
}

/// As [`after_short_jobs`], for jobs that took this number of nanoseconds.
fn after_jobs_of(nanos: u64) -> (Sched, Vec<WorkerId>, u64) {
    let (mut sched, ids) = with_idle(2, &Settings::default());
    let mut next = 2;
    for _ in 0..8 {
        let mut sent = sends(&sched.handle(at(0), submitted(next, next + 1000, vec![])));
        next += 1000;
        while let Some((worker, batch, jobs)) = sent.pop() {
            let busy = Duration::from_nanos(nanos * jobs);
            sent.extend(sends(&sched.handle(at(0), returned(worker, batch, jobs, busy))));
        }
    }
    assert_eq!(sched.pending(), 0);
    (sched, ids, next)
}

#[test]
fn surplus_is_recalled_while_another_worker_is_idle() {
    let (mut sched, ids, next) = after_short_jobs();
    let sent = sends(&sched.handle(at(1), submitted(next, next + 40, vec![])));
    let [(worker, batch, 40)] = sent[..] else { panic!("expected a single batch: {sent:?}") };
    let recalls = |actions: &[Action]| actions.iter().any(|a| matches!(a, Action::Recall { .. }));
    assert!(!recalls(&sched.handle(at(2), Event::Tick)), "recalled too early");
    let actions = sched.handle(at(6), Event::Tick);
    assert!(actions.contains(&Action::Recall { worker, below: BatchId(batch.0 + 1) }));
    assert!(!recalls(&sched.handle(at(7), Event::Tick)), "recalled twice");

    let back = sends(&sched.handle(at(11), returned(worker, batch, 1, Duration::from_millis(10))));
    let mut busy: Vec<WorkerId> = back.iter().map(|&(worker, ..)| worker).collect();
    busy.sort();
    busy.dedup();
    assert_eq!(busy, ids, "returned jobs go to both workers");
    assert_eq!(sched.pending(), 39);
}

#[test]
fn jobs_taken_back_from_a_recalled_worker_go_to_others_at_once() {
    let (mut sched, ids, next) = after_short_jobs();
    let sent = sends(&sched.handle(at(1), submitted(next, next + 40, vec![])));
    let [(slow, batch, 40)] = sent[..] else { panic!("expected a single batch: {sent:?}") };
    let _ = sched.handle(at(6), Event::Tick);
    // The worker is running the third of the 40 jobs.
    let back = sends(&sched.handle(at(6), Event::RecallReply { worker: slow, batch, index: 2 }));
    let other = ids.into_iter().find(|&id| id != slow).unwrap();
    assert!(back.iter().all(|&(worker, ..)| worker == other), "{back:?}");
    assert!(!back.is_empty());
    assert_eq!(sched.pending(), 40);
    // A second reply to the same recall has no effect.
    assert!(sched.handle(at(6), Event::RecallReply { worker: slow, batch, index: 2 }).is_empty());
    let ended = sched.handle(at(20), returned(slow, batch, 3, Duration::from_millis(14)));
    assert!(ended.contains(&Action::Deliver(vec![JobRange::new(next, next + 3).unwrap()])), "{ended:?}");
    assert_eq!(sched.pending(), 37);
    // More outcomes than jobs are still a protocol error.
    let (worker, batch, _) = back[0];
    let too_many = returned(worker, batch, 41, Duration::from_millis(1));
    assert!(sched.handle(at(21), too_many).contains(&Action::Kill(worker)));
}

#[test]
fn jobs_behind_a_long_one_are_recalled_every_time() {
    let (mut sched, _, next) = after_jobs_of(500_000);
    let sent = sends(&sched.handle(at(1), submitted(next, next + 1, vec![])));
    let [(slow, long, 1)] = sent[..] else { panic!("expected a single batch: {sent:?}") };
    for round in 1..=3 {
        let (now, first) = (at(10 * round), next + 8 * round);
        let mut actions = sched.handle(now, submitted(first, first + 8, vec![]));
        let (mut behind, mut is_recalled) = (0, false);
        while !actions.is_empty() {
            is_recalled |= actions.iter().any(|action| matches!(action, Action::Recall { .. }));
            let sent = sends(&std::mem::take(&mut actions));
            for (worker, batch, jobs) in sent {
                if worker == slow {
                    behind += jobs;
                } else {
                    let busy = Duration::from_nanos(500_000 * jobs);
                    actions.extend(sched.handle(now, returned(worker, batch, jobs, busy)));
                }
            }
        }
        assert_eq!((behind, sched.pending()), (1, 2), "one job waits behind the long one");
        assert!(is_recalled, "round {round}");
        let back = sends(&sched.handle(now, Event::RecallReply { worker: slow, batch: long, index: 0 }));
        let [(other, batch, 1)] = back[..] else { panic!("expected a single batch: {back:?}") };
        let _ = sched.handle(now, returned(other, batch, 1, Duration::from_micros(500)));
        assert_eq!((other == slow, sched.pending()), (false, 1));
    }
}

#[test]
fn a_recalled_worker_may_send_its_last_outcomes_as_if_more_came() {
    let (mut sched, _, next) = after_short_jobs();
    let sent = sends(&sched.handle(at(1), submitted(next, next + 40, vec![])));
    let [(slow, batch, 40)] = sent[..] else { panic!("expected a single batch: {sent:?}") };
    let _ = sched.handle(at(6), Event::Tick);
    let _ = sched.handle(at(6), Event::RecallReply { worker: slow, batch, index: 2 });
    // The worker had no room to keep these outcomes, and did not know that the other jobs were taken back.
    let part = |outcomes, last| Event::Returned { worker: slow, batch, outcomes, last, busy: Duration::ZERO };
    let returned = sched.handle(at(7), part(3, false));
    assert!(
        returned.contains(&Action::Deliver(vec![JobRange::new(next, next + 3).unwrap()])),
        "{returned:?}"
    );
    assert!(!returned.contains(&Action::Kill(slow)), "{returned:?}");
    let ended = sched.handle(at(8), part(0, true));
    assert!(!ended.contains(&Action::Kill(slow)), "{ended:?}");
    // A second end is a protocol error.
    assert!(sched.handle(at(9), part(0, true)).contains(&Action::Kill(slow)));
}
