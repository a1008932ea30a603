//! Which system calls may be made: rules, and the filters that they are compiled to.

mod allow;
mod compile;
mod deny;
mod numbers;
mod rule;

use std::process;

use sys::confinement::Instruction;

use self::compile::{Filter, Verdict, compile};
use crate::{Level, Sandbox, Subject};

/// Whether there are lists of system calls for this architecture.
pub(crate) const ARE_KNOWN: bool = true;

/// Returns the filters of a sandbox for the calling process and thread.
pub(crate) fn filters(subject: Subject, sandbox: &Sandbox) -> Vec<Vec<Instruction>> {
    list(subject, sandbox, process::id()).iter().filter_map(compile).collect()
}

/// Returns the list of calls.
fn list(subject: Subject, sandbox: &Sandbox, pid: u32) -> Option<Filter> {
    Some(match (subject, sandbox.level()) {
        (_, Level::Off) => return None,
        (Subject::Worker, Level::Strict) => {
            Filter { rules: allow::worker(sandbox, pid), matched: Verdict::Allow, others: Verdict::Kill }
        }
        (Subject::Worker, Level::BestEffort) => Filter {
            rules: deny::worker(sandbox, pid),
            matched: Verdict::Fail(libc::EPERM),
            others: Verdict::Allow,
        },
        // Nothing is known about the calls that a program needs, so that both levels forbid the same.
        (Subject::Program, _) => Filter {
            rules: deny::program(sandbox),
            matched: Verdict::Fail(libc::EPERM),
            others: Verdict::Allow,
        },
    })
}

#[cfg(test)]
mod tests;
