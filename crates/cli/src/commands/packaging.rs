//! Completion scripts and the manual page.

use console::ExitStatus;

use crate::{
    args::{self, Packaging},
    stdout::print_stdout,
};

/// Prints a completion script or the manual page.
pub(crate) fn print_packaging(packaging: &Packaging) -> ExitStatus {
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
    print_stdout(&text)
}
