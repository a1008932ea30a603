//! What stands where on which line.
//!
//! Each worker is a process of its own in the viewer, with one line: its start, its batches with their jobs, the waits between
//! them, its end. In the process of `runner` each slot has a line too, with what the parent did for the workers in it: starts,
//! batches sent, outcomes received.

mod counters;
mod slot;
mod worker;

use std::{cmp::Reverse, collections::BTreeSet};

use serde_json::json;

use super::{
    book::Book,
    event::{Event, Line},
};

/// Threads from this number on belong to no process that the system has: it numbers none so high.
const BEYOND_ALL_PROCESSES: u32 = 1 << 22;

/// All events of a run, line by line, each line's in the order of time.
pub(super) fn events(book: &Book, runner: u32) -> impl Iterator<Item = Event<'_>> {
    let parent = Line { pid: runner, tid: runner };
    let names = [
        parent.metadata("process_name", json!({ "name": "runner" })),
        parent.metadata("process_sort_index", json!({ "sort_index": 0 })),
        parent.metadata("thread_name", json!({ "name": "counters" })),
    ];
    let used: BTreeSet<u32> = book.lives.keys().map(|worker| worker.slot).collect();
    let slots = used.into_iter().flat_map(move |slot| {
        let line = Line { pid: runner, tid: BEYOND_ALL_PROCESSES + slot };
        slot::events(book, slot, line)
    });
    let workers =
        (1..).zip(&book.lives).flat_map(|(order, (&id, life))| worker::events(book, id, life, order));
    names.into_iter().chain(counters::events(book, parent)).chain(slots).chain(workers)
}

/// Something on a line.
struct Item<W> {
    ts: u64,
    /// How long it takes, if it is a slice.
    dur: Option<u64>,
    what: W,
}

/// Puts the items of a line into order, those that hold others in front of them.
fn in_order<W>(mut items: Vec<Item<W>>) -> Vec<Item<W>> {
    items.sort_by_key(|item| (item.ts, Reverse(item.dur)));
    items
}
