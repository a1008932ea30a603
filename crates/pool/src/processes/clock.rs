//! Ticks when the scheduler asked for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use job::{Job, Stage, WorkerId};
use sched::Event;

use super::{shared::Shared, turn::Turn};

/// Runs until the pool is closed, all jobs are resolved, and the last worker is gone.
pub(crate) fn run<J: Job>(shared: &Arc<Shared<J>>) {
    let attended = shared.ledger.thread("clock", Stage::Schedule);
    let lane = attended.lane();
    loop {
        lane.enter(Stage::Schedule);
        let mut turn = Turn::on(lane, shared);
        let (now, collect_at, wake_at) = (turn.now, turn.state.collect_at, turn.state.wake_at);
        if collect_at.is_some_and(|at| at <= now) {
            turn.collect_patiently();
            turn.end();
        } else if wake_at.is_some_and(|at| at <= now) {
            turn.tick();
            turn.end();
        } else if turn.state.sched.is_finished() {
            return;
        } else if let Some(at) = wake_at.into_iter().chain(collect_at).min() {
            // At most a day at a time: an instant cannot hold any duration.
            let wait = at.since(now).min(Duration::from_secs(86_400));
            lane.enter(Stage::Wait);
            shared.clock_news.wait_until(&mut turn.state, Instant::now() + wait);
        } else {
            lane.enter(Stage::Wait);
            shared.clock_news.wait(&mut turn.state);
        }
    }
}

impl<J: Job> Turn<'_, J> {
    /// The scheduler first hears what the watched workers are doing.
    fn tick(&mut self) {
        self.state.wake_at = None;
        let watched: Vec<WorkerId> = self.state.sched.watched().collect();
        for worker in watched {
            self.state.sweep_up(worker);
            let stands = self.state.workers.get(&worker).is_some_and(|handle| handle.stands());
            self.hear(Event::Stood { worker, stands });
            if let Some((frame, index, since)) = self.state.running(worker) {
                self.hear(Event::Seen { worker, frame, index, since });
            }
        }
        self.hear(Event::Tick);
    }
}
