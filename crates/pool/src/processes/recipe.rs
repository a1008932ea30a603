//! What it takes to start a worker.

use std::{ffi::OsString, path::PathBuf};

use wire::CodecKind;

/// How workers are started, and what they are told.
pub(crate) struct Recipe {
    pub(crate) program: PathBuf,
    /// Variables set for the workers, beyond the environment of this process.
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) job_type: &'static str,
    pub(crate) codec: CodecKind,
    /// How many bytes of memory a worker may have.
    pub(crate) max_memory: Option<u64>,
    /// The arguments of the workers' state, encoded.
    pub(crate) context: Vec<u8>,
}
