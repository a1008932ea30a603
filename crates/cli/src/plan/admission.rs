//! When a run gives way to other work on the machine.

use std::path::PathBuf;

use crate::args::{AdmissionArguments, MaxLoad};

/// Conditions under which a run starts no jobs.
#[derive(Clone, Debug)]
pub(crate) struct AdmissionPlan {
    pub(crate) max_load: Option<MaxLoad>,
    /// Minimum of available memory in bytes.
    pub(crate) min_free_memory: Option<u64>,
    /// Directory tree in which `proc` and `sys` are read.
    pub(crate) system_root: PathBuf,
}

impl AdmissionPlan {
    /// Returns `None` if there is no condition. `--start-delay` is a setting of the pool.
    pub(super) fn new(arguments: AdmissionArguments) -> Option<AdmissionPlan> {
        let AdmissionArguments { max_load, min_free_memory, system_root, .. } = arguments;
        let is_limited = max_load.is_some() || min_free_memory.is_some();
        let min_free_memory = min_free_memory.map(|size| size.0);
        is_limited.then_some(AdmissionPlan { max_load, min_free_memory, system_root })
    }
}
