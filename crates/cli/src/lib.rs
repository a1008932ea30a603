//! `runner`: runs jobs from JSON on worker processes and prints exact results in order.
//!
//! [`main`] parses the arguments into a plan, which is plain data, before it opens a file or starts a
//! process. Messages about a run are worded in this crate.
//!
//! A module imports only modules of its row and of the rows below it:
//!
//! | modules | concern |
//! |---|---|
//! | `commands` | subcommands other than `each`, and `--dry-run` |
//! | `run` | executes a plan |
//! | `report` | progress, snapshots, metrics, summary and statistics of a run |
//! | `plan` | the checked arguments as plain data |
//! | `input`, `files`, `parse`, `output` | the steps of a job in this process |
//! | `args` | the command line |
//! | `error`, `event`, `stdout`, `thread_timers`, `units` | types and functions for all of them |

mod args;
mod commands;
mod error;
mod event;
mod files;
#[doc(hidden)]
pub mod fuzz;
mod input;
mod output;
mod parse;
mod plan;
mod report;
mod run;
mod stdout;
mod thread_timers;
mod units;

use args::Command;
use console::ExitStatus;
use coreutils::Front;
use nix::sys::signal::Signal;
use plan::Plan;

/// Runs the program. Never returns: the process exits with one of the documented exit codes or by the signal
/// that stopped the run.
pub fn main() -> ! {
    sys::init::fork_from_init();
    sys::signal::reset_sigchld();
    sys::file_size_signal::ignore();
    // Workers have the same name as this process, so `pkill -USR1 runner` reaches them, too.
    sys::signal::discard(Signal::SIGUSR1);
    pool::enter_if_worker::<ops::Builtin>();
    pool::enter_if_worker::<bench::load::Load>();
    pool::enter_if_worker::<coreutils::Block>();
    console::exit::leave(run_command())
}

fn run_command() -> ExitStatus {
    let mut words = std::env::args_os().skip(1);
    if let Some(front) = words.next().as_ref().and_then(Front::named) {
        // They parse their arguments as the GNU tools do, without clap.
        return coreutils::run(front, words, &ops::SECRET_VARIABLES);
    }
    let arguments = match args::read() {
        Ok(arguments) => arguments,
        Err(error) => return args::print(&error),
    };
    let plan = match arguments.command {
        Some(Command::Each(arguments)) => Plan::each(*arguments),
        Some(Command::Bench(arguments)) => return commands::bench(arguments),
        Some(Command::Advise(arguments)) => return commands::advise(arguments),
        Some(Command::Cluster(command)) => return commands::cluster(command),
        Some(Command::Packaging(packaging)) => return commands::print_packaging(&packaging),
        None => Plan::new(arguments),
    };
    match plan {
        Ok(plan) if plan.dry_run => commands::dry_run(&plan),
        Ok(plan) => run::run(&plan),
        Err(error) => {
            error::print(&error);
            ExitStatus::Usage
        }
    }
}
