//! What a node tells whoever started it, and how often.

use std::time::{Duration, Instant};

use pool::Job;
use tokio::sync::watch;

use super::{NodeNews, serve::Node};
use crate::{
    Error,
    connect::{Line, Session},
};

/// A trouble that lasts is told again.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(60);

impl<J: Job> Node<J> {
    /// Says that something fails and is tried again, but not each time.
    pub(super) fn tell_trouble(&mut self, cause: String, tell: &mut dyn FnMut(NodeNews)) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN_AFTER) {
            self.told = Some(Instant::now());
            tell(NodeNews::Trouble(cause));
        }
    }
}

/// Says why the server does not take us back, if it says so.
pub(super) fn tell_refusal(
    refused: &mut watch::Receiver<Option<String>>,
    session: &Session,
    tell: &mut dyn FnMut(NodeNews),
) {
    if let Some(cause) = refused.borrow_and_update().clone() {
        let error = Error::Refused { server: session.server.clone(), cause };
        tell(NodeNews::Trouble(error.to_string()));
    }
}

/// Says what has become of the connection.
pub(super) fn tell_line(before: Line, now: Line, tell: &mut dyn FnMut(NodeNews)) {
    // The first connection is told of by `Joined`.
    if before.up && !now.up {
        tell(NodeNews::Lost);
    } else if !before.up && now.up {
        tell(NodeNews::Regained);
    } else if before.number > 0 && now.number > before.number {
        tell(NodeNews::Lost);
        tell(NodeNews::Regained);
    }
}
