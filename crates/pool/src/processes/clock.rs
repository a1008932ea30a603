//! Ticks when the scheduler asked for it, and while limits are in force notices that no time was there to run in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use job::{Job, MonotonicInstant, Stage, WorkerId};
use sched::{Event, RESIDENT_PERIOD};
use sys::clock::Heartbeat;

use super::{handle::Handle, shared::Shared, supervisor::Progress, turn::Turn};

/// Runs until the pool is closed, all jobs are resolved, and the last worker is gone.
pub(crate) fn run<J: Job>(shared: &Arc<Shared<J>>) {
    let attended = shared.ledger.thread("clock", Stage::Schedule);
    let lane = attended.lane();
    let (mut residents, mut progress) = (Residents::default(), Progress::new());
    loop {
        lane.enter(Stage::Schedule);
        progress.look(shared);
        if let Some(sizes) = residents.look(shared) {
            let mut turn = Turn::on(lane, shared);
            sizes.into_iter().for_each(|(worker, bytes)| turn.hear(Event::Resident { worker, bytes }));
            turn.end();
        }
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

/// Looks at the size of workers from time to time, if that matters, without the lock.
#[derive(Default)]
struct Residents {
    last: Option<Instant>,
}

impl Residents {
    /// The resident sizes of the workers, if it is time to look.
    fn look<J: Job>(&mut self, shared: &Shared<J>) -> Option<Vec<(WorkerId, u64)>> {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= RESIDENT_PERIOD);
        if !is_due || !shared.limits_resident() {
            return None;
        }
        let size = |handle: &Arc<Handle>| Some((handle.id, handle.process.get()?.resident()?));
        let sizes = shared.handles().iter().filter_map(size).collect();
        self.last = Some(Instant::now());
        Some(sizes)
    }
}

impl<J: Job> Turn<'_, J> {
    /// Returns how long to wait until then, at a time.
    fn begin_wait(&mut self, at: MonotonicInstant) -> Duration {
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
            // What it has sent may be waiting for the supervisor, unless that waits for the rest of it.
            let is_waiting = self.shared.supervisor.is_waiting();
            let stands = self
                .state
                .workers
                .get(&worker)
                .is_some_and(|handle| handle.stands() && (is_waiting || handle.is_receiving()));
            self.hear(Event::Stalled { worker, stands });
            if let Some((batch, index, since)) = self.state.running(worker) {
                self.hear(Event::Seen { worker, batch, index, since });
            }
        }
        self.hear(Event::Tick);
    }
}
