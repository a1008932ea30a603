//! Opening the journal, before anything is written anywhere.

use std::{fs::File, io, os::fd::AsFd, path::Path};

use journal::{Journal, Locked};

use super::resume::Comparison;
use crate::{
    args::Fsync,
    error::{RunError, warn},
    input::Source,
    output::is_same_file,
    plan::{JournalPlan, Plan},
};

/// A journal that is ready, and what an earlier run has left in it.
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    pub(crate) past: Option<Comparison>,
    /// Each outcome is recorded on its own.
    pub(crate) one_by_one: bool,
}

/// Opens the journal that the plan asks for. Comes before the results' file is opened, which destroys what is in it.
pub(crate) fn open(plan: &JournalPlan, run: &Plan, sources: &[Source]) -> Result<Opened, RunError> {
    let failed = |error| match error {
        journal::Error::NotEmpty => RunError::JournalNotEmpty { path: plan.path.clone() },
        error => RunError::Journal { path: plan.path.clone(), error },
    };
    let locked = Locked::open(&plan.path).map_err(failed)?;
    let metadata = locked.metadata().map_err(|error| failed(error.into()))?;
    let results = match &run.output {
        Some(path) => path.metadata().ok(),
        None => io::stdout().as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata()).ok(),
    };
    let mut others = sources.iter().filter_map(Source::metadata).chain(results);
    if others.any(|other| is_same_file(&other, &metadata)) {
        return Err(RunError::JournalIsUsed { path: plan.path.clone() });
    }
    let durable = plan.fsync != Fsync::Never;
    let one_by_one = plan.fsync == Fsync::Always;
    if !plan.resume {
        return Ok(Opened { journal: locked.start(durable).map_err(failed)?, past: None, one_by_one });
    }
    let (journal, recorded) = locked.resume(durable).map_err(failed)?;
    if recorded.dropped() > 0 && !run.quiet {
        warn(&dropped(&plan.path, recorded.dropped()));
    }
    Ok(Opened { journal, past: Comparison::new(recorded, plan.clone()), one_by_one })
}

fn dropped(path: &Path, bytes: u64) -> String {
    let path = path.display();
    match bytes {
        1 => format!("the last byte of the journal {path} belongs to no complete record and is dropped"),
        _ => format!("the last {bytes} bytes of the journal {path} are no complete record and are dropped"),
    }
}
