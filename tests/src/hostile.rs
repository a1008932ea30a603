//! A job type that attempts what a sandbox forbids, and the table of what each level makes of it.
//!
//! An attempt is one system call, or a few. Arguments are invalid where a success would change the machine:
//! without a sandbox, the call then fails for them, which shows that it reached the kernel.

mod attempt;
mod files;
mod network;
mod processes;
mod row;
mod system;
mod threaded;

pub use attempt::{Attempt, rows};
pub use row::{By, Free, Row, Scene};
pub use threaded::Threaded;
