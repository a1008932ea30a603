//! The descriptions of the front ends, for their `--help` and for clap.

use clap::{Arg, ArgAction, Command};

use super::front::Front;

/// Returns the subcommands for help, completions and the manual. Clap does not parse their arguments, because
/// their syntax and messages differ from clap's.
#[must_use]
pub fn commands() -> [Command; 2] {
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

/// Text of `--help`.
pub(super) fn help_text(front: Front) -> &'static str {
    match front {
        Front::Factor => FACTOR_HELP,
        Front::Gcd => GCD_HELP,
    }
}

/// Text of `--version`.
pub(super) fn version_text(front: Front) -> String {
    format!("{} (runner) {}\n", front.name(), env!("CARGO_PKG_VERSION"))
}

const FACTOR_HELP: &str = "\
Print the prime factors of natural numbers of any size, in order, computed on all cores.

Usage: runner factor [-h] [NUMBER]...

Prints one line per number: the number, a colon, and its prime factors in ascending order. Without a NUMBER,
numbers are read from standard input, separated by spaces, tabs and newlines; each result is printed without
waiting for later input.

  -h, --exponents  print a prime factor that occurs e times once, as p^e
      --help       print this help
      --version    print the version

RUNNER_WORKERS sets the number of worker processes [default: number of available cores].
Exit status: 0, or 1 if a token was not a natural number, could not be factored, or writing failed.
";

const GCD_HELP: &str = "\
Print the greatest common divisor of integers of any size and sign.

Usage: runner gcd [NUMBER]...

Prints one result for all NUMBERs. Without a NUMBER, prints one result for the integers in each line of
standard input, without waiting for later lines. The result is never negative; that of zeros alone is 0. A
blank line has no result. Neither has a line that contains anything but integers: an error is printed, and
the next line is processed.

      --help       print this help
      --version    print the version

RUNNER_WORKERS sets the number of worker processes [default: number of available cores].
Exit status: 0, or 1 if a token was not an integer, or reading or writing failed.
";
