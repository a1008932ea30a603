//! Checks that the queue's streams still exist and have not been replaced.
//!
//! Checks every few seconds, and soon after a request was rejected or not answered. A deleted stream is
//! created again by the nodes on request. If it is still missing after the connection's timeout, the run
//! fails. A stream that was created again has lost its messages, so all pending messages are looked up.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::{
    claim::Claim,
    event::{Checked, Event},
    guard::spawn,
    throttle::ErrorThrottle,
};
use crate::{
    Error, Queue,
    connect::Session,
    streams::{Identity, Streams},
};

/// Interval between checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Minimum interval between checks that were requested.
const MIN_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Time for the nodes to create a stream again, once it is known that it is missing.
const NODES_RESTORE_TIMEOUT: Duration = Duration::from_secs(3);

/// Result of a check.
pub(super) enum CheckResult {
    /// The streams are the same as before, or the server did not answer.
    Unchanged,
    /// A stream has been created again since the last check.
    Replaced,
    /// A stream is missing.
    Missing,
    /// A stream has been missing for too long.
    Lost(Error),
}

/// Checks of the streams and of the claim.
pub(super) struct StreamCheck {
    session: Session,
    queue: Queue,
    claim: Claim,
    events: UnboundedSender<Event>,
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
    /// Returns checks of the queue's streams, which have this identity, and of the run's claim.
    pub(super) fn new(
        (session, queue): (Session, Queue),
        claim: Claim,
        identity: Identity,
        timeout: Duration,
        events: UnboundedSender<Event>,
    ) -> StreamCheck {
        let now = Instant::now();
        StreamCheck {
            throttle: ErrorThrottle::new(timeout, session.link.clone(), events.clone()),
            session,
            queue,
            claim,
            events,
            identity,
            timeout,
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

    /// Requests the streams and the current claim from the server, in a task.
    pub(super) fn request(&mut self) {
        let requested_at = Instant::now();
        self.is_asked = true;
        self.not_before = requested_at + MIN_CHECK_INTERVAL;
        let (session, queue) = (self.session.clone(), self.queue.clone());
        let (claim, events) = (self.claim.clone(), self.events.clone());
        spawn(&self.events, async move {
            let found = Streams::find(&session, &queue).await;
            let answer = found.map(|streams| streams.identity());
            let _ = events.send(Event::Checked(Checked { requested_at, answer }));
            if let Some(error) = claim.taken_over().await {
                let _ = events.send(Event::Failed(error));
            }
        });
    }

    /// Handles the answer of the server.
    pub(super) fn handle(&mut self, Checked { requested_at, answer }: Checked) -> CheckResult {
        self.is_asked = false;
        match answer {
            Ok(identity) => {
                self.found(requested_at);
                match std::mem::replace(&mut self.identity, identity) == identity {
                    true => CheckResult::Unchanged,
                    false => CheckResult::Replaced,
                }
            }
            Err(error @ (Error::NoQueue { .. } | Error::NoStream { .. })) => match self.missing() {
                true => CheckResult::Lost(error),
                false => CheckResult::Missing,
            },
            Err(error) => {
                self.at = Instant::now() + MIN_CHECK_INTERVAL;
                self.throttle.record(&error.to_string());
                CheckResult::Unchanged
            }
        }
    }
}
