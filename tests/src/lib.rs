//! Helpers of the end-to-end tests: they start `runner` with a hard time limit and check that it leaves no
//! processes behind.

mod actions;
pub mod answer;
pub mod bad_serde;
pub mod blob;
mod call;
mod case;
pub mod counter;
pub mod entry_checks;
pub mod fault;
pub mod hostile;
mod jobs;
mod journal_dir;
pub mod large_data;
pub mod named_functions;
pub mod nats;
mod output;
pub mod pipe;
pub mod printing;
pub mod probe;
mod probe_error;
mod programs;
pub mod rogue;
mod running;
pub mod screen;
pub mod stateful;
pub mod tally;
mod waiting;
pub mod workers;

pub use call::{Call, runner, runner_as_init};
pub use case::Case;
pub use jobs::{KILL_WORKER, gcd_jobs, shell_jobs};
pub use journal_dir::{JournalDir, LoggedCommands};
pub use output::Output;
pub use programs::{copy_program, data, data_bytes, example, program};
pub use running::Running;
pub use screen::terminal;
