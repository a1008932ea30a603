//! How a run ends: when there is nothing more to do, when somebody stops it, and when it cannot go on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pool::{Failure, Job, Sink};
use tokio::task::AbortHandle;

use super::{
    coordinator::{Coordinator, Waiting},
    shared::Batch,
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

    /// Cancels what no node has been given, of one sink or of all. A batch that several sinks have jobs in is cancelled
    /// with all.
    pub(super) async fn cancel_waiting(&mut self, sink: Option<&Arc<dyn Sink<J>>>) {
        let gathered = {
            let mut gather = self.shared.gather.lock();
            gather.is_only_of(sink).then(|| gather.take())
        };
        if let Some(batch) = gathered {
            batch.fail(&self.shared, || Failure::Cancelled);
        }
        let delivered = delivered(&self.streams.jobs).await;
        let up_to = delivered.map_or(0, |delivered| delivered.up_to);
        let is_waiting = |waiting: &Waiting<J>| {
            sink.is_none_or(|sink| waiting.batch.is_only_of(sink))
                && !waiting.found
                && (!waiting.sent
                    || waiting.times > 0 && waiting.sequence.is_none_or(|number| number > up_to))
        };
        let (cancelled, numbers) = self.take_out(is_waiting);
        // What has been sent is stored before what follows it is taken back.
        self.publisher.session.flush().await;
        if self.waiting.is_empty() || sink.is_none() {
            self.take_all_back().await;
        } else {
            self.publisher.take_back(&self.streams.jobs, numbers);
        }
        cancelled.into_iter().for_each(|batch| batch.fail(&self.shared, || Failure::Cancelled));
    }

    /// Removes all that is queued, unless it is somebody else's by now.
    pub(super) async fn take_all_back(&self) {
        if !self.taken_over {
            withdraw(&self.streams.jobs, self.all_batches()).await;
        }
    }

    /// Batches that nobody waits for any more, and their numbers in the queue; they are not published any more either.
    fn take_out(&mut self, is_meant: impl Fn(&Waiting<J>) -> bool) -> (Vec<Batch<J>>, Vec<u64>) {
        let (mut batches, mut numbers) = (Vec::new(), Vec::new());
        for (_, waiting) in self.waiting.extract_if(.., |_, waiting| is_meant(waiting)) {
            waiting.publishing.inspect(AbortHandle::abort);
            numbers.extend(waiting.sequence);
            batches.push(waiting.batch);
        }
        (batches, numbers)
    }

    pub(super) async fn stop(&mut self, until: Instant) {
        self.publisher.withdraw();
        let first_time = self.stopping.is_none();
        let now = Instant::now();
        let earlier = self.stopping.as_ref().map_or(until, |stopping| stopping.until);
        self.stopping = Some(Stopping { until: until.min(earlier), poll_at: now + POLL, idle: 0 });
        if first_time && until > now {
            self.cancel_waiting(None).await;
        } else if first_time {
            self.take_all_back().await;
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
            let (left, _) = self.take_out(|_| true);
            left.into_iter().for_each(|batch| batch.fail(&self.shared, || Failure::Cancelled));
            // What there is to be told has been.
            stopping_is_over(self.stopping.as_mut(), now);
        }
    }

    /// The run cannot go on: all that is left shares the reason, and does not use the cluster any more.
    pub(super) async fn fail(&mut self, error: &Error) {
        self.taken_over |= matches!(error, Error::TakenOver { .. });
        let cause = self.shared.break_down(error);
        self.publisher.withdraw();
        let gathered = self.shared.gather.lock().take();
        let left = std::mem::take(&mut self.waiting).into_values().map(|waiting| waiting.batch);
        for batch in left.chain((gathered.span.count > 0).then_some(gathered)) {
            batch.fail(&self.shared, || Failure::Abandoned(cause.clone()));
        }
        self.take_all_back().await;
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
