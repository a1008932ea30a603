//! What it takes to start a worker.

use std::path::PathBuf;

use wire::CodecKind;

/// How workers are started, and what they are told.
pub(crate) struct Recipe {
    pub(crate) program: PathBuf,
    pub(crate) job_type: &'static str,
    pub(crate) codec: CodecKind,
    /// The arguments of the workers' state, encoded.
    pub(crate) context: Vec<u8>,
}
