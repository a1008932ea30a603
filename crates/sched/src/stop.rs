//! Closes and stops the pool.

use std::time::Duration;

use job::MonotonicInstant;

use crate::{Action, Sched, state::Mode, worker::Phase};

impl Sched {
    pub(crate) fn closed(&mut self) {
        if self.mode == Mode::Open {
            self.mode = Mode::Closing;
        }
    }

    pub(crate) fn stopped(
        &mut self,
        now: MonotonicInstant,
        grace: Duration,
        terminate: bool,
        actions: &mut Vec<Action>,
    ) {
        let kill_at = self.kill_at.map_or(now + grace, |earlier| earlier.min(now + grace));
        self.kill_at = Some(kill_at);
        if self.mode != Mode::Broken {
            self.mode = Mode::Stopping;
        }
        self.queue.drain().into_iter().for_each(|jobs| self.cancel(jobs, actions));
        // Workers that are starting are dismissed by `release`, as in any pool that accepts no more jobs.
        for (id, _) in self.workers.iter().filter(|(_, worker)| worker.phase == Phase::Serving) {
            // Halted even if it is sent SIGTERM: a job may handle the signal and continue.
            actions.push(Action::Halt(id));
            actions.extend(terminate.then_some(Action::Terminate(id)));
        }
        actions.push(Action::WakeAt(kill_at));
        self.tick(now, actions);
    }
}
