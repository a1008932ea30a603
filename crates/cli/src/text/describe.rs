//! What the front ends say of themselves, to people and to clap.

use clap::{Arg, ArgAction, Command};

use super::Front;

/// Their subcommands for help, completions and the manual. Their arguments are not read by clap, whose messages and rules
/// are others.
pub(crate) fn commands() -> [Command; 2] {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let base = |front: Front, about: &'static str| {
        Command::new(front.name())
            .about(about)
            .disable_help_flag(true)
            .disable_version_flag(true)
            .arg(flag("help", "Print help"))
            .arg(flag("version", "Print the version"))
            .arg(
                Arg::new("numbers")
                    .value_name("NUMBER")
                    .num_args(0..)
                    .help("Integers of any size; without one, standard input is read"),
            )
    };
    [
        base(Front::Factor, "Print the prime factors of each number, as `factor` does, on all cores")
            .arg(flag("exponents", "Print repeated factors as powers: `12: 2^2 3`").short('h')),
        base(
            Front::Gcd,
            "Print the greatest common divisor of the numbers, or of those in each line of standard input",
        ),
    ]
}

/// What `--help` prints.
pub(super) fn help(front: Front) -> &'static str {
    match front {
        Front::Factor => FACTOR_HELP,
        Front::Gcd => GCD_HELP,
    }
}

/// What `--version` prints.
pub(super) fn version(front: Front) -> String {
    format!("{} (runner) {}\n", front.name(), env!("CARGO_PKG_VERSION"))
}

const FACTOR_HELP: &str = "\
Prime factors of natural numbers of any size, worked out on all cores and printed in order.

Usage: runner factor [-h] [NUMBER]...

A line a number: the number, a colon, and its prime factors in ascending order. If there is no NUMBER, numbers are taken
from standard input, between blanks, tabs and ends of lines, and each is answered without waiting for those after it.

  -h, --exponents  a factor that occurs e times is written once, as p^e
      --help       print this
      --version    print the version

RUNNER_WORKERS sets the number of worker processes; otherwise there is one a core.
Exit status: 0, or 1 if something was no natural number, could not be factored or could not be written.
";

const GCD_HELP: &str = "\
The greatest common divisor of integers of any size and sign.

Usage: runner gcd [NUMBER]...

One result for all NUMBERs. If there is none, one for each line of standard input, of the integers in that line, and each
line is answered without waiting for those after it. The result is never negative; that of zeros alone is 0. A blank line
has no result. Nor has a line with anything else in it than integers: what is wrong is said, and the next line follows.

      --help       print this
      --version    print the version

RUNNER_WORKERS sets the number of worker processes; otherwise there is one a core.
Exit status: 0, or 1 if something was no integer, or could not be read or written.
";
