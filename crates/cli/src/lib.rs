//! `runner`: runs jobs from JSON on worker processes and prints exact results in order.
//!
//! [`main`] parses the arguments into a plan, which is plain data, before it opens a file or starts a
//! process. All messages for users are worded in this crate.

mod advise;
mod args;
#[cfg_attr(not(feature = "cluster"), path = "no_cluster.rs")]
mod cluster;
mod dry_run;
mod error;
mod event;
mod files;
#[doc(hidden)]
pub mod fuzz;
mod input;
mod measure;
mod output;
mod parse;
mod plan;
mod report;
mod run;
mod signals;
mod stdout;
mod thread_timers;
mod units;

use args::{Command, Packaging};
use console::ExitStatus;
use coreutils::Front;
use plan::Plan;

/// Runs the program. Never returns: the process exits with one of the documented exit codes or by the signal
/// that stopped the run.
pub fn main() -> ! {
    sys::init::leave_init();
    sys::signal::reset_sigchld();
    sys::file_size_signal::ignore();
    pool::enter_if_worker::<ops::Builtin>();
    pool::enter_if_worker::<bench::load::Load>();
    pool::enter_if_worker::<coreutils::Block>();
    console::exit::leave(run_command())
}

fn run_command() -> ExitStatus {
    let mut words = std::env::args_os().skip(1);
    if let Some(front) = words.next().as_ref().and_then(Front::named) {
        // They parse their arguments as the GNU tools do, without clap.
        return coreutils::run(front, words, &ops::SECRETS);
    }
    let arguments = match args::read() {
        Ok(arguments) => arguments,
        Err(error) => return args::print(&error),
    };
    let plan = match arguments.command {
        Some(Command::Each(arguments)) => Plan::each(*arguments),
        Some(Command::Bench(arguments)) => return measure::measure(arguments),
        Some(Command::Advise(arguments)) => return advise::advise(arguments),
        Some(Command::Cluster(command)) => return cluster::carry_out(command),
        Some(Command::Packaging(packaging)) => return print_packaging(&packaging),
        None => Plan::new(arguments),
    };
    match plan {
        Ok(plan) if plan.dry_run => dry_run::dry_run(&plan),
        Ok(plan) => run::run(&plan),
        Err(error) => {
            error::print(&error);
            ExitStatus::Usage
        }
    }
}

fn print_packaging(packaging: &Packaging) -> ExitStatus {
    let mut command = args::command();
    let mut text = Vec::new();
    match packaging {
        Packaging::Completions { shell } => {
            clap_complete::generate(*shell, &mut command, "runner", &mut text);
        }
        Packaging::Man => {
            let rendered = clap_mangen::Man::new(command).render(&mut text);
            debug_assert!(rendered.is_ok(), "writing to memory cannot fail");
        }
    }
    stdout::print_stdout(&text)
}
