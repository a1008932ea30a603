//! Notifications of a node, and their rate limit.

use std::time::{Duration, Instant};

use pool::Job;
use tokio::sync::watch;

use super::{NodeNews, serve::Node};
use crate::{
    Error,
    connect::{LinkState, Session},
};

/// Interval between notifications of an error that lasts.
const NOTIFY_INTERVAL: Duration = Duration::from_secs(60);

impl<J: Job> Node<J> {
    /// Notifies of an error that is retried, at most once per interval.
    pub(super) fn notify_error(&mut self, cause: String, notify: &mut dyn FnMut(NodeNews)) {
        if self
            .error_notified_at
            .is_none_or(|error_notified_at| error_notified_at.elapsed() >= NOTIFY_INTERVAL)
        {
            self.error_notified_at = Some(Instant::now());
            notify(NodeNews::Trouble(cause));
        }
    }
}

/// Notifies that the server rejects the reconnection.
pub(super) fn notify_refusal(
    refused: &mut watch::Receiver<Option<String>>,
    session: &Session,
    notify: &mut dyn FnMut(NodeNews),
) {
    if let Some(cause) = refused.borrow_and_update().clone() {
        let error = Error::Refused { server: session.server.clone(), cause };
        notify(NodeNews::Trouble(error.to_string()));
    }
}

/// Notifies of changes of the connection.
pub(super) fn notify_link(previous: LinkState, now: LinkState, notify: &mut dyn FnMut(NodeNews)) {
    // The first connection is reported by `Joined`.
    if previous.up && !now.up {
        notify(NodeNews::Lost);
    } else if !previous.up && now.up {
        notify(NodeNews::Regained);
    } else if previous.number > 0 && now.number > previous.number {
        notify(NodeNews::Lost);
        notify(NodeNews::Regained);
    }
}
