//! Clock thread: sends the scheduler its ticks, flushes delayed jobs, looks for outcomes that are held back,
//! and detects that this process did not
//! run for a while, if limits are in force.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use job::{Job, MonotonicInstant, Stage, WorkerId};
use sched::{Event, RSS_CHECK_INTERVAL};
use sys::clock::{self, Heartbeat};

use super::{
    handle::Handle,
    shared::{PoolState, ProcessShared},
    supervisor::{ProgressMonitor, Request},
    transaction::Transaction,
};

/// Runs until the pool is closed, all jobs are resolved, and the last worker has exited.
pub(crate) fn run<J: Job>(shared: &Arc<ProcessShared<J>>) {
    let timer_guard = shared.accounting.begin_thread("clock", Stage::Schedule);
    let timer = timer_guard.timer();
    let (mut residents, mut progress) = (ResidentSampler::default(), ProgressMonitor::new());
    loop {
        timer.enter(Stage::Schedule);
        progress.check(shared);
        let sampled_at = clock::now();
        if let Some(sizes) = residents.sample(shared) {
            let mut transaction = Transaction::begin_timed(timer, shared);
            sizes.into_iter().for_each(|(worker, bytes)| transaction.report_rss(worker, bytes, sampled_at));
            transaction.commit();
        }
        let mut transaction = Transaction::begin_timed(timer, shared);
        let now = transaction.now;
        let PoolState { flush_at, collect_at, wake_at, .. } = *transaction.state;
        if transaction.note_skipped_time() {
            transaction.commit();
        } else if flush_at.is_some_and(|at| at <= now) {
            transaction.flush_on_timer();
            transaction.commit();
        } else if collect_at.is_some_and(|at| at <= now) {
            let is_needed = transaction.request_collections();
            drop(transaction);
            if is_needed {
                // Without a supervisor there is no worker left to collect from.
                let _ = ProcessShared::request(shared, Request::Collect);
            }
        } else if wake_at.is_some_and(|at| at <= now) {
            transaction.tick();
            transaction.commit();
        } else if transaction.state.sched.is_finished() {
            return;
        } else if let Some(at) = wake_at.into_iter().chain(flush_at).chain(collect_at).min() {
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

/// Periodic sampling of the workers' resident sizes, without the lock. Idle unless they are limited.
#[derive(Default)]
struct ResidentSampler {
    last: Option<Instant>,
}

impl ResidentSampler {
    /// Returns the resident sizes of the workers, if a sample is due.
    fn sample<J: Job>(&mut self, shared: &ProcessShared<J>) -> Option<Vec<(WorkerId, u64)>> {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= RSS_CHECK_INTERVAL);
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
    /// Returns how long to wait for `at`, and keeps the heartbeat going while limits are in force.
    fn begin_wait(&mut self, at: MonotonicInstant) -> Duration {
        let wait = at.since(self.now);
        if self.state.sched.has_limits() {
            self.state.attribute_oom_kills(self.now);
            let wait = wait.min(Heartbeat::PERIOD);
            self.state.heartbeat.begin_wait(self.now, wait);
            wait
        } else {
            self.state.heartbeat.stop();
            // An `Instant` cannot represent every duration.
            wait.min(Duration::from_secs(86_400))
        }
    }

    /// Reports to the scheduler the resident size of a worker, and the job that it belongs to: the one that
    /// the worker was already running when the sampling began.
    fn report_rss(&mut self, worker: WorkerId, bytes: u64, sampled_at: MonotonicInstant) {
        let running = self.state.running(worker).filter(|&(.., since)| since <= sampled_at);
        if let Some((batch, index, since)) = running {
            self.apply(Event::Running { worker, batch, index, since });
        }
        self.apply(Event::Rss { worker, bytes });
    }

    /// Reports to the scheduler what the watched workers are doing, then sends the tick.
    fn tick(&mut self) {
        self.state.wake_at = None;
        let watched: Vec<WorkerId> = self.state.sched.workers_to_observe().collect();
        for worker in watched {
            // Its messages may still be waiting for the supervisor, unless the supervisor waits for the rest
            // of one.
            let is_waiting = self.shared.supervisor.is_waiting();
            let is_stalled = self
                .state
                .workers
                .get(&worker)
                .is_some_and(|handle| handle.is_stalled() && (is_waiting || handle.is_receiving()));
            self.apply(Event::Stalled { worker, is_stalled });
            if let Some((batch, index, since)) = self.state.running(worker) {
                self.apply(Event::Running { worker, batch, index, since });
            }
        }
        self.apply(Event::Tick);
    }
}
