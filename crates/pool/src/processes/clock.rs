//! Ticks when the scheduler asked for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use job::Job;
use sys::clock;

use super::{effects::carry_out, shared::Shared};

/// Runs until the pool is closed, all jobs are resolved, and the last worker is gone.
pub(crate) fn run<J: Job>(shared: &Arc<Shared<J>>) {
    let mut state = shared.state.lock();
    loop {
        let now = clock::now();
        if state.collect_at.is_some_and(|at| at <= now) {
            let effects = shared.collect_patiently(&mut state, now);
            drop(state);
            carry_out(shared, effects);
            state = shared.state.lock();
            continue;
        }
        match state.wake_at {
            Some(at) if at <= now => {
                state.wake_at = None;
                let effects = shared.tick(&mut state, now);
                drop(state);
                carry_out(shared, effects);
                state = shared.state.lock();
            }
            _ if state.sched.is_finished() => return,
            tick_at => match tick_at.into_iter().chain(state.collect_at).min() {
                Some(at) => {
                    // At most a day at a time: an instant cannot hold any duration.
                    let wait = at.since(now).min(Duration::from_secs(86_400));
                    shared.clock_news.wait_until(&mut state, Instant::now() + wait);
                }
                None => shared.clock_news.wait(&mut state),
            },
        }
    }
}
