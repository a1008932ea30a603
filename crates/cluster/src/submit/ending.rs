//! How a run ends: when there is nothing more to do, when somebody stops it, and when it cannot go on.

use std::time::{Duration, Instant};

use pool::{Failure, Job};

use super::{
    coordinator::{Coordinator, Waiting},
    withdraw::{delivered, withdraw},
};
use crate::Error;

/// While a run is being stopped, how often the nodes are looked at.
const POLL: Duration = Duration::from_millis(100);

/// A run that is being stopped.
pub(super) struct Stopping {
    pub(super) until: Instant,
    pub(super) poll_at: Instant,
    /// How often in a row the nodes had nothing.
    idle: u32,
}

impl<J: Job> Coordinator<J> {
    /// No more jobs will come: have there been as many as the run is known to have?
    pub(super) async fn look_at_the_end(&mut self) {
        if !self.shared.is_closed() || self.shared.is_stopped() || self.shared.broken().is_some() {
            return;
        }
        let read = self.shared.gather.lock().taken();
        if let Some(last) = self.known.last().filter(|&last| last >= read) {
            let run = self.settings.run.clone();
            self.fail(&Error::TooFewJobs { run, last, read }).await;
        }
    }

    /// Cancels what no node has been given.
    pub(super) async fn cancel_waiting(&mut self) {
        let gathered = {
            let mut gather = self.shared.gather.lock();
            (!gather.is_empty()).then(|| gather.take())
        };
        if let Some(batch) = gathered {
            batch.fail(&self.shared, || Failure::Cancelled);
        }
        let delivered = delivered(&self.streams.jobs).await;
        withdraw(&self.streams.jobs, self.all_batches()).await;
        let up_to = delivered.map_or(0, |delivered| delivered.up_to);
        let is_waiting = |waiting: &Waiting<J>| {
            !waiting.found
                && (!waiting.sent
                    || waiting.times > 0 && waiting.sequence.is_none_or(|number| number > up_to))
        };
        self.cancel(is_waiting);
    }

    fn cancel(&mut self, is_meant: impl Fn(&Waiting<J>) -> bool) {
        let meant = self.waiting.iter().filter(|(_, waiting)| is_meant(waiting)).map(|(&first, _)| first);
        for first in meant.collect::<Vec<_>>() {
            if let Some(waiting) = self.waiting.remove(&first) {
                waiting.batch.fail(&self.shared, || Failure::Cancelled);
            }
        }
    }

    pub(super) async fn stop(&mut self, until: Instant) {
        self.publisher.withdraw();
        let first_time = self.stopping.is_none();
        let now = Instant::now();
        let earlier = self.stopping.as_ref().map_or(until, |stopping| stopping.until);
        self.stopping = Some(Stopping { until: until.min(earlier), poll_at: now + POLL, idle: 0 });
        if first_time && until > now {
            self.cancel_waiting().await;
        } else if first_time {
            withdraw(&self.streams.jobs, self.all_batches()).await;
        }
        self.go_on_stopping(now).await;
    }

    /// Waits for the results of what nodes have, until the time is over or they have nothing.
    pub(super) async fn go_on_stopping(&mut self, now: Instant) {
        let Some(stopping) = &mut self.stopping else { return };
        if stopping.poll_at <= now && stopping.until > now {
            stopping.poll_at = now + POLL;
            let in_flight = delivered(&self.streams.jobs).await.map_or(1, |delivered| delivered.in_flight);
            stopping.idle = if in_flight == 0 { stopping.idle + 1 } else { 0 };
        }
        if stopping.until <= now || stopping.idle > 1 {
            let gathered = self.shared.gather.lock().take();
            if gathered.span.count > 0 {
                gathered.fail(&self.shared, || Failure::Cancelled);
            }
            self.cancel(|_| true);
            // What there is to be told has been.
            stopping_is_over(self.stopping.as_mut(), now);
        }
    }

    /// The run cannot go on: all that is left shares the reason, and does not use the cluster any more.
    pub(super) async fn fail(&mut self, error: &Error) {
        let cause = self.shared.break_down(error);
        self.publisher.withdraw();
        let gathered = self.shared.gather.lock().take();
        let left = std::mem::take(&mut self.waiting).into_values().map(|waiting| waiting.batch);
        for batch in left.chain((gathered.span.count > 0).then_some(gathered)) {
            batch.fail(&self.shared, || Failure::Abandoned(cause.clone()));
        }
        withdraw(&self.streams.jobs, self.all_batches()).await;
    }
}

/// After the end there is nothing to be woken for soon.
fn stopping_is_over(stopping: Option<&mut Stopping>, now: Instant) {
    if let Some(stopping) = stopping {
        stopping.idle = 0;
        stopping.until = now + Duration::from_secs(1 << 30);
        stopping.poll_at = now + POLL;
    }
}
