//! Reports errors that last although there is a connection, once each.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{mpsc::UnboundedSender, watch};

use super::event::Event;
use crate::connect::LinkState;

/// Outages of one kind of request.
pub(super) struct ErrorThrottle {
    report_after: Duration,
    link: watch::Receiver<LinkState>,
    events: UnboundedSender<Event>,
    outage: Mutex<Option<Outage>>,
}

struct Outage {
    since: Instant,
    reported: bool,
}

impl ErrorThrottle {
    pub(super) fn new(
        report_after: Duration,
        link: watch::Receiver<LinkState>,
        events: UnboundedSender<Event>,
    ) -> ErrorThrottle {
        ErrorThrottle { report_after, link, events, outage: Mutex::new(None) }
    }

    pub(super) fn clear(&self) {
        *self.outage.lock() = None;
    }

    /// Records a failure, reports an outage that has lasted for `report_after`, and requests a check of the
    /// streams, one of which may have been deleted.
    pub(super) fn record(&self, cause: &str) {
        let mut outage = self.outage.lock();
        if !self.link.borrow().up {
            // A lost connection is reported by the coordinator.
            *outage = None;
            return;
        }
        let Outage { since, reported } =
            outage.get_or_insert_with(|| Outage { since: Instant::now(), reported: false });
        let is_overdue = since.elapsed() >= self.report_after;
        if is_overdue && !std::mem::replace(reported, true) {
            let _ = self.events.send(Event::ErrorPersists(cause.to_owned()));
        }
        let _ = self.events.send(Event::CheckStreams);
    }
}
