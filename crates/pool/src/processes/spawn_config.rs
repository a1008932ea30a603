//! Settings that a worker is started with.

use std::{ffi::OsString, path::PathBuf};

use job::WorkerId;
use sys::{call::CallError, placement::Placement, process_name, shared_page::SharedPage};
use wire::{CodecKind, Transport, transfer::Files};

use super::{capture::StdioConfig, worker_sandbox::WorkerSandbox};

/// The program that is started as a worker.
pub(crate) struct WorkerProgram {
    pub(crate) path: PathBuf,
    /// Its name, for the names of the workers.
    pub(crate) name: OsString,
    pub(crate) args: Vec<OsString>,
}

impl WorkerProgram {
    /// `None` is the running program, even if its file has been replaced since it was started.
    pub(crate) fn new(path: Option<PathBuf>, args: Vec<OsString>) -> WorkerProgram {
        match path {
            None => {
                WorkerProgram { path: "/proc/self/exe".into(), name: process_name::of_this_program(), args }
            }
            Some(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str()).to_owned();
                WorkerProgram { path, name, args }
            }
        }
    }
}

/// Settings that workers are started with: some for the spawn, some sent in the handshake.
pub(crate) struct SpawnConfig {
    pub(crate) program: WorkerProgram,
    /// Environment variables to set, or to remove where the value is `None`.
    pub(crate) environment: Vec<(OsString, Option<OsString>)>,
    pub(crate) job_type: &'static str,
    pub(crate) codec: CodecKind,
    pub(crate) transport: Transport,
    /// Why the transport is not the requested one, if it is not.
    pub(crate) transport_fallback: Option<CallError>,
    /// Maximum address space of a worker, in bytes.
    pub(crate) max_memory: Option<u64>,
    /// Maximum size of an encoded outcome, in bytes.
    pub(crate) max_outcome: u64,
    /// Cores that workers are pinned to, one each; empty if they are not pinned.
    pub(crate) cores: Vec<usize>,
    /// Increment to the niceness of the workers.
    pub(crate) nice: i32,
    /// Standard output and standard error of the workers.
    pub(crate) stdio: StdioConfig,
    /// Restrictions of workers.
    pub(crate) sandbox: WorkerSandbox,
    /// Encoded arguments of the worker state.
    pub(crate) context: Vec<u8>,
    /// Files that the arguments refer to. Each worker opens them when it starts.
    pub(crate) _context_files: Files,
}

/// Returns the transport to use where `wanted` is requested, and the reason if that is another one. A lack of
/// file descriptors may be temporary, so it does not rule out rings.
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
    /// Returns the core and niceness of a worker. They depend on the slot, so that a replacement runs on the
    /// same core as the worker before it.
    pub(crate) fn placement(&self, worker: WorkerId) -> Placement {
        let index = (worker.slot as usize).checked_rem(self.cores.len());
        Placement { core: index.map(|index| self.cores[index]), nice: self.nice }
    }
}
