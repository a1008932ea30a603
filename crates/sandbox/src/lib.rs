//! Restrictions of worker processes and of the programs that they run: what a process that computes needs,
//! and nothing else.
//!
//! Internal; unstable; use `runner-pool`.
//!
//! Decisions are separate from effects. `settings` is what a user asks for; `files` and `calls` (with `deny`
//! and `allow`) turn it into lists of rules; `kernel` says which parts a kernel lacks. These only compute.
//! `build` makes a Landlock ruleset and seccomp filters of the rules, and `confine` applies them, with the
//! system calls in [`sys::confinement`].
//!
//! Landlock restricts which files are opened, seccomp which system calls are made. The descriptors that a
//! process has keep working: a worker's links to its parent, and its standard streams.

mod build;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod calls;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
#[path = "calls/none.rs"]
mod calls;
mod confine;
mod files;
mod kernel;
mod settings;

pub use build::RulesetFailure;
pub use confine::{ApplyError, check, confine_program, confine_worker};
pub use kernel::{Gap, gaps};
pub use settings::{Level, Sandbox, Subject};
