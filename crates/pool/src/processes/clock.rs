//! Ticks when the scheduler asked for it, and while limits are in force notices that no time was there to run in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use job::{Job, Moment, Stage, WorkerId};
use sched::Event;
use sys::clock::Heartbeat;

use super::{shared::Shared, turn::Turn};

/// Runs until the pool is closed, all jobs are resolved, and the last worker is gone.
pub(crate) fn run<J: Job>(shared: &Arc<Shared<J>>) {
    let attended = shared.ledger.thread("clock", Stage::Schedule);
    let lane = attended.lane();
    loop {
        lane.enter(Stage::Schedule);
        let mut turn = Turn::on(lane, shared);
        let (now, collect_at, wake_at) = (turn.now, turn.state.collect_at, turn.state.wake_at);
        if turn.note_skipped_time() {
            turn.end();
        } else if collect_at.is_some_and(|at| at <= now) {
            turn.collect_patiently();
            turn.end();
        } else if wake_at.is_some_and(|at| at <= now) {
            turn.tick();
            turn.end();
        } else if turn.state.sched.is_finished() {
            return;
        } else if let Some(at) = wake_at.into_iter().chain(collect_at).min() {
            let wait = turn.begin_wait(at);
            lane.enter(Stage::Wait);
            shared.clock_news.wait_until(&mut turn.state, Instant::now() + wait);
        } else {
            turn.state.heartbeat.stop();
            lane.enter(Stage::Wait);
            shared.clock_news.wait(&mut turn.state);
        }
    }
}

impl<J: Job> Turn<'_, J> {
    /// Returns how long to wait until then, at a time.
    fn begin_wait(&mut self, at: Moment) -> Duration {
        let wait = at.since(self.now);
        if self.state.sched.has_limits() {
            self.state.credit_kernel_kills(self.now);
            let wait = wait.min(Heartbeat::PERIOD);
            self.state.heartbeat.begin_wait(self.now, wait);
            wait
        } else {
            self.state.heartbeat.stop();
            // An instant cannot hold any duration.
            wait.min(Duration::from_secs(86_400))
        }
    }

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
