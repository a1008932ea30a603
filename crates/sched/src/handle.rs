//! Entry point of the scheduler: [`Sched::handle`].

use job::{JobRange, MonotonicInstant, WorkerId};

use crate::{
    Action, Event, Sched,
    death::WorkerExit,
    fifo::{Grouping, JobSpan},
    priority::split_by_priority,
    state::Mode,
    worker::Phase,
};

impl Sched {
    /// Updates the state by an event and returns the actions that follow, in the order in which they must be
    /// done.
    #[must_use]
    pub fn handle(&mut self, now: MonotonicInstant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.queue_time.add(now, self.queue.total());
        match event {
            Event::Submitted { jobs, bytes, limits, priorities, is_atomic } => {
                self.jobs.add_limits(limits);
                let grouping = if is_atomic { Grouping::Atomic } else { Grouping::Any };
                let span = JobSpan { jobs, mean_bytes: bytes / jobs.count(), grouping, priority: 0 };
                self.submitted(span, &priorities, &mut actions);
            }
            Event::Ready(worker) => self.ready(now, worker, &mut actions),
            Event::StartFailed { worker, failure } => self.start_failed(now, worker, failure, &mut actions),
            Event::Returned { worker, batch, outcomes, last, busy } => {
                if self.returned(now, worker, (batch, outcomes, last), &mut actions) {
                    self.sizing.note(outcomes, busy);
                }
            }
            Event::Collected { worker, batch, outcomes } => {
                self.deliver_collected(worker, (batch, outcomes), &mut actions);
            }
            Event::RecallReply { worker, batch, index } => {
                self.taken_back(worker, batch, index, &mut actions);
            }
            Event::Running { worker, batch, index, since } => self.seen(worker, batch, index, since),
            Event::Rss { worker, bytes } => self.check_resident(now, worker, bytes, &mut actions),
            Event::Stalled { worker, is_stalled } => self.stalled(now, worker, is_stalled),
            Event::Paused => self.pauses.begin(now),
            Event::Resumed => self.resumed(now, &mut actions),
            Event::Held => self.held(&mut actions),
            Event::Released => self.released(),
            Event::TimeSkipped { since } => self.time_skipped(now, since, &mut actions),
            Event::Died { worker, running, recovered, death, out_of_memory } => {
                self.deliver_recovered(worker, recovered, &mut actions);
                self.died(now, worker, WorkerExit { running, death, out_of_memory }, &mut actions);
            }
            Event::Cancelled(jobs) => self.cancelled(jobs, &mut actions),
            Event::WaitingCancelled => self.waiting_cancelled(&mut actions),
            Event::Killed(job) => self.killed(job, &mut actions),
            Event::Closed => self.closed(),
            Event::Prestart => self.prestart(now, &mut actions),
            Event::ResourceLost => self.break_pool(&mut actions),
            Event::Stopped { grace, terminate } => self.stopped(now, grace, terminate, &mut actions),
            Event::Resized(workers) => self.settings.max_workers = workers.max(1),
            Event::Tick => self.tick(now, &mut actions),
        }
        self.queue.release_due(now);
        self.scale_down(now, &mut actions);
        self.promote_spare();
        self.dispatch(now, &mut actions);
        self.rebalance(now, &mut actions);
        self.release(now, &mut actions);
        self.keep_spare(now, &mut actions);
        actions
    }

    fn submitted(&mut self, span: JobSpan, priorities: &[(JobRange, i32)], actions: &mut Vec<Action>) {
        match self.mode {
            Mode::Open if priorities.is_empty() => self.queue.push_back(span),
            Mode::Open => {
                self.has_priorities = true;
                split_by_priority(span, priorities).into_iter().for_each(|span| self.queue.push_back(span));
            }
            // The pool refuses jobs in these modes; a job submitted just before the change is resolved here.
            Mode::Closing | Mode::Stopping | Mode::Broken => self.cancel(span.jobs, actions),
        }
    }

    fn ready(&mut self, now: MonotonicInstant, id: WorkerId, actions: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get_mut(id)
            && worker.phase == Phase::Starting
        {
            worker.phase = Phase::Serving;
            self.starts.note_success();
            self.note_started(now, id);
            self.became_idle(now, id, actions);
        }
    }
}
