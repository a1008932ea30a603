//! What it takes to start a worker.

use std::{ffi::OsString, path::PathBuf};

use job::WorkerId;
use sys::{call::CallError, placement::Placement, shared_page::SharedPage};
use wire::{CodecKind, Transport};

/// How workers are started, and what they are told.
pub(crate) struct SpawnConfig {
    pub(crate) program: PathBuf,
    /// Variables that are other for the workers than for this process: set, or not there.
    pub(crate) environment: Vec<(OsString, Option<OsString>)>,
    pub(crate) job_type: &'static str,
    pub(crate) codec: CodecKind,
    pub(crate) transport: Transport,
    /// Why the transport is not the one that was asked for, if it is not.
    pub(crate) transport_fallback: Option<CallError>,
    /// How many bytes of memory a worker may have.
    pub(crate) max_memory: Option<u64>,
    /// The most bytes of an encoded outcome.
    pub(crate) max_outcome: u64,
    /// The cores that workers are kept on, one each; none if they may move.
    pub(crate) cores: Vec<usize>,
    /// What is added to their niceness.
    pub(crate) nice: i32,
    /// The arguments of the workers' state, encoded.
    pub(crate) context: Vec<u8>,
}

/// The transport to use where this one is asked for, and why it is another. That descriptors are missing may be over soon.
pub(crate) fn usable_transport(wanted: Transport) -> (Transport, Option<CallError>) {
    match wanted {
        Transport::Rings => match SharedPage::check() {
            Err(error) if !error.is_out_of_descriptors() => (Transport::Channel, Some(error)),
            _ => (Transport::Rings, None),
        },
        Transport::Channel => (Transport::Channel, None),
    }
}

impl SpawnConfig {
    /// Where a worker runs. It goes by the slot, so that a replacement runs where the one before it did.
    pub(crate) fn placement(&self, worker: WorkerId) -> Placement {
        let index = (worker.slot as usize).checked_rem(self.cores.len());
        Placement { core: index.map(|index| self.cores[index]), nice: self.nice }
    }
}
