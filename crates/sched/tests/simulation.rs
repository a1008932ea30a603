//! Tests the scheduler with random histories of events against a model of the pool.
//!
//! `SCHED_SEED=17 cargo test -p runner-sched --test simulation` replays one history; `SCHED_SEEDS=1000000`
//! runs that many.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use job::{BatchId, JobId, JobRange, MonotonicInstant, WorkerId};
use sched::{Action, Event, Sched, Settings};

#[path = "simulation/world.rs"]
mod world;

use world::World;

#[test]
fn every_job_is_resolved_exactly_once_in_any_history() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SCHED_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SCHED_SEEDS").unwrap_or(10_000),
    };
    for seed in seeds {
        let history = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..400 {
                world.step();
            }
            world.finish();
        });
        if let Err(panic) = history {
            eprintln!("replay: SCHED_SEED={seed} cargo test -p runner-sched --test simulation");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn second_job_reuses_the_idle_worker_of_the_first() {
    let mut sched = Sched::new(Settings { max_workers: 4, ..Settings::default() });
    let (now, worker) = (MonotonicInstant(0), WorkerId { slot: 0, generation: 0 });
    let submit = |n| Event::Submitted {
        jobs: JobRange::single(JobId(n)),
        bytes: 10,
        limits: Vec::new(),
        priorities: Vec::new(),
        is_atomic: false,
    };
    assert_eq!(sched.handle(now, submit(0))[0], Action::Start(worker));
    let sends = |actions: Vec<Action>| {
        actions.iter().any(|a| matches!(a, Action::Send { worker: w, .. } if *w == worker))
    };
    assert!(sends(sched.handle(now, Event::Ready(worker))));
    let back = Event::Returned {
        worker,
        batch: BatchId(0),
        outcomes: 1,
        last: true,
        busy: Duration::from_micros(1),
    };
    assert_eq!(sched.handle(now, back), [Action::Deliver(vec![JobRange::single(JobId(0))])]);
    assert!(sends(sched.handle(now, submit(1))));
}
