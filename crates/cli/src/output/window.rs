//! The window of unwritten jobs, which puts records into the order of their jobs.
//!
//! Each job that has entered has a slot. Its outcome is *claimed* before it is rendered, which is done
//! without the lock, and *settled* when its line is added. Lines of consecutive jobs are added in one piece,
//! so ordering costs little more than a flag per job.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use super::{BufferLimits, claims::Claims, counts::Counts, rendered::Rendered};

/// Approximate memory of a job besides its text and its line, in bytes.
const SLOT_BYTES: usize = 64;

/// Jobs from their entry until their lines can be written.
pub(super) struct ReorderWindow {
    /// Whether lines are returned in job order or as they are added.
    is_ordered: bool,
    /// Position of the first slot.
    first: u64,
    slots: VecDeque<Slot>,
    /// Lines of jobs after the first slot, by the position of their first job.
    pending: BTreeMap<u64, Vec<u8>>,
    /// Whole lines that can be written, in order.
    ready: Vec<Vec<u8>>,
    /// Bytes of the texts of unsettled jobs, and of lines that have not been written.
    held: usize,
    /// Moving average of the size of a record in bytes, including [`SLOT_BYTES`].
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
    /// No outcome yet.
    Open,
    /// The outcome is being rendered.
    Claimed,
    /// The line is pending or has been returned.
    Settled,
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

    /// Returns whether another job may enter.
    pub(super) fn has_room(&self, min_jobs: usize, limits: BufferLimits) -> bool {
        self.has_room_for(1, min_jobs, limits)
    }

    /// Returns whether there is enough room to wake the reader thread: an eighth of the capacity.
    pub(super) fn has_much_room(&self, min_jobs: usize, limits: BufferLimits) -> bool {
        self.has_room_for(self.max_jobs(min_jobs, limits) / 8, min_jobs, limits)
    }

    fn has_room_for(&self, jobs: usize, min_jobs: usize, limits: BufferLimits) -> bool {
        let max_jobs = self.max_jobs(min_jobs, limits);
        self.is_empty() && self.held == 0
            || (self.slots.len() + jobs.max(1) <= max_jobs && self.held < limits.bytes)
    }

    fn max_jobs(&self, min_jobs: usize, limits: BufferLimits) -> usize {
        (limits.bytes / self.mean_record.max(1)).clamp(min_jobs, limits.jobs)
    }

    /// Returns whether no job is in the window.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns whether there are lines to write.
    pub(super) fn has_lines(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Number of bytes held for texts and lines.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Position of the next job that enters.
    pub(super) fn next_position(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Adds a job.
    pub(super) fn enter(&mut self, id: Option<Box<str>>, text_bytes: usize) {
        self.slots.push_back(Slot { id, text_bytes, state: SlotState::Open });
        self.held += text_bytes;
        self.counts.read += 1;
    }

    /// Returns the id of a job whose outcome has not been claimed.
    pub(super) fn id_of(&self, position: u64) -> Option<Box<str>> {
        let place = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.slots.get(place)?.id.clone()
    }

    /// Returns the positions of the jobs without an outcome.
    pub(super) fn open(&self) -> Vec<u64> {
        let slots = (self.first..).zip(&self.slots);
        slots.filter(|(_, slot)| slot.state == SlotState::Open).map(|(position, _)| position).collect()
    }

    /// Claims jobs whose outcomes are about to be rendered. The caller must [settle](Self::settle) all that
    /// are not refused.
    pub(super) fn claim(&mut self, positions: impl Iterator<Item = u64>) -> Claims {
        let mut claims = Claims::default();
        for (index, position) in positions.enumerate() {
            let place = position.checked_sub(self.first);
            match place.and_then(|place| self.slots.get_mut(place as usize)) {
                Some(slot) if slot.state == SlotState::Open => {
                    slot.state = SlotState::Claimed;
                    if let Some(id) = slot.id.take() {
                        claims.add_id(index, id);
                    }
                }
                _ => claims.refuse(index),
            }
        }
        claims
    }

    /// Adds the lines of claimed jobs.
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

    /// Removes the settled slots at the front, and moves their lines to `ready`.
    fn advance(&mut self) {
        let settled = self.slots.iter().take_while(|slot| slot.state == SlotState::Settled).count();
        self.slots.drain(..settled);
        self.first += settled as u64;
        while let Some(entry) = self.pending.first_entry().filter(|entry| *entry.key() < self.first) {
            self.ready.extend(Some(entry.remove()).filter(|lines| !lines.is_empty()));
        }
    }

    /// Returns all lines that are ready. Their bytes count as held until they are
    /// [written](Self::note_written).
    pub(super) fn take_lines(&mut self) -> Vec<Vec<u8>> {
        mem::take(&mut self.ready)
    }

    /// Releases `bytes` bytes of lines.
    pub(super) fn note_written(&mut self, bytes: usize) {
        self.held -= bytes;
    }
}
