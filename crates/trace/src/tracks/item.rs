//! Items of a track, and their order.

use std::cmp::Reverse;

/// An item on a track.
pub(super) struct TimedItem<W> {
    pub(super) ts: u64,
    /// Duration, if it is a slice.
    pub(super) dur: Option<u64>,
    pub(super) what: W,
}

/// Sorts the items of a track by time; an enclosing slice comes before those inside.
pub(super) fn in_order<W>(mut items: Vec<TimedItem<W>>) -> Vec<TimedItem<W>> {
    items.sort_by_key(|item| (item.ts, Reverse(item.dur)));
    items
}
