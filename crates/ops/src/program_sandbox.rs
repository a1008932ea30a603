//! The sandbox of the programs that jobs run.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use sandbox::{Sandbox, confine_program};
use sys::confinement::Confinement;

/// Restrictions of programs. They are prepared when the first program starts, and used for all of a worker.
#[derive(Debug, Default)]
pub(crate) struct ProgramSandbox {
    settings: Sandbox,
    prepared: OnceLock<Option<Arc<Confinement>>>,
}

impl ProgramSandbox {
    pub(crate) fn new(settings: Sandbox) -> ProgramSandbox {
        ProgramSandbox { settings, prepared: OnceLock::new() }
    }

    /// Returns what a program applies before it is executed; `None` if the sandbox is off.
    ///
    /// # Errors
    /// The sandbox cannot be applied.
    pub(crate) fn confinement(&self) -> io::Result<Option<Arc<Confinement>>> {
        if let Some(prepared) = self.prepared.get() {
            return Ok(prepared.clone());
        }
        let prepared = confine_program(&self.settings).map_err(io::Error::other)?.map(Arc::new);
        Ok(self.prepared.get_or_init(|| prepared).clone())
    }
}
