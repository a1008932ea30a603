//! Assigns events to tracks.
//!
//! Each worker is a process in the viewer, with one track: its start, its batches and their jobs, idle times,
//! and its exit. In the process of `runner` each slot has a track too, with the actions of the parent for its
//! workers: starts, batches sent, outcomes received.

mod counters;
mod item;
mod slot;
mod worker;

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    event::{Event, Track},
    timeline::TimelineData,
};

/// First thread identifier that no process can have: Linux numbers processes below it.
const FIRST_SLOT_TID: u32 = 1 << 22;

/// All events of a run, track by track, each track in the order of time.
pub(super) fn events(data: &TimelineData, runner: u32) -> impl Iterator<Item = Event<'_>> {
    let parent = Track { pid: runner, tid: runner };
    let names = [
        parent.metadata("process_name", json!({ "name": "runner" })),
        parent.metadata("process_sort_index", json!({ "sort_index": 0 })),
        parent.metadata("thread_name", json!({ "name": "counters" })),
    ];
    let used: BTreeSet<u32> = data.workers.keys().map(|worker| worker.slot).collect();
    let slots = used.into_iter().flat_map(move |slot| {
        let track = Track { pid: runner, tid: FIRST_SLOT_TID + slot };
        slot::events(data, slot, track)
    });
    let workers =
        (1..).zip(&data.workers).flat_map(|(order, (&id, trace))| worker::events(data, id, trace, order));
    names.into_iter().chain(counters::events(data, parent)).chain(slots).chain(workers)
}
