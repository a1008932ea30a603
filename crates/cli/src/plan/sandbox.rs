//! The sandbox of a run: who is in it, and at which level.

use pool::settings::{Sandbox, SandboxLevel};
use sandbox::{Gap, Subject, check, gaps};

use crate::{
    args::SandboxArguments,
    error::{RunError, UsageError},
};

/// Restrictions of workers that only compute, or else of the programs that they run.
#[derive(Debug)]
pub(crate) struct SandboxPlan {
    subject: Subject,
    sandbox: Sandbox,
}

impl SandboxPlan {
    /// Creates the plan. `runs_programs` says whether jobs can run programs: their workers must be able to
    /// start them, so the programs are restricted in place of the workers, and only if a level is given.
    pub(super) fn new(arguments: &SandboxArguments, runs_programs: bool) -> Result<SandboxPlan, UsageError> {
        let (subject, default) = match runs_programs {
            true => (Subject::Program, SandboxLevel::Off),
            false => (Subject::Worker, SandboxLevel::BestEffort),
        };
        let level = arguments.sandbox.unwrap_or(default);
        if level == SandboxLevel::Off
            && let Some(option) = arguments.exception()
        {
            return Err(UsageError::NoSandbox(option));
        }
        let sandbox = Sandbox::off().with_level(level);
        let sandbox = arguments.sandbox_read.iter().fold(sandbox, Sandbox::read);
        let sandbox = arguments.sandbox_write.iter().fold(sandbox, Sandbox::write);
        Ok(SandboxPlan { subject, sandbox: if arguments.sandbox_net { sandbox.net() } else { sandbox } })
    }

    /// Returns the sandbox of the workers.
    pub(super) fn of_workers(&self) -> Sandbox {
        self.of(Subject::Worker)
    }

    /// Returns the sandbox of programs.
    pub(super) fn of_programs(&self) -> Sandbox {
        self.of(Subject::Program)
    }

    fn of(&self, subject: Subject) -> Sandbox {
        if subject == self.subject { self.sandbox.clone() } else { Sandbox::off() }
    }

    /// Checks that the sandbox of programs can be applied. The pool checks that of workers.
    ///
    /// # Errors
    /// A path cannot be opened; or the level is strict and the kernel lacks a part.
    pub(crate) fn check_programs(&self) -> Result<(), RunError> {
        Ok(check(Subject::Program, &self.of_programs())?)
    }

    /// Returns the level.
    pub(crate) fn level(&self) -> SandboxLevel {
        self.sandbox.level()
    }

    /// Returns the parts that the kernel lacks.
    pub(crate) fn gaps(&self) -> Vec<String> {
        gaps(self.subject, &self.sandbox).iter().map(Gap::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: SandboxArguments = SandboxArguments {
        sandbox: None,
        sandbox_read: Vec::new(),
        sandbox_write: Vec::new(),
        sandbox_net: false,
    };

    fn levels(level: Option<SandboxLevel>, runs_programs: bool) -> [SandboxLevel; 2] {
        let plan = SandboxPlan::new(&SandboxArguments { sandbox: level, ..NOTHING }, runs_programs).unwrap();
        [plan.of_workers().level(), plan.of_programs().level()]
    }

    #[test]
    fn either_workers_or_programs_are_restricted() {
        use SandboxLevel::{BestEffort, Off, Strict};
        assert_eq!(levels(None, false), [BestEffort, Off]);
        assert_eq!(levels(None, true), [Off, Off]);
        assert_eq!(levels(Some(Strict), false), [Strict, Off]);
        assert_eq!(levels(Some(Strict), true), [Off, Strict]);
        assert_eq!(levels(Some(Off), false), [Off, Off]);
    }

    #[test]
    fn exceptions_need_a_sandbox() {
        let arguments = SandboxArguments { sandbox_net: true, ..NOTHING };
        assert!(SandboxPlan::new(&arguments, false).is_ok());
        let error = SandboxPlan::new(&arguments, true).unwrap_err().to_string();
        assert!(error.starts_with("--sandbox-net needs a sandbox"), "{error}");
    }
}
