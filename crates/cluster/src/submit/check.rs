//! Checks that the queue's streams still exist and have not been replaced.
//!
//! Checks every few seconds, and soon after a request was rejected or not answered. A deleted stream is
//! created again by the nodes on request. If it is still missing after the connection's timeout, the run
//! fails. A stream that was created again has lost its messages, so all pending messages are looked up.

use std::time::{Duration, Instant};

use pool::Job;

use super::{
    coordinator::{Coordinator, Event},
    guard::spawn,
    throttle::ErrorThrottle,
};
use crate::{
    Error,
    streams::{Identity, Streams},
};

/// Interval between checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Minimum interval between checks that were requested.
const MIN_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Time for the nodes to create a stream again, once it is known that it is missing.
const NODES_RESTORE_TIMEOUT: Duration = Duration::from_secs(3);

/// Answer of the server, and when it was requested.
pub(super) struct Checked {
    requested_at: Instant,
    answer: Result<Identity, Error>,
}

/// State of the checks.
pub(super) struct StreamCheck {
    identity: Identity,
    timeout: Duration,
    throttle: ErrorThrottle,
    /// When all streams were last found, or the connection was last restored.
    found_at: Instant,
    /// Since when a stream has been known to be missing.
    missing_since: Option<Instant>,
    /// The earliest time of the next check.
    not_before: Instant,
    at: Instant,
    /// A check is under way.
    is_asked: bool,
}

impl StreamCheck {
    pub(super) fn new(identity: Identity, timeout: Duration, throttle: ErrorThrottle) -> StreamCheck {
        let now = Instant::now();
        StreamCheck {
            identity,
            timeout,
            throttle,
            found_at: now,
            missing_since: None,
            not_before: now,
            at: now + CHECK_INTERVAL,
            is_asked: false,
        }
    }

    /// Returns the time of the next check.
    pub(super) fn at(&self) -> Instant {
        // The answer to a check that is under way comes as an event.
        if self.is_asked { Instant::now() + CHECK_INTERVAL } else { self.at }
    }

    /// Checks soon, within the minimum interval.
    pub(super) fn soon(&mut self) {
        self.at = self.at.min(self.not_before);
    }

    /// Restarts the timeout: without a connection, nodes could not create streams either.
    pub(super) fn reconnected(&mut self) {
        self.found_at = Instant::now();
        self.missing_since = None;
        self.soon();
    }

    fn found(&mut self, requested_at: Instant) {
        (self.found_at, self.missing_since) = (requested_at, None);
        self.at = Instant::now() + CHECK_INTERVAL;
        self.throttle.clear();
    }

    /// Notes that a stream is missing; returns whether that has lasted too long.
    fn missing(&mut self) -> bool {
        let now = Instant::now();
        self.at = now + MIN_CHECK_INTERVAL;
        let since = *self.missing_since.get_or_insert(now);
        now >= (self.found_at + self.timeout).max(since + NODES_RESTORE_TIMEOUT)
    }
}

impl<J: Job> Coordinator<J> {
    /// Requests the streams and the current claim from the server, in a task.
    pub(super) fn check_streams(&mut self) {
        let requested_at = Instant::now();
        self.check.is_asked = true;
        self.check.not_before = requested_at + MIN_CHECK_INTERVAL;
        let (session, queue) = (self.publisher.session.clone(), self.settings.queue.clone());
        let (claim, events) = (self.claim.clone(), self.publisher.events.clone());
        spawn(&self.publisher.events, async move {
            let found = Streams::find(&session, &queue).await;
            let answer = found.map(|streams| streams.identity());
            let _ = events.send(Event::Checked(Checked { requested_at, answer }));
            if let Some(error) = claim.taken_over().await {
                let _ = events.send(Event::Failed(error));
            }
        });
    }

    /// Handles the answer of the server.
    pub(super) fn checked(&mut self, Checked { requested_at, answer }: Checked) {
        self.check.is_asked = false;
        match answer {
            Ok(identity) => {
                self.check.found(requested_at);
                if std::mem::replace(&mut self.check.identity, identity) != identity {
                    self.reconcile_all();
                }
            }
            Err(error @ (Error::NoQueue { .. } | Error::NoStream { .. })) => {
                let is_too_long = self.check.missing();
                // A run without pending messages does not need the queue now.
                if is_too_long && !self.pending.is_empty() {
                    return self.fail(&error);
                }
                self.request_queue_check();
            }
            Err(error) => {
                self.check.at = Instant::now() + MIN_CHECK_INTERVAL;
                self.check.throttle.record(&error.to_string());
            }
        }
    }
}
