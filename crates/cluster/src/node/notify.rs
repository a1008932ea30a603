//! Notifications of a node, and their rate limit.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::node_event::NodeEvent;
use crate::{
    Error,
    connect::{LinkState, Session},
};

/// Interval between notifications of an error that lasts.
const NOTIFY_INTERVAL: Duration = Duration::from_secs(60);

/// Limits the rate of notifications of errors that are retried.
#[derive(Default)]
pub(super) struct ErrorNotifier {
    /// Time of the last notification of an error that has not ended.
    notified_at: Option<Instant>,
}

impl ErrorNotifier {
    /// Notifies of an error that is retried, at most once per interval.
    pub(super) fn notify(&mut self, cause: String, notify: &mut dyn FnMut(NodeEvent)) {
        if self.notified_at.is_none_or(|notified_at| notified_at.elapsed() >= NOTIFY_INTERVAL) {
            self.notified_at = Some(Instant::now());
            notify(NodeEvent::Retrying(cause));
        }
    }

    /// Notes that the error has ended.
    pub(super) fn clear(&mut self) {
        self.notified_at = None;
    }
}

/// Notifies that the server rejects the reconnection.
pub(super) fn notify_refusal(
    refused: &mut watch::Receiver<Option<String>>,
    session: &Session,
    notify: &mut dyn FnMut(NodeEvent),
) {
    if let Some(cause) = refused.borrow_and_update().clone() {
        let error = Error::Unauthorized { server: session.server.clone(), cause };
        notify(NodeEvent::Retrying(error.to_string()));
    }
}

/// Notifies of changes of the connection.
pub(super) fn notify_link(previous: LinkState, now: LinkState, notify: &mut dyn FnMut(NodeEvent)) {
    // The first connection is reported by `Joined`.
    if previous.up && !now.up {
        notify(NodeEvent::Disconnected);
    } else if !previous.up && now.up {
        notify(NodeEvent::Reconnected);
    } else if previous.number > 0 && now.number > previous.number {
        notify(NodeEvent::Disconnected);
        notify(NodeEvent::Reconnected);
    }
}
