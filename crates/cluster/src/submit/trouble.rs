//! What goes wrong for long although there is a connection: it is told once, and tried on.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{mpsc::UnboundedSender, watch};

use super::coordinator::Event;
use crate::connect::Line;

/// One kind of request, and since when it has failed.
pub(super) struct Trouble {
    patience: Duration,
    line: watch::Receiver<Line>,
    events: UnboundedSender<Event>,
    spell: Mutex<Option<Spell>>,
}

struct Spell {
    since: Instant,
    told: bool,
}

impl Trouble {
    pub(super) fn new(
        patience: Duration,
        line: watch::Receiver<Line>,
        events: UnboundedSender<Event>,
    ) -> Trouble {
        Trouble { patience, line, events, spell: Mutex::new(None) }
    }

    pub(super) fn is_over(&self) {
        *self.spell.lock() = None;
    }

    /// Notes another failure, reports one that lasts, and has the streams checked: one of them may have been deleted.
    pub(super) fn goes_on(&self, cause: &str) {
        let mut spell = self.spell.lock();
        if !self.line.borrow().up {
            // That is told elsewhere.
            *spell = None;
            return;
        }
        let Spell { since, told } = spell.get_or_insert_with(|| Spell { since: Instant::now(), told: false });
        let is_long = since.elapsed() >= self.patience;
        if is_long && !std::mem::replace(told, true) {
            let _ = self.events.send(Event::Trouble(cause.to_owned()));
        }
        let _ = self.events.send(Event::Suspect);
    }
}
