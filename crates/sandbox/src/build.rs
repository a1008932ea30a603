//! Makes a Landlock ruleset of file rules.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    PathFdError, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use crate::{
    Sandbox, Subject,
    files::{Access, FileRule, file_rules},
};

/// Version whose rights are all handled. The kernel's own version may be lower; rights that it lacks are left
/// out.
const VERSION: ABI = ABI::V10;

/// Reason why a ruleset cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RulesetFailure {
    /// A path of the settings cannot be opened.
    #[error("cannot open {path:?}: {error}")]
    Path {
        /// The path.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The kernel refuses the ruleset.
    #[error(transparent)]
    Ruleset(#[from] RulesetError),
}

/// A ruleset that is ready to be applied.
#[derive(Debug)]
pub(crate) struct FileRuleset {
    /// `None` if the kernel has no Landlock.
    pub(crate) ruleset: Option<OwnedFd>,
    /// The files that it names. Files in `/proc` must stay open: the kernel would forget them, and the rule
    /// with them.
    pub(crate) files: Vec<PathFd>,
}

/// Makes the ruleset of a sandbox.
///
/// # Errors
/// A path of the settings cannot be opened, or the kernel refuses the ruleset.
pub(crate) fn file_ruleset(subject: Subject, sandbox: &Sandbox) -> Result<FileRuleset, RulesetFailure> {
    let rules = file_rules(subject, sandbox);
    let mut files = Vec::with_capacity(rules.len());
    let mut ruleset = handled(sandbox)?.create()?;
    for rule in &rules {
        let Some(file) = open(rule)? else { continue };
        ruleset = add(ruleset, &file, rule.access)?;
        files.push(file);
    }
    Ok(FileRuleset { ruleset: ruleset.into(), files })
}

/// Checks that the paths of a sandbox can be opened.
///
/// # Errors
/// The first path that cannot.
pub(crate) fn check_paths(subject: Subject, sandbox: &Sandbox) -> Result<(), RulesetFailure> {
    file_rules(subject, sandbox)
        .iter()
        .filter(|rule| rule.is_required)
        .try_for_each(|rule| open(rule).map(drop))
}

/// Returns a ruleset without rules, which forbids all that it handles.
fn handled(sandbox: &Sandbox) -> Result<Ruleset, RulesetError> {
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    if sandbox.allows_net() {
        let files = AccessFs::from_all(VERSION) & !BitFlags::from(AccessFs::ResolveUnix);
        ruleset = ruleset.handle_access(files)?.scope(Scope::Signal)?;
    } else {
        ruleset = ruleset.handle_access(AccessFs::from_all(VERSION))?;
        ruleset = ruleset.handle_access(AccessNet::from_all(VERSION))?.scope(Scope::from_all(VERSION))?;
    }
    Ok(ruleset)
}

fn open(rule: &FileRule) -> Result<Option<PathFd>, RulesetFailure> {
    match PathFd::new(&rule.path) {
        Ok(file) => Ok(Some(file)),
        Err(_) if !rule.is_required => Ok(None),
        Err(PathFdError::OpenCall { source, path, .. }) => Err(RulesetFailure::Path { path, error: source }),
        Err(error) => {
            Err(RulesetFailure::Path { path: rule.path.clone(), error: io::Error::other(error.to_string()) })
        }
    }
}

fn add(ruleset: RulesetCreated, file: &PathFd, access: Access) -> Result<RulesetCreated, RulesetError> {
    // Rights that do not apply to a file that is no directory are left out.
    ruleset.add_rule(PathBeneath::new(file.as_fd(), rights(access)))
}

fn rights(access: Access) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let devices = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev | AccessFs::ResolveUnix;
    match access {
        Access::Read => read,
        Access::ReadAndExecute => read | AccessFs::Execute,
        Access::WriteExisting => AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate,
        Access::Write => read | (AccessFs::from_write(VERSION) & !devices),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_paths_are_errors_where_they_were_given() {
        let sandbox = Sandbox::compute().read("/nonexistent/path");
        let error = file_ruleset(Subject::Worker, &sandbox).unwrap_err().to_string();
        assert!(error.starts_with("cannot open \"/nonexistent/path\": No such file"), "{error}");
        assert!(file_ruleset(Subject::Worker, &Sandbox::compute()).is_ok());
    }

    #[test]
    fn devices_cannot_be_created() {
        let write = rights(Access::Write);
        assert!(write.contains(AccessFs::MakeReg) && write.contains(AccessFs::Truncate));
        assert!(!write.contains(AccessFs::MakeBlock) && !write.contains(AccessFs::Execute));
    }
}
