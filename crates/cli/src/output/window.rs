//! Records on their way into the window of their jobs.
//!
//! Each job that has entered has a slot. Its outcome is *claimed* before it is rendered, which takes no lock,
//! and *settled* when its line is here. Lines of jobs that follow each other come in one piece, so putting
//! them into window costs little more than a flag for each job.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use super::{counts::Counts, rendered::Rendered};
use crate::plan::BufferLimits;

/// What a job takes beside its text and its line, in bytes, about.
const SLOT_BYTES: usize = 64;

/// Jobs between their entry and the moment in which their lines can be written.
pub(super) struct ReorderWindow {
    /// Whether lines are handed out in the window of their jobs, or as they come.
    is_ordered: bool,
    /// The position of the first slot.
    first: u64,
    slots: VecDeque<Slot>,
    /// Lines behind the first slot, by the position of the first of their jobs.
    pending: BTreeMap<u64, Vec<u8>>,
    /// Whole lines, in the window in which they are to be written.
    ready: Vec<Vec<u8>>,
    /// Bytes of unfinished texts, and of lines until they have been written.
    held: usize,
    /// Mean size of a record, recent ones weighing most.
    mean_record: usize,
    counts: Counts,
}

struct Slot {
    id: Option<Box<str>>,
    text_bytes: usize,
    state: SlotState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SlotState {
    /// There is no outcome yet.
    Open,
    /// The outcome is being rendered.
    Claimed,
    /// The line is pending or has been handed out.
    Settled,
}

/// What a claim of several jobs has brought, by their indices.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Names of those jobs that have one.
    names: VecDeque<(usize, Box<str>)>,
    /// Jobs that have an outcome already, or never entered.
    refused: VecDeque<usize>,
}

impl Claims {
    /// Whether the job was claimed, and its name; to be called with ascending indices.
    pub(super) fn next(&mut self, index: usize) -> Option<Option<Box<str>>> {
        if self.refused.pop_front_if(|refused| *refused == index).is_some() {
            return None;
        }
        Some(self.names.pop_front_if(|(named, _)| *named == index).map(|(_, name)| name))
    }
}

impl ReorderWindow {
    pub(super) fn new(is_ordered: bool) -> ReorderWindow {
        ReorderWindow {
            is_ordered,
            first: 0,
            slots: VecDeque::new(),
            pending: BTreeMap::new(),
            ready: Vec::new(),
            held: 0,
            mean_record: 1 << 14,
            counts: Counts::default(),
        }
    }

    /// Whether another job may enter.
    pub(super) fn has_room(&self, least_jobs: usize, most: BufferLimits) -> bool {
        self.has_room_for(1, least_jobs, most)
    }

    /// Whether there is enough room to wake the thread that waits for it: for an eighth of all jobs that may
    /// be here.
    pub(super) fn has_much_room(&self, least_jobs: usize, most: BufferLimits) -> bool {
        self.has_room_for(self.max_jobs(least_jobs, most) / 8, least_jobs, most)
    }

    fn has_room_for(&self, jobs: usize, least_jobs: usize, most: BufferLimits) -> bool {
        let max_jobs = self.max_jobs(least_jobs, most);
        self.is_empty() && self.held == 0
            || (self.slots.len() + jobs.max(1) <= max_jobs && self.held < most.bytes)
    }

    fn max_jobs(&self, least_jobs: usize, most: BufferLimits) -> usize {
        (most.bytes / self.mean_record.max(1)).clamp(least_jobs, most.jobs)
    }

    /// Whether there are no jobs whose lines have not been handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether there are lines to be written.
    pub(super) fn has_lines(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes of texts and lines.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Position of the next job that enters.
    pub(super) fn next_position(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Lets a job in.
    pub(super) fn enter(&mut self, id: Option<Box<str>>, text_bytes: usize) {
        self.slots.push_back(Slot { id, text_bytes, state: SlotState::Open });
        self.held += text_bytes;
        self.counts.read += 1;
    }

    /// Positions of the jobs without an outcome.
    pub(super) fn open(&self) -> Vec<u64> {
        let slots = (self.first..).zip(&self.slots);
        slots.filter(|(_, slot)| slot.state == SlotState::Open).map(|(position, _)| position).collect()
    }

    /// Claims jobs for an outcome. The caller must [settle](Self::settle) those that are not refused.
    pub(super) fn claim(&mut self, positions: impl Iterator<Item = u64>) -> Claims {
        let mut claims = Claims::default();
        for (index, position) in positions.enumerate() {
            let place = position.checked_sub(self.first);
            match place.and_then(|place| self.slots.get_mut(place as usize)) {
                Some(slot) if slot.state == SlotState::Open => {
                    slot.state = SlotState::Claimed;
                    if let Some(id) = slot.id.take() {
                        claims.names.push_back((index, id));
                    }
                }
                _ => claims.refused.push_back(index),
            }
        }
        claims
    }

    /// Takes the lines of jobs that were claimed.
    pub(super) fn settle(&mut self, rendered: Rendered) {
        self.counts += rendered.counts();
        self.held += rendered.len();
        for run in rendered.runs() {
            let place = (run.first - self.first) as usize;
            for slot in self.slots.range_mut(place..place + run.jobs) {
                slot.state = SlotState::Settled;
                self.held -= slot.text_bytes;
            }
            let weight = run.jobs.min(16);
            let mean = run.len() / run.jobs.max(1) + SLOT_BYTES;
            self.mean_record = (self.mean_record * (16 - weight) + mean * weight) / 16;
        }
        match self.is_ordered {
            true => self.pending.extend(rendered.into_pieces()),
            false => self.ready.extend(Some(rendered.into_lines()).filter(|lines| !lines.is_empty())),
        }
        self.advance();
    }

    /// Lets the slots go whose turn has come.
    fn advance(&mut self) {
        let settled = self.slots.iter().take_while(|slot| slot.state == SlotState::Settled).count();
        self.slots.drain(..settled);
        self.first += settled as u64;
        while let Some(entry) = self.pending.first_entry().filter(|entry| *entry.key() < self.first) {
            self.ready.extend(Some(entry.remove()).filter(|lines| !lines.is_empty()));
        }
    }

    /// All lines that are ready. They are held until they have been [written](Self::note_written).
    pub(super) fn take_lines(&mut self) -> Vec<Vec<u8>> {
        mem::take(&mut self.ready)
    }

    /// Releases the memory of `bytes` bytes of lines.
    pub(super) fn note_written(&mut self, bytes: usize) {
        self.held -= bytes;
    }
}
