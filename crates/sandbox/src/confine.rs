//! Application of a sandbox.

use std::{fs, mem};

use sys::confinement::{Confinement, Failures, Part, landlock_covers_threads};

use crate::{
    Gap, Level, Sandbox, Subject,
    build::{RulesetFailure, check_paths, file_ruleset},
    calls, gaps,
};

/// Reason why a sandbox cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A strict sandbox would have gaps.
    #[error("the strict sandbox is not possible: {}", listed(.0))]
    Gaps(Vec<Gap>),
    /// The Landlock ruleset cannot be made.
    #[error("cannot apply the sandbox: {0}")]
    Ruleset(#[from] RulesetFailure),
}

fn listed(gaps: &[Gap]) -> String {
    gaps.iter().map(Gap::to_string).collect::<Vec<_>>().join("; ")
}

/// Confines this process, which is a worker, for ever. Returns the parts that are missing.
///
/// # Errors
/// A path of the settings cannot be opened; or the level is strict and a part is missing, after the others
/// were applied.
pub fn confine_worker(sandbox: &Sandbox) -> Result<Vec<Gap>, ApplyError> {
    if sandbox.is_off() {
        return Ok(Vec::new());
    }
    let mut missing = gaps(Subject::Worker, sandbox);
    missing.extend(unrestricted_threads());
    let (confinement, files) = prepare(Subject::Worker, sandbox)?;
    missing.extend(failed_parts(&confinement.of_process().apply(), &missing));
    // They stay open for the life of the process.
    mem::forget(files);
    complete(sandbox, missing)
}

/// Checks that a sandbox can be applied, as far as this depends on the kernel and on the paths.
///
/// # Errors
/// A path of the settings cannot be opened; or the level is strict and the kernel lacks a part.
pub fn check(subject: Subject, sandbox: &Sandbox) -> Result<(), ApplyError> {
    if !sandbox.is_off() {
        complete(sandbox, gaps(subject, sandbox))?;
        check_paths(subject, sandbox)?;
    }
    Ok(())
}

/// Prepares the confinement of a program, to be applied between fork and exec.
///
/// # Errors
/// A path of the settings cannot be opened; or the level is strict and a part is missing.
pub fn confine_program(sandbox: &Sandbox) -> Result<Option<Confinement>, ApplyError> {
    if sandbox.is_off() {
        return Ok(None);
    }
    complete(sandbox, gaps(Subject::Program, sandbox))?;
    let (confinement, _) = prepare(Subject::Program, sandbox)?;
    Ok(Some(match sandbox.level() {
        Level::Strict => confinement.required(),
        _ => confinement,
    }))
}

fn complete(sandbox: &Sandbox, missing: Vec<Gap>) -> Result<Vec<Gap>, ApplyError> {
    match sandbox.level() {
        Level::Strict if !missing.is_empty() => Err(ApplyError::Gaps(missing)),
        _ => Ok(missing),
    }
}

/// Returns the confinement, and what must stay open while it is in force.
fn prepare(subject: Subject, sandbox: &Sandbox) -> Result<(Confinement, impl Sized), ApplyError> {
    let files = file_ruleset(subject, sandbox)?;
    Ok((Confinement::new(files.ruleset, calls::filters(subject, sandbox)), files.files))
}

/// Returns the gap of a process with several threads where Landlock restricts the calling thread only.
fn unrestricted_threads() -> Option<Gap> {
    if landlock_covers_threads() {
        return None;
    }
    let others = fs::read_dir("/proc/self/task").map_or(0, Iterator::count).saturating_sub(1);
    let reason = || {
        format!("threads that the worker's state has started ({others}) are not restricted before Linux 7.0")
    };
    (others > 0).then(|| Gap::new("Landlock", reason()))
}

/// Returns the parts that the kernel refused, but for those that are known to be missing.
fn failed_parts(failures: &Failures, known: &[Gap]) -> Vec<Gap> {
    let name = |part| match part {
        Part::Privileges => "no_new_privs",
        Part::Limits => "limits",
        Part::Landlock => "Landlock",
        Part::Seccomp => "seccomp",
    };
    let failed = failures.iter().map(|(part, error)| Gap::new(name(part), error.to_string()));
    failed.filter(|gap| known.iter().all(|known| known.part() != gap.part())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_strict_sandbox_fails_for_gaps() {
        let missing = vec![Gap::new("Landlock", "absent"), Gap::new("seccomp", "absent")];
        assert_eq!(complete(&Sandbox::compute(), missing.clone()).unwrap(), missing);
        let error = complete(&Sandbox::compute().strict(), missing).unwrap_err().to_string();
        assert_eq!(error, "the strict sandbox is not possible: Landlock: absent; seccomp: absent");
    }

    #[test]
    fn a_sandbox_that_is_off_confines_nothing() {
        assert!(confine_program(&Sandbox::off()).unwrap().is_none());
        assert_eq!(confine_worker(&Sandbox::off()).unwrap(), []);
    }
}
