//! Ticks when the scheduler asked for it, and while limits are in force notices that no time was there to run in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use job::{Job, MonotonicInstant, Stage, WorkerId};
use sched::{Event, RESIDENT_PERIOD};
use sys::clock::Heartbeat;

use super::{handle::Handle, shared::ProcessShared, supervisor::ProgressMonitor, transaction::Transaction};

/// Runs until the pool is closed, all jobs are resolved, and the last worker is gone.
pub(crate) fn run<J: Job>(shared: &Arc<ProcessShared<J>>) {
    let timer_guard = shared.accounting.thread("clock", Stage::Schedule);
    let timer = timer_guard.timer();
    let (mut residents, mut progress) = (Residents::default(), ProgressMonitor::new());
    loop {
        timer.enter(Stage::Schedule);
        progress.look(shared);
        if let Some(sizes) = residents.look(shared) {
            let mut transaction = Transaction::begin_timed(timer, shared);
            sizes
                .into_iter()
                .for_each(|(worker, bytes)| transaction.apply(Event::Resident { worker, bytes }));
            transaction.commit();
        }
        let mut transaction = Transaction::begin_timed(timer, shared);
        let (now, flush_at, wake_at) =
            (transaction.now, transaction.state.flush_at, transaction.state.wake_at);
        if transaction.note_skipped_time() {
            transaction.commit();
        } else if flush_at.is_some_and(|at| at <= now) {
            transaction.flush_on_timer();
            transaction.commit();
        } else if wake_at.is_some_and(|at| at <= now) {
            transaction.tick();
            transaction.commit();
        } else if transaction.state.sched.is_finished() {
            return;
        } else if let Some(at) = wake_at.into_iter().chain(flush_at).min() {
            let wait = transaction.begin_wait(at);
            timer.enter(Stage::Wait);
            shared.clock_wakeup.wait_until(&mut transaction.state, Instant::now() + wait);
        } else {
            transaction.state.heartbeat.stop();
            timer.enter(Stage::Wait);
            shared.clock_wakeup.wait(&mut transaction.state);
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
    fn look<J: Job>(&mut self, shared: &ProcessShared<J>) -> Option<Vec<(WorkerId, u64)>> {
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

impl<J: Job> Transaction<'_, J> {
    /// Returns how long to wait until then, at a time.
    fn begin_wait(&mut self, at: MonotonicInstant) -> Duration {
        let wait = at.since(self.now);
        if self.state.sched.has_limits() {
            self.state.attribute_oom_kills(self.now);
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
                .is_some_and(|handle| handle.is_stalled() && (is_waiting || handle.is_receiving()));
            self.apply(Event::Stalled { worker, stands });
            if let Some((batch, index, since)) = self.state.running(worker) {
                self.apply(Event::Seen { worker, batch, index, since });
            }
        }
        self.apply(Event::Tick);
    }
}
